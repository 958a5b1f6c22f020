"""Read JSON lines: one object per line. Rows may have different keys; an absent key is a missing value."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from laud_ray.data.formats.cells import cell_of, set_found
from laud_ray.data.seen import Keys, Seen
from laud_ray.errors import CorpusError
from laud_ray.printable import did_you_mean, printable, quoted
from laud_ray.storage.charset import Stream

BLOCK = 1 << 20
BATCH_ROWS = 16_384
# Bytes of a line above which it is an error.
LONGEST = 1 << 28


class _Repeated(dict[str, object]):
    """An object in which some keys occur more than once."""

    keys_twice: frozenset[str]


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    twice = _Repeated(made)
    twice.keys_twice = frozenset(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
    return twice


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def batches(
    name: str, stream: Stream, columns: Sequence[str], whole: Seen | None = None, first: int = 1
) -> Iterator[list[pa.Array]]:
    """Yield the columns in batches of rows, as large_binary.

    Args:
        name: the file, for errors.
        stream: its bytes.
        columns: the keys to read.
        whole: for a piece of a file, collects its keys, because a key that this piece lacks may be in another one.
        first: the number of the first row.

    Raises:
        CorpusError: if a line is not an object, a value cannot be converted to a text, a key occurs twice in a row, or
            no row has a column.
    """
    cells: list[list[bytes | None]] = [[] for _ in columns]
    missing, known, any_row = set(columns), dict[str, None](), False
    for number, row in rows(name, stream, first - 1):
        any_row = True
        if isinstance(row, _Repeated) and (twice := row.keys_twice.intersection(columns)):
            raise CorpusError(f"{name} row {number}: the key {quoted(min(twice))} occurs twice; expected it once")
        if missing or len(known) < 100:
            missing -= row.keys()
            known |= dict.fromkeys(row)
        for column, into in zip(columns, cells, strict=True):
            into.append(_cell(name, number, column, row.get(column)))
        if columns and len(cells[0]) == BATCH_ROWS:
            yield [pa.array(one, pa.large_binary()) for one in cells]
            cells = [[] for _ in columns]
    if whole is not None and any_row:
        whole.keys[name] = Keys(missing, known)
    elif any_row and missing:
        require(name, columns, list(known))
    if columns and cells[0]:
        yield [pa.array(one, pa.large_binary()) for one in cells]


def names(name: str, stream: Stream, most: int) -> list[str]:
    """Return the keys of the first `most` rows."""
    found: dict[str, None] = {}
    for number, row in rows(name, stream):
        found |= dict.fromkeys(row)
        if number == most:
            break
    return list(found)


def rows(name: str, stream: Stream, number: int = 0) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield (row number, object) for each line that is not blank; `number` is the number of the row before."""
    for line in _lines(name, stream):
        if not line.strip():
            continue
        number += 1
        try:
            # A byte that is not UTF-8 becomes a lone surrogate, by which the text is recognised as invalid later.
            row = _DECODER.decode(line.decode("utf-8", errors="surrogateescape"))
        except RecursionError:
            raise CorpusError(f"{name} row {number}: is nested too deeply; expected one object per line") from None
        except ValueError as error:
            raise CorpusError(f"{name} row {number}: {_why(line, number, error)}") from None
        if not isinstance(row, dict):
            what = "a JSON array" if isinstance(row, list) else quoted(row)
            raise CorpusError(f"{name} row {number}: holds {what}; expected one object per line")
        yield number, row


def require(name: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    """Raise CorpusError if a file lacks a column, or has it twice."""
    for column in wanted:
        if column not in present:
            shown = printable(", ".join(present))
            shown = shown if len(shown) <= 300 else f"{shown[:300]}..."
            hint = did_you_mean(column, present)
            raise CorpusError(f"{name}: no column {quoted(column)}; expected one of {shown}{hint}")
        if present.count(column) > 1:
            raise CorpusError(f"{name}: {present.count(column)} columns are named {quoted(column)}; expected one")


def _why(line: bytes, number: int, error: ValueError) -> str:
    if number == 1 and line.lstrip().startswith(b"["):
        return "begins a JSON array; expected one object per line"
    if number == 1 and line.strip() == b"{":
        return "begins an object of several lines; expected one object per line"
    return f"is not valid JSON: {printable(str(error))[:120]}"


def _cell(name: str, number: int, column: str, value: object) -> bytes | None:
    try:
        return cell_of(column, value)
    except ValueError:
        if (found := set_found(column, value)) is not None:
            raise CorpusError(f"{name} row {number}: {quoted(column)} holds {found}") from None
        shown = quoted(json.dumps(value, ensure_ascii=False))
        raise CorpusError(f"{name} row {number}: {quoted(column)} holds {shown}; expected a text") from None


def _lines(name: str, stream: Stream) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(max(BLOCK, len(rest))):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
        if len(rest) > LONGEST:
            raise CorpusError(f"{name}: a line is longer than {LONGEST >> 20} MiB; expected one object per line")
    if rest:
        yield rest
