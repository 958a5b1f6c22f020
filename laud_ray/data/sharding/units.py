"""Split an input into independent units: files, row groups of a Parquet file, or pieces of a large text file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby

import pyarrow as pa
import pyarrow.parquet as pq

from laud_ray.data.formats import files
from laud_ray.data.formats.text_files import Piece
from laud_ray.data.sharding import pieces
from laud_ray.errors import CorpusError
from laud_ray.printable import first_line
from laud_ray.storage.folder import Entry, filesystem
from laud_ray.storage.text_reading import Reading

# Approximate number of rows in a unit of a Parquet file.
UNIT_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of the input.

    Attributes:
        name: units sort by name in the order of the input.
        file: the path or URI.
        part: a range of row groups as (start, stop), or a piece of text; None is the whole file.
        first: the number of its first row in the file, from 1.
    """

    name: str
    file: str
    part: tuple[int, int] | Piece | None
    first: int


def plan_units(entries: Sequence[Entry], columns: tuple[str, ...], reading: Reading) -> tuple[Unit, ...]:
    """Split the input into units, in its order: Parquet by row groups, text by lines.

    The first row of a piece is only known after all pieces have been counted; see `numbered`.

    Raises:
        CorpusError: if a Parquet file cannot be read.
    """
    parts = [(entry.path, *part) for entry in entries for part in _parts(entry, columns, reading)]
    return tuple(Unit(f"unit-{i:06d}", file, part, first) for i, (file, part, first) in enumerate(parts))


@dataclass(frozen=True, slots=True)
class CountJob:
    """What a worker needs to count the rows of a piece, besides its name."""

    units: Mapping[str, Unit]
    reading: Reading


def count_unit(name: str, job: CountJob) -> int | None:
    """Count the rows of a piece; None if its file can only be read as a whole."""
    unit = job.units[name]
    assert isinstance(unit.part, Piece)
    return pieces.count_rows(unit.file, unit.part, job.reading)


def numbered(units: Sequence[Unit], rows: Mapping[str, int | None]) -> tuple[Unit, ...]:
    """Return the units with the first row of each piece set.

    Args:
        units: all units, in order.
        rows: number of rows of each piece, by name of the unit; None if its file can only be read as a whole. Such a
            file becomes a single unit.
    """
    found: list[Unit] = []
    for file, group in groupby(units, key=lambda unit: unit.file):
        parts = list(group)
        counts = [rows[unit.name] for unit in parts if isinstance(unit.part, Piece)]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            found.append(Unit(parts[0].name, file, None, 1))
        elif not counts:
            found += parts
        else:
            # A header is row 0.
            before = accumulate(known, initial=1 if files.format_of(file) == "jsonl" else 0)
            found += [replace(unit, first=max(first, 1)) for unit, first in zip(parts, before, strict=False)]
    return tuple(found)


def _parts(
    entry: Entry, columns: tuple[str, ...], reading: Reading
) -> list[tuple[tuple[int, int] | Piece | None, int]]:
    """Return the parts of a file, each with the number of its first row; 1 for a piece, where it is not known yet."""
    if files.format_of(entry.path) == "parquet":
        return _row_groups(entry)
    return [(piece, 1) for piece in pieces.cut(entry, columns, reading)] or [(None, 1)]


def _row_groups(entry: Entry) -> list[tuple[tuple[int, int] | Piece | None, int]]:
    if not entry.size:
        return [(None, 1)]
    fs, path = filesystem(entry.path)
    try:
        with fs.open_input_file(path) as opened:
            meta = pq.ParquetFile(opened).metadata
            sizes = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{entry.path}: cannot be read: {first_line(error)}") from None
    if sum(sizes) <= UNIT_ROWS:
        return [(None, 1)]
    parts: list[tuple[tuple[int, int] | Piece | None, int]] = []
    start, first, rows = 0, 1, 0
    for i, size in enumerate(sizes):
        rows += size
        if rows >= UNIT_ROWS or i == len(sizes) - 1:
            parts.append(((start, i + 1), first))
            start, first, rows = i + 1, first + rows, 0
    return parts
