"""Read one file of a user's: an iterator of batches of texts, whatever its format. Independent of any other file."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from laud_ray.data.formats import delimited, jsonl
from laud_ray.data.formats import dialect as dialects
from laud_ray.data.formats.cells import as_texts, check_type, is_text
from laud_ray.data.formats.jsonl import require
from laud_ray.data.formats.text_files import Piece, is_empty, opened, section, unpacked
from laud_ray.data.seen import NotText, Seen
from laud_ray.errors import CorpusError
from laud_ray.printable import printable
from laud_ray.storage import charset
from laud_ray.storage.charset import HEAD, UTF8, peek
from laud_ray.storage.folder import filesystem
from laud_ray.storage.text_reading import AS_FOUND, Reading

BATCH_ROWS = 16_384
FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
# Rows of JSON lines that say which keys there are.
_KEYS_OF = 1000
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def format_of(name: str) -> str | None:
    """The kind of a file by its name, .gz left out; None if it is none that can be read."""
    plain = name.lower().removesuffix(".gz")
    return next((kind for ending, kind in FORMATS.items() if plain.endswith(ending)), None)


def batches(
    file: str,
    columns: Sequence[str],
    reading: Reading = AS_FOUND,
    seen: Seen | None = None,
    part: tuple[int, int] | Piece | None = None,
    first: int = 1,
) -> Iterator[pa.RecordBatch]:
    """Read columns of a file in a stream, each row once: large_binary, null where a value is missing.

    A column that the file lacks may be named by a folder, as in label=Milk/.

    Args:
        file: a path or URI.
        reading: what is stated of how text is written; the rest is found out.
        seen: learns what a person should know; `finish` or `finish_file` completes it.
        part: of a Parquet file, the row groups to read, from the first to before the last; a piece of text; None: all.
        first: the number of their first row in the file, for errors.

    Raises:
        CorpusError: if the file or a row cannot be read without doubt, or a column is missing or stands twice.
    """
    seen = Seen() if seen is None else seen
    kind, named = format_of(file), partitions(file)
    began, bad = first, seen.not_text.setdefault(file, NotText())
    try:
        if is_empty(file):
            seen.empty.append(file)
            return
        later = isinstance(part, Piece) and part.start > 0
        reading = reading if later else fitting(file, reading, columns, seen)
        own = [column for column in columns if column not in named or column in column_names(file, reading, columns)]
        for arrays in _arrays(file, kind, own, reading, seen, part, first):
            bad.look(arrays, first)
            yield _batch(columns, dict(zip(own, arrays, strict=True)), named, len(arrays[0]))
            first += len(arrays[0])
    except UnicodeDecodeError as error:
        raise CorpusError(f"{file} after row {first - 1}: is not {error.encoding}; expected its encoding") from None
    except (pa.ArrowException, OSError, EOFError) as error:
        place = f" after row {first - 1}" if first > 1 else ""
        raise CorpusError(f"{file}{place}: cannot be read: {_first_line(error)}") from None
    seen.rows[file] = first - began
    if first == began and not later:
        seen.empty.append(file)


def column_names(file: str, reading: Reading = AS_FOUND, columns: Sequence[str] = ()) -> list[str]:
    """The columns of a file itself; none where it is empty. Of JSON lines, the keys of the first rows.

    Raises:
        CorpusError: if the file cannot be read.
    """
    kind = format_of(file)
    try:
        if is_empty(file):
            return []
        if kind == "parquet":
            return [str(name) for name in _schema(file).names]
        with opened(file, reading) as stream:
            if kind == "jsonl":
                return jsonl.names(file, stream, _KEYS_OF)
            head = peek(stream, HEAD)
            stated = stream.stated(reading)
            return list(delimited.find(file, str(kind), head, stated, columns).names) if head.strip() else []
    except UnicodeDecodeError as error:
        raise CorpusError(f"{file}: is not {error.encoding}; expected its encoding") from None
    except (pa.ArrowException, OSError, EOFError) as error:
        raise CorpusError(f"{file}: cannot be read: {_first_line(error)}") from None


def require_columns(file: str, columns: Sequence[str], reading: Reading = AS_FOUND) -> None:
    """Raise CorpusError if a file that is not empty lacks a column, or has it twice."""
    if names := column_names(file, fitting(file, reading, columns, Seen()), columns):
        named = partitions(file)
        require(file, columns, [*names, *(name for name in named if name not in names)])


def fitting(file: str, reading: Reading, columns: Sequence[str], seen: Seen) -> Reading:
    """Return a reading that is stated for this data; or a default where it fits the file, else that it is found out."""
    kind = format_of(file)
    if reading.firm or not reading.stated or kind == "parquet":
        return reading
    fits = reading.encoding is None or _in_encoding(file, reading.encoding)
    if fits and kind != "jsonl":
        with opened(file, reading) as stream:
            head = peek(stream, HEAD)
        start = head.lstrip(delimited.BLANK)
        found = dialects.find(start, str(kind), reading, columns, final=len(head) < HEAD)
        fits = not head.strip() or (found.problem is None and all(name in found.names for name in columns))
    if not fits:
        seen.note(f"{file}: is not written as the run's corpus is ({reading.describe()}), so that it is found out how")
        return AS_FOUND
    return reading


def _in_encoding(file: str, name: str) -> bool:
    """Whether a file can be in an encoding, and not rather in UTF-8: by its first part that is more than ASCII."""
    with closing(unpacked(file)) as stream:
        part = peek(stream, HEAD)
        if charset.marked(part):
            return True  # it decides
        while part and part.isascii() and b"\0" not in part:
            part = peek(stream, HEAD)
    lines = part[: part.rfind(b"\n") + 1] or part
    if name != UTF8 and charset.detect(part) != name and not lines.isascii() and charset.fits(lines, UTF8, final=True):
        return False
    return charset.fits(part, name, final=False)


def partitions(file: str) -> dict[str, str | None]:
    """The columns that the folders of a file name, as Hive does: {"label": "Milk"} for label=Milk/a.parquet."""
    parts = (part.partition("=") for part in file.split("/")[:-1])
    return {
        unquote(name): None if value == _NO_VALUE else unquote(value)
        for name, is_one, value in parts
        if is_one and name
    }


def _arrays(
    file: str,
    kind: str | None,
    columns: Sequence[str],
    reading: Reading,
    seen: Seen,
    part: tuple[int, int] | Piece | None,
    first: int,
) -> Iterator[list[pa.Array]]:
    if not isinstance(part, Piece) and kind == "parquet":
        yield from _parquet(file, columns, part, first)
        return
    piece = part if isinstance(part, Piece) else None
    if piece is not None and piece.start:
        with section(file, piece) as rest:
            if isinstance(piece.found, Reading):
                yield from jsonl.batches(file, rest, columns, seen, first)
            else:
                yield from delimited.later_batches(file, rest, columns, piece.found, first)
        return
    with opened(file, reading, seen, piece.end if piece is not None else None) as stream:
        if kind == "jsonl":
            seen.readings[file] = Reading(encoding=stream.encoding)
            yield from jsonl.batches(file, stream, columns, seen if piece is not None else None)
        else:
            stated = replace(stream.stated(reading), encoding=stream.encoding)
            yield from delimited.batches(file, str(kind), stream, columns, stated, seen)


def _batch(
    columns: Sequence[str], arrays: dict[str, pa.Array], named: dict[str, str | None], rows: int
) -> pa.RecordBatch:
    made = [
        arrays[name] if name in arrays else pa.array([_encoded(named[name])] * rows, pa.large_binary())
        for name in columns
    ]
    return pa.RecordBatch.from_arrays(made, names=list(columns))


def _encoded(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def _schema(file: str) -> pa.Schema:
    fs, path = filesystem(file)
    with fs.open_input_file(path) as opened:
        return pq.ParquetFile(opened).schema_arrow


def check_parquet(file: str, schema: pa.Schema, columns: Sequence[str], texts: Sequence[str]) -> None:
    """Refuse a Parquet file by its schema: a column missing or twice, or one of the texts of a type that is none.

    Raises:
        CorpusError: in one line.
    """
    require(file, columns, [str(name) for name in schema.names])
    for column in texts:
        check_type(file, column, schema.field(column).type)


def check_values(file: str, columns: Sequence[str]) -> None:
    """Read through the columns of a Parquet file whose type does not say whether they hold texts.

    Raises:
        CorpusError: at the first value that is none.
    """
    schema = _schema(file)
    unsure = [column for column in columns if not is_text(schema.field(column).type)]
    for _ in _parquet(file, unsure) if unsure else ():
        pass


def _parquet(
    file: str, columns: Sequence[str], groups: tuple[int, int] | None = None, first: int = 1
) -> Iterator[list[pa.Array]]:
    fs, path = filesystem(file)
    with fs.open_input_file(path) as opened:
        table = pq.ParquetFile(opened)
        check_parquet(file, table.schema_arrow, columns, columns)
        wanted = None if groups is None else range(*groups)
        how = {"batch_size": BATCH_ROWS, "columns": list(columns), "use_threads": False}
        for batch in table.iter_batches(row_groups=wanted, **how):
            yield [as_texts(file, column, batch.column(column), first) for column in columns]
            first += batch.num_rows


def _first_line(error: Exception) -> str:
    return printable(str(error).splitlines()[0]) if str(error) else type(error).__name__
