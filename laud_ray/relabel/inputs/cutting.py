"""Find the files of a catalog, and divide them into ranges.

Parquet is read in place. CSV and JSONL cannot be read from the middle, so they are first copied to Parquet, once.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from laud_ray.data import sources
from laud_ray.data.formats import files
from laud_ray.data.seen import Seen
from laud_ray.errors import CorpusError
from laud_ray.relabel.inputs import kept
from laud_ray.relabel.inputs.catalog import Catalog, Columns, Range
from laud_ray.storage.checksums import count, dump_json, parse_json, texts
from laud_ray.storage.folder import Entry, Folder, filesystem
from laud_ray.storage.text_reading import AS_FOUND, Reading

COPIES = "source"
COPY_ROWS = 200_000
READERS = 16
BY_PLACE = "there is no id column: a row is named by its file and number, and these ids shift when a file changes"
# A small catalog is divided into MANY_RANGES ranges, but with at least LEAST_ROWS rows in each.
MANY_RANGES, LEAST_ROWS = 64, 1024


def inventory(data: str, columns: Columns, reading: Reading = AS_FOUND, seen: Seen | None = None) -> tuple[Entry, ...]:
    """Return the readable files that a path, folder, glob or URI matches.

    Raises:
        CorpusError: if there are none, or the first one lacks a column.
        StorageError: if an object store fails or refuses access.
    """
    found = sources.inputs(data, Seen() if seen is None else seen)
    # Empty files have no columns, and keys of JSON lines may occur in later rows, so these are not checked.
    for entry in found:
        if sources.format_of(entry.path) != "jsonl" and entry.size:
            try:
                files.require_columns(entry.path, columns.all, reading)
            except CorpusError as error:
                hint = " (--text, --id and --keep name the columns)" if ": no column " in str(error) else ""
                raise CorpusError(f"{error}{hint}") from None
            break
    return found


def cut(
    inputs: Sequence[Entry],
    columns: Columns,
    size: int,
    work: Folder,
    reading: Reading = AS_FOUND,
    seen: Seen | None = None,
) -> Catalog:
    """Divide the inputs into ranges.

    Files that are not Parquet, or have a column only in a folder's name, are first copied to Parquet below `work`.

    Args:
        inputs: the files.
        columns: the columns to read.
        size: approximate maximum number of rows in a range. In a small catalog ranges are smaller, so that there are
            enough for all workers.
        work: folder for the copies.
        reading: settings that the user stated for text files.
        seen: collects remarks.

    Raises:
        CorpusError: if a file cannot be read or lacks a column, or there are no rows.
    """
    seen = Seen() if seen is None else seen
    copy = _Copy(columns, reading, work / COPIES, seen)
    with ThreadPoolExecutor(READERS) as pool:
        groups = list(pool.map(lambda one: _groups(one[1], copy, one[0]), enumerate(inputs)))
    rows = sum(count for parts in groups for _, counts in parts for count in counts)
    size = min(size, max(LEAST_ROWS, -(-rows // MANY_RANGES)))
    ranges = [
        Range(f"part-{number:05d}", *rest)
        for number, rest in enumerate(
            part for place, files in enumerate(groups) for part in _cut_input(files, place, size)
        )
    ]
    if not ranges:
        raise CorpusError(f"{inputs[0].path}: holds no rows; expected at least one")
    own = [None if groups and groups[0][0] != entry.path else entry.path for entry, groups in _read(inputs, groups)]
    casts, notes = kept.unify(own, columns.keep)
    for note in [*notes, *([] if columns.id else [BY_PLACE])]:
        seen.note(note)
    return Catalog(tuple(inputs), columns, tuple(ranges), casts, tuple(seen.notes))


@dataclass(frozen=True, slots=True)
class _Copy:
    """Settings for copying files that are not Parquet."""

    columns: Columns
    reading: Reading
    to: Folder
    seen: Seen


def _read(
    inputs: Sequence[Entry], groups: Sequence[list[tuple[str, list[int]]]]
) -> Iterator[tuple[Entry, list[tuple[str, list[int]]]]]:
    """Yield the inputs with at least one row, and their Parquet files."""
    for entry, parts in zip(inputs, groups, strict=True):
        if any(sum(counts) for _, counts in parts):
            yield entry, parts


def _groups(entry: Entry, copy: _Copy, place: int) -> list[tuple[str, list[int]]]:
    """Return the Parquet files with an input's rows, each with the number of rows of its row groups."""
    if not entry.size:
        return []
    if sources.format_of(entry.path) == "parquet" and (groups := _row_groups(entry.path, copy.columns)) is not None:
        return [(entry.path, groups)]
    done = f"{place:05d}.json"
    if not copy.to.exists(done):
        seen = Seen()
        counts = [
            _write(table, copy.to, f"{place:05d}-{n:05d}.parquet") for n, table in enumerate(_tables(entry, copy, seen))
        ]
        seen.finish_file(entry.path)
        copy.to.write(done, dump_json({"rows": counts, "notes": seen.notes}))
    rows, notes = parse_json(copy.to.read(done), f"{copy.to.uri}/{done}", _copied)
    for note in notes:
        copy.seen.note(note)
    return [(f"{copy.to.uri}/{place:05d}-{n:05d}.parquet", [size]) for n, size in enumerate(rows)]


def _copied(found: Any) -> tuple[list[int], tuple[str, ...]]:
    """Read the number of rows of each copy, and the notes. Earlier versions wrote only a list of the numbers."""
    rows, notes = (found, []) if isinstance(found, list) else (found["rows"], found["notes"])
    return [count(size) for size in rows], texts(notes)


def _row_groups(path: str, columns: Columns) -> list[int] | None:
    """Return the number of rows of each row group; None if the file lacks a column that a folder's name gives."""
    fs, inner = filesystem(path)
    try:
        with fs.open_input_file(inner) as opened:
            file = pq.ParquetFile(opened)
            names = set(file.schema_arrow.names)
            if any(name not in names and name in files.partitions(path) for name in columns.all):
                return None
            texts = [name for name in (columns.text, columns.id) if name is not None]
            # A type that cannot be read is reported before anything is computed.
            files.check_parquet(path, file.schema_arrow, columns.all, texts)
            files.check_values(path, texts)
            return [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{path}: cannot be read: {str(error).partition(chr(10))[0]}") from None


def _tables(entry: Entry, copy: _Copy, seen: Seen) -> Iterator[pa.Table]:
    """Yield an input in tables of about COPY_ROWS rows; all columns are bytes."""
    held: list[pa.RecordBatch] = []
    for batch in files.batches(entry.path, copy.columns.all, copy.reading, seen):
        held.append(batch)
        if sum(one.num_rows for one in held) >= COPY_ROWS:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def _write(table: pa.Table, copies: Folder, name: str) -> int:
    copies.write_table(name, table)
    return int(table.num_rows)


def _cut_input(
    parts: Sequence[tuple[str, list[int]]], place: int, size: int
) -> Iterator[tuple[str, int, int, int, int]]:
    """Yield (path, offset, rows, input, first row). Small row groups are joined, large ones divided evenly."""
    first = 1
    for path, groups in parts:
        offset = start = 0
        for rows in [*groups, 0]:
            if offset > start and (not rows or offset + rows - start > size):
                yield path, start, offset - start, place, first + start
                start = offset
            if rows > size:
                pieces = -(-rows // size)
                for piece in range(pieces):
                    low, high = rows * piece // pieces, rows * (piece + 1) // pieces
                    yield path, offset + low, high - low, place, first + offset + low
                start = offset + rows
            offset += rows
        first += sum(groups)
