"""Stream columns of all files that a path, folder, glob or URI matches."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.fs as pafs

from laud_ray.data.formats import files
from laud_ray.data.formats.files import FORMATS as FORMATS
from laud_ray.data.formats.files import format_of as format_of
from laud_ray.data.formats.text_files import opened
from laud_ray.data.seen import Seen, listed
from laud_ray.errors import CorpusError
from laud_ray.printable import first_line, printable
from laud_ray.storage.folder import Entry, filesystem
from laud_ray.storage.listing import list_inputs
from laud_ray.storage.object_store import explained
from laud_ray.storage.text_reading import AS_FOUND, Reading

Cell = bytes | None

EXPECTED = f"expected a file, folder, glob or URI of {', '.join(FORMATS)} (or these with .gz)"
# Files that operating systems and tools leave in folders, which are never data.
_LEFT = ("thumbs.db", "desktop.ini", ".crc")
_SNIFFED = 4096
_MARKS = frozenset("*?[")
_TABLES = {
    "_delta_log": "Delta Lake",
    "metadata/version-hint.text": "Iceberg",
    "metadata/v1.metadata.json": "Iceberg",
    ".hoodie": "Hudi",
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Some consecutive rows of a file.

    Attributes:
        file: the path or URI.
        first: the number of the first row, from 1; the header of delimited text does not count.
        columns: one list of cells for each requested column. A cell is bytes, which need not be valid UTF-8, or
            None for a missing value.
    """

    file: str
    first: int
    columns: tuple[list[Cell], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some consecutive rows of a file as an Arrow batch; the requested columns are large_binary."""

    file: str
    first: int
    batch: pa.RecordBatch


def read(path: str, columns: Sequence[str], reading: Reading = AS_FOUND, seen: Seen | None = None) -> Iterator[Rows]:
    """Stream columns of a file, folder, glob or URI; files are in the order of their paths.

    Args:
        path: the file, folder, glob or URI.
        columns: the columns to read.
        reading: settings that the user stated; the others are detected in each file.
        seen: collects facts and remarks about the files; complete at the end.

    Example:
        for rows in read("data/*.csv", ["id", "text"]):
            ids, texts = rows.columns

    Raises:
        CorpusError: if there are no files, a column is missing or occurs twice, or a file is invalid or ambiguous.
    """
    for part in parts(path, columns, reading, seen):
        yield Rows(part.file, part.first, tuple(column.to_pylist() for column in part.batch.columns))


def parts(path: str, columns: Sequence[str], reading: Reading = AS_FOUND, seen: Seen | None = None) -> Iterator[Part]:
    """Do the same as `read`, in Arrow batches."""
    seen = Seen() if seen is None else seen
    for entry in inputs(path, seen):
        first = 1
        for batch in files.batches(entry.path, columns, reading, seen):
            yield Part(entry.path, first, batch)
            first += batch.num_rows
    seen.finish(path)


def inputs(path: str, seen: Seen) -> tuple[Entry, ...]:
    """Return the files that can be read, and note those that are skipped because of their extension.

    Raises:
        CorpusError: if no file can be read, or the folder is a table of Delta Lake, Iceberg or Hudi.
        StorageError: if an object store fails or refuses access.
    """
    try:
        _refuse_table(path)
        found = list_inputs(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be opened: {first_line(error)}") from None
    usable = tuple(entry for entry in found if format_of(entry.path))
    others = [entry for entry in found if not format_of(entry.path) and not entry.path.lower().endswith(_LEFT)]
    seen.passed_over += [entry.path for entry in others]
    if not usable:
        raise _nothing(path, others)
    if others:
        number = "1 file was" if len(others) == 1 else f"{len(others):,} files were"
        named = listed([_name(entry.path) for entry in others])
        seen.note(f"{path}: {number} skipped because of the file extension: {named}; expected {', '.join(FORMATS)}")
    return usable


def column_names(path: str, reading: Reading = AS_FOUND, columns: Sequence[str] = ()) -> list[str]:
    """Return the columns of the first file that has any; columns from its folders' names come last.

    Args:
        path: a file, folder, glob or URI.
        reading: settings that the user stated.
        columns: columns that will be read, which help to detect the delimiter.

    Raises:
        CorpusError: if there are no files, or the file cannot be read.
    """
    for entry in inputs(path, Seen()):
        if names := files.column_names(entry.path, reading, columns):
            return [*names, *(name for name in files.partitions(entry.path) if name not in names)]
    return []


def require_columns(path: str, columns: Sequence[str], reading: Reading = AS_FOUND) -> None:
    """Check that every file has the columns, before any row is used. JSON lines are skipped: keys may occur later.

    Raises:
        CorpusError: if a file lacks a column or has it twice.
    """
    for entry in inputs(path, Seen()):
        if format_of(entry.path) != "jsonl":
            files.require_columns(entry.path, columns, reading)


def _refuse_table(path: str) -> None:
    """Refuse a table of Delta Lake, Iceberg or Hudi: its files also hold deleted rows, which only its log lists."""
    if _MARKS.intersection(path) or format_of(path):
        return
    fs, place = filesystem(path)
    with explained(path):
        found = fs.get_file_info([f"{place.rstrip('/')}/{mark}" for mark in _TABLES])
    for one, name in zip(found, _TABLES.values(), strict=True):
        if one.type != pafs.FileType.NotFound:
            raise CorpusError(
                f"{path}: is a table of {name}, whose files also hold rows that are no longer in it; expected an "
                "export of its rows to Parquet, CSV or JSON lines"
            )


def _nothing(path: str, others: Sequence[Entry]) -> CorpusError:
    if not others:
        state = "has no files" if "://" not in path and os.path.isdir(path) else "does not exist"
        return CorpusError(f"{path}: {state}; {EXPECTED}")
    if len(others) > 1 or _name(others[0].path) != _name(path):
        named = listed([_name(entry.path) for entry in others])
        return CorpusError(f"{path}: has no file of a supported format, only {named}; {EXPECTED}")
    return CorpusError(f"{others[0].path}: {_hint(others[0].path) or f'has an unknown format; {EXPECTED}'}")


def _hint(path: str) -> str:
    """Return an error text for a .json file according to its first character; "" for other files."""
    if not path.lower().endswith((".json", ".json.gz")):
        return ""
    try:
        with opened(path) as stream:
            begins = stream.read(_SNIFFED).lstrip()[:1]
    except UnicodeDecodeError:
        return ""
    if begins == b"[":
        return "is a JSON array; expected one object per line, in a file that ends in .jsonl"
    return "is JSON; expected one object per line, in a file that ends in .jsonl" if begins == b"{" else ""


def _name(path: str) -> str:
    return printable(path.rstrip("/").rsplit("/", 1)[-1])
