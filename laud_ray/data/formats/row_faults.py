"""Find invalid rows of delimited text: a wrong number of cells, mixed line ends, unclosed quotes, merged rows.

Positions are byte offsets in a block. Arguments that the functions share:
    starts, ends: (c,) where the c cells of the block begin and end.
    row_of: (c,) the row of each cell.
    cells: (q,) the indices of the q quoted cells.
    begins, stops: (q,) where quoted cells begin and end, quotes included.
"""

from dataclasses import dataclass

import numpy as np

from laud_ray.storage.text_reading import NONE, Reading
from laud_ray.types import Indices

LF, CR = b"\n", b"\r"


@dataclass(frozen=True, slots=True)
class Dialect:
    r"""How rows and cells are split.

    Attributes:
        delimiter: one byte.
        quote: one byte; None if quotes are ordinary characters.
        escapes: whether a quote in a quoted cell is written \"; if not, it is doubled.
        end: LF, which a CR may precede, or CR.
    """

    delimiter: bytes
    quote: bytes | None
    escapes: bool = False
    end: bytes = LF


def dialect(reading: Reading, end: bytes) -> Dialect:
    """Return the dialect of settings in which delimiter and quote are not None."""
    assert reading.delimiter is not None
    assert reading.quote is not None
    sign = None if reading.quote == NONE else reading.quote[-1].encode()
    return Dialect(reading.delimiter.encode(), sign, len(reading.quote) == 2, end)


@dataclass(frozen=True, slots=True)
class Problem:
    """An invalid row of a block.

    Attributes:
        row: its number in the block, from 0.
        text: what is wrong with it, for an error message.
        merges: whether the reason is a quoted cell with lines that look like rows.
    """

    row: int
    text: str
    merges: bool = False


def first_ragged(sizes: Indices, columns: int) -> Problem | None:
    """Find the first row with a wrong number of cells; sizes is (R,) cells of each row."""
    wrong = np.flatnonzero(sizes != columns)
    if not len(wrong):
        return None
    row = int(wrong[0])
    cells = "1 cell" if sizes[row] == 1 else f"{sizes[row]} cells"
    return Problem(row, f"has {cells}; expected {columns}, as in the header")


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
    """Find the first row with a line end of the other kind outside quotes, where it may be meant as a line end."""
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
    return Problem(row, f"contains {names[0]}, but lines of the file end in {names[1]}; expected one kind of line end")


def first_unclosed(
    data: bytes, one: Dialect, ends: Indices, row_of: Indices, cells: Indices, begins: Indices, stops: Indices
) -> Problem | None:
    """Find the first quoted cell that has no closing quote, or text after it."""
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
    """Return the rows with a quoted cell whose lines would be valid rows without quotes, with a text for errors."""
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
    """Whether the lines of a quoted cell have as many delimiters as rows.

    Args:
        pieces: the lines, without the last one.
        one: the dialect.
        column: the column in which the cell begins.
        columns: the number of columns.
    """
    first, *others = (piece.count(one.delimiter) for piece in pieces)
    return first == columns - 1 - column and all(count == columns - 1 for count in others)


def merging(lines: int) -> str:
    """Return the text of an error about a quoted cell whose lines look like rows."""
    return f"has a quoted cell of {lines} lines that look like separate rows"
