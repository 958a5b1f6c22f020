"""Normalise a column of texts. Plain texts are recognised by Arrow and stay as they are; Python handles the others."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.texts import cut, normalise_text
from laud_ray.types import Bools

NULL, NOT_UTF8, EMPTY = "null text", "text is not UTF-8", "empty text"
# Printable ASCII with single spaces between words, which normalisation does not change.
_PLAIN = r"^[!-~]+( [!-~]+)*$"


@dataclass(frozen=True, slots=True, eq=False)
class Cleaned:
    """n normalised cells.

    Attributes:
        texts: (n,) large_string; null where there is no text to score.
        errors: (n,) the reason why there is no text; null elsewhere.
        truncated: (n,) whether a text was longer than the limit.
    """

    texts: pa.Array
    errors: pa.Array
    truncated: Bools


def clean(cells: pa.Array, max_chars: int) -> Cleaned:
    """Normalise n cells: Unicode NFC, white space, length.

    Args:
        cells: (n,) large_binary.
        max_chars: longer texts are truncated to this length.
    """
    decoded, broken = _decode(cells)
    plain = pc.fill_null(pc.match_substring_regex(decoded, _PLAIN), False)
    short = pc.less_equal(pc.fill_null(pc.utf8_length(decoded), 0), max_chars)
    truncated = np.zeros(len(cells), np.bool_)
    slow = np.flatnonzero(~np.asarray(pc.and_(plain, short)))
    if len(slow):
        places = pa.array(slow)
        whole = [None if text is None else normalise_text(text) for text in decoded.take(places).to_pylist()]
        truncated[slow] = [text is not None and len(text) > max_chars for text in whole]
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
    """Return the cells as large_string, and the indices of those that are not UTF-8, which are null."""
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
