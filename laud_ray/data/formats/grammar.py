r"""Find the cells of delimited text in a block of bytes. Pure NumPy and `re`; R rows, C columns.

A quote opens a quoted cell only at the cell's beginning, so `5" pipe` is an ordinary text. Invalid rows are returned as
data and not raised, because the detection of a dialect tries several.
"""

import re
from collections import deque
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from laud_ray.data.formats import row_faults
from laud_ray.data.formats.row_faults import LF, Dialect, Problem
from laud_ray.types import Bools, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The complete rows of a block, up to the first invalid one. A blank line is a row only if there is one column.

    Attributes:
        used: bytes of these rows.
        starts: (R, C) offsets where cells begin, without quotes.
        ends: (R, C) offsets where cells end, without quotes.
        quoted: (R, C) whether a cell is quoted.
        problem: the first invalid row; None if there is none.
        merged: rows with a quoted cell whose lines look like rows; they are invalid unless `merging` allows them.
    """

    used: int
    starts: Indices
    ends: Indices
    quoted: Bools
    problem: Problem | None
    merged: tuple[int, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.starts)


@lru_cache(maxsize=64)
def _cell(one: Dialect) -> re.Pattern[bytes]:
    """Return a pattern for a quoted cell, from its opening quote to its closing quote or the end of the block."""
    assert one.quote is not None
    quote, end, delimiter = (re.escape(sign) for sign in (one.quote, one.end, one.delimiter))
    # Matching the quote first, and what precedes it by lookbehind, is many times faster.
    opens = quote + b"(?<![^" + delimiter + end + b"]" + quote + b")"
    if one.escapes:
        inner = rb"[^" + quote + rb"\\]*+(?:\\(?:.|\Z)[^" + quote + rb"\\]*+)*+"
    else:
        inner = b"[^" + quote + b"]*+(?:" + quote + quote + b"[^" + quote + b"]*+)*+"
    return re.compile(opens + inner + b"(" + quote + rb"|\Z)", re.DOTALL)


def scan(data: bytes, one: Dialect, columns: int | None, *, final: bool, merging: bool = False) -> Block:
    """Find the cells of the complete rows in a block that begins with a row.

    Args:
        data: the block.
        one: the dialect.
        columns: C; None: the number of cells in the first row.
        final: whether the file ends with this block.
        merging: whether the lines of a quoted cell may look like rows.
    """
    begins, stops, open_at = _regions(data, one, final=final)
    places, is_end = _structure(data, one, begins, stops, open_at, final=final)
    if not len(places):
        return _nothing(columns or 0)
    starts = np.concatenate([[0], places[:-1] + 1])
    ends = places.copy()
    if one.end == LF:
        raw = np.frombuffer(data, np.uint8)
        ends -= is_end & (ends > starts) & (raw[np.maximum(ends - 1, 0)] == 13)
    last = np.flatnonzero(is_end)
    sizes = np.diff(np.concatenate([[-1], last]))
    columns = columns or int(sizes[0])
    firsts = last - sizes + 1
    blank = (sizes == 1) & (starts[firsts] == ends[firsts]) & (columns > 1)
    row_of = np.repeat(np.cumsum(~blank) - 1, sizes)
    known = begins < places[-1]
    begins, stops = begins[known], stops[known]
    cells = np.searchsorted(starts, begins)
    merged = row_faults.merged_rows(data, one, row_of, cells, firsts[~blank], begins, stops, columns)
    problems = [
        row_faults.first_unclosed(data, one, ends, row_of, cells, begins, stops),
        None if merging or not merged else Problem(merged[0][0], merged[0][1], merges=True),
        row_faults.first_mixed(data, one, starts, ends, row_of, columns, begins, stops),
        row_faults.first_ragged(sizes[~blank], columns),
    ]
    # If a row has several problems, the first in this list is the cause of the others.
    problem = min((found for found in problems if found), key=lambda found: found.row, default=None)
    whole = int((~blank).sum()) if problem is None else problem.row
    keep = np.repeat(~blank, sizes)
    quoted = np.zeros(len(places), np.bool_)
    quoted[cells] = True
    shape, n = (whole, columns), whole * columns
    inner = quoted[keep][:n]
    return Block(
        int(places[-1]) + 1,
        (starts[keep][:n] + inner).reshape(shape),
        (ends[keep][:n] - inner).reshape(shape),
        inner.reshape(shape),
        problem,
        tuple(row for row, _ in merged if row < whole),
    )


def open_rows(data: bytes, one: Dialect, columns: int) -> Problem | None:
    """Return a problem if a block ends within a quoted cell whose lines look like rows; None otherwise."""
    if one.quote is None:
        return None
    last = next(iter(deque(_cell(one).finditer(data), 1)), None)
    if last is None or last[1]:
        return None
    line = data.rfind(one.end, 0, last.start()) + 1
    before = data[line : last.start()].count(one.delimiter)
    pieces = data[last.start() :].split(one.end)
    if len(pieces) < 3 or not row_faults.alike([*pieces[:-1]], one, before, columns):
        return None
    return Problem(0, row_faults.merging(len(pieces) - 1), merges=True)


def unescape(cell: bytes, one: Dialect) -> bytes:
    """Return the value of a quoted cell, given without its outer quotes: doubled or escaped quotes become quotes."""
    assert one.quote is not None
    if one.escapes:
        return re.sub(rb"\\([\\" + re.escape(one.quote) + rb"])", rb"\1", cell)
    return cell.replace(one.quote * 2, one.quote)


def regions(data: bytes, one: Dialect) -> tuple[Indices, Indices]:
    """Return where the quoted cells begin and end in a block of complete rows."""
    begins, stops, _ = _regions(data, one, final=True)
    return begins, stops


def _nothing(columns: int) -> Block:
    none = np.zeros((0, columns), np.int64)
    return Block(0, none, none, none.astype(np.bool_), None)


def _regions(data: bytes, one: Dialect, *, final: bool) -> tuple[Indices, Indices, int]:
    """Return where quoted cells begin and end, and where the last one begins if it may go on after the block.

    If it does not, the third value is beyond the block.
    """
    if one.quote is None or one.quote not in data:
        none = np.zeros(0, np.int64)
        return none, none, len(data) + 1
    begins, stops = _alternating(data, one) or _by_pattern(data, one)
    # A closing quote at the end of the block may be the first half of a doubled quote.
    return begins, stops, int(begins[-1]) if not final and len(begins) and stops[-1] == len(data) else len(data) + 1


def _by_pattern(data: bytes, one: Dialect) -> tuple[Indices, Indices]:
    found = [match.span() for match in _cell(one).finditer(data)]
    begins, stops = np.asarray(found, np.int64).reshape(-1, 2).T
    return begins, stops


def _alternating(data: bytes, one: Dialect) -> tuple[Indices, Indices] | None:
    """Find quoted cells with NumPy, assuming that opening and closing quotes alternate.

    Returns None if a quote is neither at the edge of a cell nor doubled; then only the pattern gives the right result.
    """
    if one.escapes:
        return None
    raw = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(raw == (one.quote or b"\0")[0])
    opens, closes = quotes[0::2], quotes[1::2] + 1
    stops = closes if len(opens) == len(closes) else np.append(closes, len(data))
    apart = opens[1:] != stops[:-1]
    begins, stops = opens[np.append(True, apart)], stops[np.append(apart, True)]
    marks = (one.delimiter[0], one.end[0])
    inner = begins[begins > 0]
    after = raw[stops[stops < len(data)]]
    if np.isin(raw[inner - 1], marks).all() and np.isin(after, (*marks, 13) if one.end == LF else marks).all():
        return begins, stops
    return None


def _structure(
    data: bytes, one: Dialect, begins: Indices, stops: Indices, open_at: int, *, final: bool
) -> tuple[Indices, Bools]:
    """Return the offsets of delimiters and line ends of complete rows, and whether each is a line end."""
    raw = np.frombuffer(data, np.uint8)
    is_mark = (raw == one.delimiter[0]) | (raw == one.end[0])
    places = np.flatnonzero(is_mark)
    if len(begins):
        region = np.searchsorted(begins, places, "right") - 1
        places = places[(region < 0) | (places >= stops[region])]
    places = places[places < open_at]
    is_end = raw[places] == one.end[0]
    if final and len(data) and not (len(places) and is_end[-1] and places[-1] == len(data) - 1):
        return np.append(places, len(data)), np.append(is_end, True)
    whole = int(np.flatnonzero(is_end)[-1]) + 1 if is_end.any() else 0
    return places[:whole], is_end[:whole]
