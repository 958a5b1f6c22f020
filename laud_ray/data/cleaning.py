"""Normalise a column of texts at once: what is plain stays as it is, only the rest goes through Python."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.texts import cut, normalise_text

NULL, NOT_UTF8, EMPTY = "null text", "text is not UTF-8", "empty text"
# Printable ASCII with single spaces within: NFC and white space have nothing to do there.
_PLAIN = r"^[!-~]+( [!-~]+)*$"


@dataclass(frozen=True, slots=True, eq=False)
class Cleaned:
    """n cells, normalised.

    Attributes:
        texts: (n,) large_string, null where there is none to score.
        errors: (n,) strings that say why, null elsewhere.
        truncated: how many texts were cut.
    """

    texts: pa.Array
    errors: pa.Array
    truncated: int


def clean(cells: pa.Array, max_chars: int) -> Cleaned:
    """Normalise n cells of bytes, as the corpus does.

    Args:
        cells: (n,) large_binary.
        max_chars: longer texts are cut.
    """
    decoded, broken = _decode(cells)
    plain = pc.fill_null(pc.match_substring_regex(decoded, _PLAIN), False)
    short = pc.less_equal(pc.fill_null(pc.utf8_length(decoded), 0), max_chars)
    truncated = 0
    slow = np.flatnonzero(~np.asarray(pc.and_(plain, short)))
    if len(slow):
        places = pa.array(slow)
        whole = [None if text is None else normalise_text(text) for text in decoded.take(places).to_pylist()]
        truncated = sum(1 for text in whole if text is not None and len(text) > max_chars)
        found = [None if text is None else cut(text, max_chars) or None for text in whole]
        changed = np.zeros(len(decoded), np.bool_)
        changed[slow] = True
        decoded = pc.replace_with_mask(decoded, pa.array(changed), pa.array(found, pa.large_string()))
    why = np.full(len(cells), None, object)
    missing = ~np.asarray(decoded.is_valid())
    why[missing] = EMPTY
    why[~np.asarray(cells.is_valid())] = NULL
    why[broken] = NOT_UTF8
    return Cleaned(decoded, pa.array(why, pa.string()), truncated)


def _decode(cells: pa.Array) -> tuple[pa.Array, list[int]]:
    """Return the cells as large_string, and the places of those that are not UTF-8, null in it."""
    try:
        return cells.cast(pa.large_string()), []
    except pa.ArrowInvalid:
        texts: list[str | None] = []
        broken: list[int] = []
        for i, cell in enumerate(cells.to_pylist()):
            try:
                texts.append(None if cell is None else cell.decode())
            except UnicodeDecodeError:
                texts.append(None)
                broken.append(i)
        return pa.array(texts, pa.large_string()), broken
