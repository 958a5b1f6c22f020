"""Split a large text file into pieces that several workers read, if that gives the same rows as reading it whole.

A piece begins at a line. That line begins a row if no quoted cell contains a line end. Counting the rows of the pieces
finds every such cell; if there is one, the file is read as a whole. Compressed files and files in other encodings than
UTF-8 are not split.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from laud_ray.data.formats import delimited, files
from laud_ray.data.formats.delimited import BLANK
from laud_ray.data.formats.dialect import Found
from laud_ray.data.formats.grammar import regions
from laud_ray.data.formats.row_faults import LF
from laud_ray.data.formats.text_files import Piece, opened, section
from laud_ray.data.seen import Seen
from laud_ray.errors import CorpusError
from laud_ray.storage.charset import HEAD, UTF8, Stream, peek
from laud_ray.storage.folder import Entry, filesystem
from laud_ray.storage.text_reading import Reading

PIECE = 64 << 20  # approximate bytes of a piece
_BLOCK, _WINDOW, _CR = 1 << 20, 1 << 16, 13


def cut(entry: Entry, columns: tuple[str, ...], reading: Reading) -> list[Piece]:
    """Return at least two pieces of a text file; [] if it is small or can only be read as a whole.

    Errors in the file are not reported here, but when it is read.
    """
    if entry.size < 2 * PIECE or entry.path.lower().endswith(".gz"):
        return []
    try:
        found = _found(entry.path, columns, reading)
        if found is None:
            return []
        starts = list(_line_starts(entry))
    except (CorpusError, UnicodeDecodeError, pa.ArrowException, OSError):
        return []
    ends = [*starts[1:], entry.size]
    return [Piece(start, end, found) for start, end in zip(starts, ends, strict=True)] if len(starts) > 1 else []


def count_rows(file: str, piece: Piece, reading: Reading) -> int | None:
    """Return the number of rows in a piece, the header included; None if the file can only be read as a whole."""
    with section(file, piece) if piece.start else opened(file, reading, end=piece.end) as stream:
        total = 0
        for lines in _whole_lines(stream, first=not piece.start):
            found = _json_rows(lines) if isinstance(piece.found, Reading) else _delimited_rows(lines, piece.found)
            if found is None:
                return None
            total += found
    return total


def _found(file: str, columns: tuple[str, ...], reading: Reading) -> Found | Reading | None:
    """Return the dialect of delimited text, or the settings of JSON lines; None if the file cannot be split."""
    kind = files.format_of(file)
    reading = files.fitting(file, reading, columns, Seen())
    with opened(file, reading) as stream:
        if stream.encoding != UTF8:
            return None
        if kind == "jsonl":
            return Reading(encoding=UTF8)
        stated = replace(stream.stated(reading), encoding=stream.encoding)
        found = delimited.find(file, str(kind), peek(stream, HEAD), stated, columns)
    one = found.dialect
    return None if found.problem is not None or one.end != LF or one.escapes else found


def _line_starts(entry: Entry) -> Iterator[int]:
    """Yield the offsets at which pieces begin: after the first line end that follows each multiple of PIECE."""
    fs, path = filesystem(entry.path)
    last = 0
    yield last
    with fs.open_input_file(path) as file:
        for wanted in range(PIECE, entry.size, PIECE):
            if wanted <= last:
                continue
            file.seek(at := wanted - 1)
            while (block := file.read(_WINDOW)) and LF not in block:
                at += len(block)
            last = at + block.find(LF) + 1
            if not block or last >= entry.size:
                return
            yield last


def _whole_lines(stream: Stream, *, first: bool) -> Iterator[bytes]:
    """Yield the lines of a stream in blocks; with `first`, blank lines before the header are skipped."""
    rest = b""
    while part := stream.read(max(_BLOCK, len(rest))):
        data = rest + part
        if first:
            data = data.lstrip(BLANK)
        end = data.rfind(LF) + 1
        rest = data[end:]
        if end:
            first = False
            yield data[:end]
    if rest:
        yield rest


def _json_rows(lines: bytes) -> int:
    return sum(1 for line in lines.split(LF) if line.strip())


def _delimited_rows(lines: bytes, found: Found) -> int | None:
    """Count rows; return None if a quoted cell may contain a line end, or if another meaning of quotes is possible."""
    one = found.dialect
    raw = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(raw == LF[0])
    if b'"' in lines and (one.quote is None or b'\\"' in lines):
        return None
    if one.quote is not None and one.quote in lines:
        begins, stops = regions(lines, one)
        region = np.searchsorted(begins, ends, "right") - 1
        within = region >= 0
        if (ends[within] < stops[region[within]]).any():
            return None
    if raw[-1] != LF[0]:
        ends = np.append(ends, len(raw))
    if len(found.names) == 1:
        return len(ends)
    starts = np.concatenate([[0], ends[:-1] + 1])
    blank = (starts == ends) | ((starts + 1 == ends) & (raw[np.minimum(starts, len(raw) - 1)] == _CR))
    return len(ends) - int(blank.sum())
