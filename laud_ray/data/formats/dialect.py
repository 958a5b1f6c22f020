"""Detect the dialect of delimited text from its first bytes. Pure.

Every combination of delimiter and quote is tried on the first rows. A combination fits if every row has as many cells
as the header, and no quoted cell contains lines that look like rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from laud_ray.data.formats.grammar import Block, open_rows, scan, unescape
from laud_ray.data.formats.row_faults import CR, LF, Dialect, Problem, dialect
from laud_ray.storage.text_reading import NONE, Reading
from laud_ray.types import Bools

DOUBLED, ESCAPED = '"', '\\"'
AMBIGUOUS = "can be read in several ways, depending on what a quote means"
_CHARACTERS = "quotes are read as ordinary characters"
_ORDER = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Found:
    """The detected dialect.

    Attributes:
        dialect: how rows and cells are split.
        reading: the same as settings.
        names: the names of the columns.
        problem: why the dialect is ambiguous, or the row that is invalid in every dialect; None if it fits.
        note: a remark for people on how it was chosen.
    """

    dialect: Dialect
    reading: Reading
    names: tuple[str, ...]
    problem: Problem | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """How well a dialect fits the first rows.

    Attributes:
        problem: the first invalid row; None if there is none.
        rows: number of rows, if quoted cells may contain lines that look like rows.
        possible: whether all rows are valid in that case.
        quoted: number of cells in quotes; if quotes are ordinary characters, of cells that begin and end with one.
        needed: number of those that would be read differently without quotes.
    """

    dialect: Dialect
    reading: Reading
    names: tuple[str, ...]
    problem: Problem | None
    rows: int
    possible: bool
    quoted: int
    needed: int


def usual(kind: str) -> Reading:
    """Return the usual settings for a kind of file, csv or tsv."""
    return Reading("\t", NONE, "utf-8") if kind == "tsv" else Reading(",", DOUBLED, "utf-8")


def find(head: bytes, kind: str, wanted: Reading, columns: Sequence[str] = (), *, final: bool) -> Found:
    """Detect the dialect of a file.

    Args:
        head: its first bytes, in UTF-8 without a byte order mark.
        kind: csv or tsv.
        wanted: settings that the user stated, which are not changed.
        columns: the columns that will be read; a dialect is preferred if its header has them.
        final: whether the head is the whole file.
    """
    first = _ORDER if kind == "csv" else ("\t", *(one for one in _ORDER if one != "\t"))
    delimiters = first if wanted.delimiter is None else (wanted.delimiter,)
    end = _line_end(head)
    tried: dict[str, list[_Fit]] = {}
    for one in delimiters:
        tried[one] = _try(head, replace(wanted, delimiter=one), end, final=final)
        merit = _merit(tried[one], columns)
        if all(merit if columns else merit[1:]):
            break
    chosen, note = _choose(tried[max(tried, key=lambda one: _merit(tried[one], columns))])
    return Found(chosen.dialect, chosen.reading, chosen.names, chosen.problem, note)


def _line_end(head: bytes) -> bytes:
    """Return CR if the first line ends in CR without LF, else LF."""
    line = head.partition(LF)[0]
    return CR if CR in line[:-1] or (LF not in head and line.endswith(CR)) else LF


def _try(head: bytes, wanted: Reading, end: bytes, *, final: bool) -> list[_Fit]:
    quotes = (DOUBLED, ESCAPED, NONE) if wanted.quote is None else (wanted.quote,)
    if wanted.quote is None and b'"' not in head:
        quotes = (NONE,) if wanted.delimiter == "\t" else (DOUBLED,)
    merging = wanted.quote is not None and wanted.firm
    return [_fit(head, replace(wanted, quote=one), end, final=final, merging=merging) for one in quotes]


def _fit(head: bytes, reading: Reading, end: bytes, *, final: bool, merging: bool) -> _Fit:
    one = dialect(reading, end)
    block = whole = scan(head, one, None, final=final, merging=merging)
    problem = block.problem
    if problem is not None and problem.merges:
        whole = scan(head, one, None, final=final, merging=True)
    names = header(head, whole, one) if whole.rows else ()
    if problem is None and not final and not merging:
        problem = open_rows(head[block.used :], one, len(names) or 1)
        problem = None if problem is None else replace(problem, row=block.rows)
    return _Fit(one, reading, names, problem, whole.rows, whole.problem is None, *_quoted(head, whole, one))


def header(data: bytes, block: Block, one: Dialect) -> tuple[str, ...]:
    """Return the names of the columns from the first row, stripped. Invalid UTF-8 is kept as surrogate escapes."""
    cells = zip(block.starts[0], block.ends[0], block.quoted[0], strict=True)
    names = [unescape(data[low:high], one) if quoted else data[low:high] for low, high, quoted in cells]
    return tuple(name.decode("utf-8", "surrogateescape").strip().removeprefix("\ufeff").strip() for name in names)


def _quoted(data: bytes, block: Block, one: Dialect) -> tuple[int, int]:
    """Return the number of quoted cells, and of those with a reason for quotes.

    A reason is a delimiter, line end or quote inside the cell, or that all cells of its column are quoted.
    """
    if one.quote is None:
        return int(in_quotes(data, block).sum()), 0
    if not block.quoted.any():
        return 0, 0
    marks = (one.delimiter, one.end, b"\\" + one.quote if one.escapes else one.quote * 2)
    rows, columns = block.quoted.nonzero()
    cells = (data[block.starts[r, c] : block.ends[r, c]] for r, c in zip(rows, columns, strict=True))
    needed = sum(1 for cell in cells if any(mark in cell for mark in marks))
    whole = (block.quoted | (block.ends <= block.starts)).all(0) & block.quoted[0]
    return len(rows), needed + int(block.quoted[:, whole].sum())


def other_rows(data: bytes, block: Block, found: Found) -> int | None:
    """Return the first row of a block that differs under another meaning of quotes; None if there is none."""
    if b'"' not in data or (found.dialect.quote is not None and b'\\"' not in data):
        return None
    columns = len(found.names)
    for quote in (DOUBLED, ESCAPED):
        one = dialect(replace(found.reading, quote=quote), found.dialect.end)
        if one == found.dialect:
            continue
        other = scan(data[: block.used], one, columns, final=True, merging=True)
        if other.problem is None and other.rows != block.rows:
            low = min(other.rows, block.rows)
            differs = (other.starts[:low, 0] - other.quoted[:low, 0]) != (block.starts[:low, 0] - block.quoted[:low, 0])
            return int(np.flatnonzero(np.append(differs, True))[0]) - 1
    return None


def in_quotes(data: bytes, block: Block) -> Bools:
    """Return (R, C) whether a cell begins and ends with a quote that is an ordinary character."""
    raw = np.frombuffer(data + b" ", np.uint8)
    long = block.ends - block.starts >= 2
    found: Bools = long & (raw[block.starts] == 34) & (raw[np.maximum(block.ends - 1, 0)] == 34)
    return found


def _merit(fits: list[_Fit], columns: Sequence[str]) -> tuple[bool, bool, bool]:
    """Return a sort key, larger is better: the columns exist, there are several columns, and the rows are valid."""
    possible = [fit for fit in fits if fit.possible]
    best = (possible or fits)[0]
    return bool(columns) and all(name in best.names for name in columns), len(best.names) > 1, bool(possible)


def _choose(fits: list[_Fit]) -> tuple[_Fit, str | None]:
    """Choose between doubled quotes, escaped quotes and none; return a note on the choice, if any.

    If the number of rows depends on the choice, the result has a problem, because a person must decide.
    """
    if len(fits) == 1:
        return fits[0], None
    doubled, escaped, none = fits
    tabs = doubled.dialect.delimiter == b"\t" and len(none.names) > 1
    possible = [fit for fit in fits if fit.possible]
    if len({fit.rows for fit in possible}) > 1:
        first = next(fit for fit in possible if fit is not none)
        row = first.rows if first.problem is None else first.problem.row
        if tabs and none.possible:
            return none, f"row {row} has a quote that could begin a cell of several lines; {_CHARACTERS}"
        return replace(first, problem=first.problem or Problem(row, AMBIGUOUS)), None
    for fit in (doubled, escaped):
        if fit.possible and (fit.needed or (fit is doubled and not tabs)):
            return fit, None
    if none.possible and (tabs or not none.quoted):
        return none, None if tabs else f"cells begin with a quote that is never closed; {_CHARACTERS}"
    return (none if tabs else doubled), None
