"""What is wrong with rows of delimited text, by where its cells are: ragged, mixed line ends, quotes, merged rows."""

from dataclasses import dataclass

import numpy as np

from laud_ray.storage.text_reading import NONE, Reading
from laud_ray.types import Indices

LF, CR = b"\n", b"\r"


@dataclass(frozen=True, slots=True)
class Dialect:
    r"""How rows are cut: the bytes of the delimiter, of the quote (None: there is none), and of the line's end.

    A line that ends in LF may have CR before it. `escapes`: a quote within a cell is written \", else doubled.
    """

    delimiter: bytes
    quote: bytes | None
    escapes: bool = False
    end: bytes = LF


def dialect(reading: Reading, end: bytes) -> Dialect:
    """Return the dialect of a reading that states delimiter and quote."""
    assert reading.delimiter is not None
    assert reading.quote is not None
    sign = None if reading.quote == NONE else reading.quote[-1].encode()
    return Dialect(reading.delimiter.encode(), sign, len(reading.quote) == 2, end)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row of a block, counted from 0. `merges`: a quoted cell holds what look like rows."""

    row: int
    text: str
    merges: bool = False


def first_ragged(sizes: Indices, columns: int) -> Problem | None:
    wrong = np.flatnonzero(sizes != columns)
    if not len(wrong):
        return None
    row = int(wrong[0])
    cells = "1 cell" if sizes[row] == 1 else f"{sizes[row]} cells"
    return Problem(row, f"has {cells}; expected {columns}, as the header has")


def first_mixed(
    data: bytes,
    one: Dialect,
    starts: Indices,
    ends: Indices,
    row_of: Indices,
    columns: int,
    begins: Indices,
    stops: Indices,
) -> Problem | None:
    """Find the other kind of line end, outside quotes, where it could be meant as one."""
    other = CR if one.end == LF else LF
    if other not in data or (one.end == LF and columns > 1):
        return None
    places = np.flatnonzero(np.frombuffer(data, np.uint8) == other[0])
    if len(begins):
        region = np.searchsorted(begins, places, "right") - 1
        places = places[(region < 0) | (places >= stops[region])]
    cell = np.searchsorted(starts, places, "right") - 1
    inside = (places < ends[cell]) & (places < ends[-1])
    if not inside.any():
        return None
    row = int(row_of[cell[inside][0]])
    names = ("a carriage return", "line feeds") if one.end == LF else ("a line feed", "carriage returns")
    return Problem(row, f"has {names[0]} within it, in a file whose lines end in {names[1]}; expected one kind")


def first_unclosed(
    data: bytes, one: Dialect, ends: Indices, row_of: Indices, cells: Indices, begins: Indices, stops: Indices
) -> Problem | None:
    """Find a quoted cell that goes on after its closing quote, or has none."""
    closed = np.frombuffer(data, np.uint8)[stops - 1] == (one.quote or b"\0")[0]
    closed &= stops - begins > 1
    wrong = np.flatnonzero((ends[cells] != stops) | ~closed)
    if not len(wrong):
        return None
    at = int(wrong[0])
    if not closed[at]:
        return Problem(int(row_of[cells[at]]), "has a quoted cell that is not closed")
    return Problem(int(row_of[cells[at]]), "has a quoted cell with text after its closing quote")


def merged_rows(
    data: bytes,
    one: Dialect,
    row_of: Indices,
    cells: Indices,
    firsts: Indices,
    begins: Indices,
    stops: Indices,
    columns: int,
) -> list[tuple[int, str]]:
    """List the rows with a quoted cell that would be whole rows if its quotes were none."""
    if not len(begins):
        return []
    ends = np.cumsum(np.frombuffer(data, np.uint8) == one.end[0])
    found = []
    for at in np.flatnonzero(ends[stops - 1] > ends[begins]):
        row = int(row_of[cells[at]])
        column = int(cells[at] - firsts[row])
        pieces = data[begins[at] : stops[at]].split(one.end)
        if alike(pieces[:-1], one, column, columns) and pieces[-1].count(one.delimiter) == column:
            found.append((row, merging(len(pieces))))
    return found


def alike(pieces: list[bytes], one: Dialect, column: int, columns: int) -> bool:
    """Whether lines of a quoted cell in a column, but for its last, have as many delimiters as rows."""
    first, *others = (piece.count(one.delimiter) for piece in pieces)
    return first == columns - 1 - column and all(count == columns - 1 for count in others)


def merging(lines: int) -> str:
    return f"has a quoted cell that runs over {lines} lines that look like rows of their own"
