"""Read the files that a path, folder, glob or URI names in a stream, row by row of the columns asked for."""

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
from laud_ray.printable import printable
from laud_ray.storage.folder import Entry, filesystem
from laud_ray.storage.listing import list_inputs
from laud_ray.storage.object_store import explained
from laud_ray.storage.text_reading import AS_FOUND, Reading

Cell = bytes | None

EXPECTED = f"expected a file, folder, glob or URI of {', '.join(FORMATS)} (or these with .gz)"
# What systems leave in folders, which nobody means as data.
_LEFT = ("thumbs.db", "desktop.ini", ".crc")
_SNIFFED = 4096
_MARKS = frozenset("*?[")
_TABLES = {
    "Delta Lake": ("_delta_log",),
    "Iceberg": ("metadata/version-hint.text", "metadata/v1.metadata.json"),
    "Hudi": (".hoodie",),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Some consecutive rows of a file.

    Attributes:
        file: the path or URI.
        first: the number of the first row, from 1; the header of delimited text does not count.
        columns: one list of cells for each column asked for. Text comes as bytes that may not be
            UTF-8; None is a missing value.
    """

    file: str
    first: int
    columns: tuple[list[Cell], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The same as Arrow has it: the columns asked for as large_binary."""

    file: str
    first: int
    batch: pa.RecordBatch


def read(path: str, columns: Sequence[str], reading: Reading = AS_FOUND, seen: Seen | None = None) -> Iterator[Rows]:
    """Stream the columns of a file, folder, glob or URI, files in the order of their paths.

    Args:
        reading: what is stated of how text is written; the rest is found out from each file.
        seen: learns how files were read and what a person should know; complete at the end.

    Raises:
        CorpusError: if nothing is there, a column is missing or stands twice, or a file cannot be read without doubt.
    """
    for part in parts(path, columns, reading, seen):
        yield Rows(part.file, part.first, tuple(column.to_pylist() for column in part.batch.columns))


def parts(path: str, columns: Sequence[str], reading: Reading = AS_FOUND, seen: Seen | None = None) -> Iterator[Part]:
    """Do the same as `read`, in batches of Arrow."""
    seen = Seen() if seen is None else seen
    for entry in inputs(path, seen):
        first = 1
        for batch in files.batches(entry.path, columns, reading, seen):
            yield Part(entry.path, first, batch)
            first += batch.num_rows
    seen.finish(path)


def inputs(path: str, seen: Seen) -> tuple[Entry, ...]:
    """List the files that can be read, and note which are passed over for their ending.

    Raises:
        CorpusError: if there are none, or the folder is a table of Delta Lake, Iceberg or Hudi.
        StorageError: if an object store fails or refuses.
    """
    try:
        _refuse_table(path)
        found = list_inputs(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be opened: {_first_line(error)}") from None
    usable = tuple(entry for entry in found if format_of(entry.path))
    others = [entry for entry in found if not format_of(entry.path) and not entry.path.lower().endswith(_LEFT)]
    seen.passed_over += [entry.path for entry in others]
    if not usable:
        raise _nothing(path, others)
    if others:
        number = "1 file was" if len(others) == 1 else f"{len(others):,} files were"
        named = listed([_name(entry.path) for entry in others])
        seen.note(f"{path}: {number} passed over for the ending: {named}; expected {', '.join(FORMATS)}")
    return usable


def column_names(path: str, reading: Reading = AS_FOUND, columns: Sequence[str] = ()) -> list[str]:
    """Return the columns of the first file that has any, those that its folders name last.

    Args:
        columns: those that will be asked for, which help to tell the delimiter.

    Raises:
        CorpusError: if nothing is there or it cannot be read.
    """
    for entry in inputs(path, Seen()):
        if names := files.column_names(entry.path, reading, columns):
            return [*names, *(name for name in files.partitions(entry.path) if name not in names)]
    return []


def require_columns(path: str, columns: Sequence[str], reading: Reading = AS_FOUND) -> None:
    """Find out whether every file has the columns, before any row is used. Keys of JSON lines may come later.

    Raises:
        CorpusError: naming the first file that lacks one or has it twice.
    """
    for entry in inputs(path, Seen()):
        if format_of(entry.path) != "jsonl":
            files.require_columns(entry.path, columns, reading)


def _refuse_table(path: str) -> None:
    """Refuse a folder whose files also hold rows that were deleted or replaced: only its log says which these are."""
    if _MARKS.intersection(path):
        return
    fs, place = filesystem(path)
    for name, marks in _TABLES.items():
        with explained(path):
            found = fs.get_file_info([f"{place.rstrip('/')}/{mark}" for mark in marks])
        if any(one.type != pafs.FileType.NotFound for one in found):
            raise CorpusError(
                f"{path}: is a table of {name}, whose files also hold rows that are no longer in it; expected an "
                "export of its rows to Parquet, CSV or JSON lines"
            )


def _nothing(path: str, others: Sequence[Entry]) -> CorpusError:
    if not others:
        return CorpusError(f"{path}: does not exist; {EXPECTED}")
    if len(others) > 1 or _name(others[0].path) != _name(path):
        named = listed([_name(entry.path) for entry in others])
        return CorpusError(f"{path}: holds no data that can be read, but {named}; {EXPECTED}")
    return CorpusError(f"{others[0].path}: {_hint(others[0].path) or f'unknown format; {EXPECTED}'}")


def _hint(path: str) -> str:
    """What a file of an unknown ending seems to be."""
    if not path.lower().endswith((".json", ".json.gz")):
        return ""
    with opened(path) as stream:
        begins = stream.read(_SNIFFED).lstrip()[:1]
    if begins == b"[":
        return "is a JSON array; expected one object a line, in a file that ends in .jsonl"
    return "is JSON; expected one object a line, in a file that ends in .jsonl" if begins == b"{" else ""


def _name(path: str) -> str:
    return printable(path.rstrip("/").rsplit("/", 1)[-1])


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
