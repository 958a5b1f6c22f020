"""Read delimited text as a stream: detect its dialect, split its rows, and reject rows that would be misread."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.formats import dialect as dialects
from laud_ray.data.formats.dialect import Found
from laud_ray.data.formats.grammar import Block, open_rows, scan, unescape
from laud_ray.data.formats.jsonl import require
from laud_ray.data.formats.row_faults import Dialect, Problem
from laud_ray.data.seen import Seen
from laud_ray.errors import CorpusError
from laud_ray.printable import quoted
from laud_ray.storage.charset import HEAD, UTF8, Peeked, Stream, peek, suggestion
from laud_ray.storage.text_reading import NONE, Reading

BLOCK = 1 << 20
BLANK = b"\r\n"
# A row without an end is examined from LONG bytes on, and rejected from LONGEST bytes on.
LONG, LONGEST = 1 << 23, 1 << 28


def find(name: str, kind: str, head: bytes, wanted: Reading, columns: Sequence[str]) -> Found:
    """Detect the dialect of a file.

    Args:
        name: the file, for errors.
        kind: csv or tsv.
        head: its first HEAD bytes in UTF-8, or the whole file if it is shorter.
        wanted: the settings that the user stated.
        columns: the columns that will be read.

    Raises:
        CorpusError: if the header cannot be read.
    """
    found = dialects.find(head.lstrip(BLANK), kind, wanted, columns, final=len(head) < HEAD)
    if found.problem is not None and found.problem.row == 0:
        raise _refusal(name, found.problem, 0, found.reading)
    if not found.names:
        raise CorpusError(f"{name}: the first {HEAD >> 10} KiB have no line end; expected a header and rows")
    for one in found.names:
        if any("\udc80" <= sign <= "\udcff" for sign in one):
            raise CorpusError(f"{name} header: {_not_utf8(one, wanted)}")
    return found


def batches(
    name: str, kind: str, stream: Stream, columns: Sequence[str], wanted: Reading, seen: Seen
) -> Iterator[list[pa.Array]]:
    """Yield the columns in batches of rows, as large_binary; an empty cell is null.

    Raises:
        CorpusError: if a row or the header is invalid, or a column is missing or occurs twice.
    """
    head = peek(stream, HEAD)
    if not head.strip():
        return
    found = find(name, kind, head, wanted, columns)
    head = head.lstrip(BLANK)
    try:
        require(name, columns, found.names)
    except CorpusError as error:
        raise CorpusError(f"{error} (read with {found.reading.describe()})") from None
    if found.problem is not None:
        raise _refusal(name, found.problem, 0, found.reading)
    seen.readings[name] = replace(found.reading, encoding=wanted.encoding or UTF8)
    _note_dialect(name, kind, found, wanted, seen)
    unsure = wanted.quote is None and found.note is None
    at = [found.names.index(column) for column in columns]
    kept = merged = 0
    first, first_merged = 0, 0
    for data, block in blocks(name, Peeked(head, stream.read), found, merging=wanted.quote is not None and wanted.firm):
        if block.merged and not merged:
            first_merged = first + block.merged[0]
        merged += len(block.merged)
        if unsure and (row := dialects.other_rows(data, block, found)) is not None:
            _doubt(name, found, first + row, seen)
            unsure = False
        kept += _kept_quotes(data, block, found, header=first == 0)
        body = _without_header(block) if first == 0 else block
        first += block.rows
        if body.rows:
            yield [_column(data, body, found.dialect, place) for place in at]
    if kept:
        seen.note(f"{name}: {kept:,} cells are in quotes, which were read as ordinary characters (quote: {NONE})")
    if merged:
        seen.note(
            f"{name} row {first_merged}: a quoted cell contains lines that look like separate rows ({merged:,} such "
            "cells in all); each was read as one cell, according to the stated `quote`"
        )


def later_batches(
    name: str, stream: Stream, columns: Sequence[str], found: Found, first: int
) -> Iterator[list[pa.Array]]:
    """Do the same for a later piece of a file, which begins with row `first` and has no line end in a quoted cell."""
    at = [found.names.index(column) for column in columns]
    for data, block in blocks(name, stream, found, merging=False, first=first):
        yield [_column(data, block, found.dialect, place) for place in at]


def blocks(name: str, stream: Stream, found: Found, *, merging: bool, first: int = 0) -> Iterator[tuple[bytes, Block]]:
    """Yield the bytes and rows of a file, block by block; row 0 is the header.

    Raises:
        CorpusError: at the first invalid row.
    """
    one, columns = found.dialect, len(found.names)
    rest, final = b"", False
    while not final:
        part = stream.read(max(BLOCK, len(rest)))
        final = not part
        data = rest + part
        block = scan(data, one, columns, final=final, merging=merging)
        problem = block.problem
        rest = data[block.used :]
        if problem is None and len(rest) >= LONG:
            problem = _too_long(rest, one, columns, block.rows, merging=merging)
        if problem is not None:
            raise _refusal(name, problem, first, found.reading)
        first += block.rows
        if block.rows:
            yield data, block


def _too_long(rest: bytes, one: Dialect, columns: int, rows: int, *, merging: bool) -> Problem | None:
    """Return the problem with a long row without an end; None if it may still end."""
    found = None if merging else open_rows(rest, one, columns)
    if found is not None:
        return replace(found, row=rows)
    return Problem(rows, f"is longer than {LONGEST >> 20} MiB") if len(rest) >= LONGEST else None


def _without_header(block: Block) -> Block:
    return replace(block, starts=block.starts[1:], ends=block.ends[1:], quoted=block.quoted[1:])


def _column(data: bytes, block: Block, one: Dialect, place: int) -> pa.Array:
    """Return the cells of a column as large_binary, without copying the other columns."""
    starts, ends, inside = block.starts[:, place], block.ends[:, place], block.quoted[:, place]
    offsets = np.empty(2 * len(starts), np.int64)
    offsets[0::2], offsets[1::2] = starts, ends
    pieces = pa.Array.from_buffers(
        pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    cells = pieces.take(pa.array(np.arange(len(starts)) * 2, mask=starts == ends))
    if not inside.any():
        return cells
    sign = b"\\" if one.escapes else one.quote
    written = inside & pc.fill_null(pc.match_substring(cells, sign), False).to_numpy(zero_copy_only=False)
    if not written.any():
        return cells
    meant = [unescape(cell, one) for cell in cells.filter(pa.array(written)).to_pylist()]
    return pc.replace_with_mask(cells, pa.array(written), pa.array(meant, pa.large_binary()))


def _doubt(name: str, found: Found, row: int, seen: Seen) -> None:
    """Report that another meaning of quotes gives other rows.

    In a file separated by tabs, quotes are ordinary characters, and a note suffices. In others it is an error.
    """
    if found.dialect.quote is None:
        seen.note(
            f"{name} row {row}: has a quote that could begin a cell of several lines; quotes are read as ordinary "
            f"characters (quote: {NONE})"
        )
        return
    raise _refusal(name, Problem(row, dialects.AMBIGUOUS), 0, found.reading)


def _kept_quotes(data: bytes, block: Block, found: Found, *, header: bool) -> int:
    """Return the number of cells in quotes that are read as ordinary characters."""
    if found.dialect.quote is not None or b'"' not in data:
        return 0
    return int(dialects.in_quotes(data, block)[1 if header else 0 :].sum())


def _note_dialect(name: str, kind: str, found: Found, wanted: Reading, seen: Seen) -> None:
    """Note settings that were detected and differ from what is usual for the file's extension."""
    usual = dialects.usual(kind)
    other = found.reading.describe(
        Reading(wanted.delimiter or usual.delimiter, wanted.quote or usual.quote, wanted.encoding or usual.encoding)
    )
    if other and found.note is None:
        seen.note(f"{name}: is read with {other}")
    if found.note is not None:
        seen.note(f"{name}: {found.note} ({found.reading.describe()})")


def _not_utf8(header: str, wanted: Reading) -> str:
    shown = quoted(header)
    if wanted.encoding not in (None, UTF8):
        return f"{shown} is not {wanted.encoding}; expected the encoding that the file is in"
    return f"{shown} is not UTF-8{suggestion(header.encode(errors='surrogateescape')) or '; expected its `encoding`'}"


def _refusal(name: str, problem: Problem, first: int, reading: Reading) -> CorpusError:
    row = first + problem.row
    where = f"{name} row {row}" if row else f"{name} header"
    if problem.merges:
        hint = f"; expected `quote: {NONE}` if quotes are ordinary characters, or `quote: '\"'` if it is one cell"
    elif "quote" in problem.text or "MiB" in problem.text:
        hint = f"; expected `quote: {NONE}` if quotes are ordinary characters, or another `quote`"
    else:
        hint = f" (read with {reading.describe()})"
    return CorpusError(f"{where}: {problem.text}{hint}")
