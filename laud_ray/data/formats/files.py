"""Read one file of any supported format as batches of texts, independently of other files."""

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
from laud_ray.printable import first_line
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
# Rows of JSON lines that are read to find the keys.
_KEYS_OF = 1000
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def format_of(name: str) -> str | None:
    """Return the format of a file from its extension, ignoring .gz; None if it is not supported."""
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
    """Yield columns of a file in batches, as large_binary; a missing value is null.

    A column that the file lacks may come from a folder's name, as in label=Milk/.

    Args:
        file: a path or URI.
        columns: the columns to read.
        reading: settings that the user stated; the others are detected.
        seen: collects remarks; call its `finish` or `finish_file` afterwards.
        part: for a Parquet file, the range of row groups to read, as (start, stop); for text, a piece; None: all.
        first: the number of the first row to read in the file, for errors.

    Raises:
        CorpusError: if the file or a row is invalid or ambiguous, or a column is missing or occurs twice.
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
        raise CorpusError(
            f"{file} after row {first - 1}: is not {error.encoding}; expected the file's `encoding`"
        ) from None
    except (pa.ArrowException, OSError, EOFError) as error:
        place = f" after row {first - 1}" if first > 1 else ""
        raise CorpusError(f"{file}{place}: cannot be read: {first_line(error)}") from None
    seen.rows[file] = first - began
    if first == began and not later:
        seen.empty.append(file)


def column_names(file: str, reading: Reading = AS_FOUND, columns: Sequence[str] = ()) -> list[str]:
    """Return the columns of a file, without those from folder names; an empty file has none.

    For JSON lines they are the keys of the first rows.

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
        raise CorpusError(f"{file}: is not {error.encoding}; expected the file's `encoding`") from None
    except (pa.ArrowException, OSError, EOFError) as error:
        raise CorpusError(f"{file}: cannot be read: {first_line(error)}") from None


def require_columns(file: str, columns: Sequence[str], reading: Reading = AS_FOUND) -> None:
    """Raise CorpusError if a file lacks a column or has it twice; an empty file passes."""
    if names := column_names(file, fitting(file, reading, columns, Seen()), columns):
        named = partitions(file)
        require(file, columns, [*names, *(name for name in named if name not in names)])


def fitting(file: str, reading: Reading, columns: Sequence[str], seen: Seen) -> Reading:
    """Return the settings to read a file with.

    Settings that the user stated for this data are returned as they are. Defaults, which come from the run's corpus,
    are returned if they fit the file; if not, everything is detected.
    """
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
        seen.note(
            f"{file}: does not fit the settings of the run's corpus ({reading.describe()}); its own were detected"
        )
        return AS_FOUND
    return reading


def _in_encoding(file: str, name: str) -> bool:
    """Whether a file can be in an encoding and is not UTF-8, judged by its first part with more than ASCII in it."""
    with closing(unpacked(file)) as stream:
        part = peek(stream, HEAD)
        if charset.marked(part):
            return True  # the mark takes precedence
        while part and part.isascii() and b"\0" not in part:
            part = peek(stream, HEAD)
    lines = part[: part.rfind(b"\n") + 1] or part
    if name != UTF8 and charset.detect(part) != name and not lines.isascii() and charset.fits(lines, UTF8, final=True):
        return False
    return charset.fits(part, name, final=False)


def partitions(file: str) -> dict[str, str | None]:
    """Return columns from Hive-style folder names, with their values: {"label": "Milk"} for label=Milk/a.parquet."""
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
    """Check the schema of a Parquet file.

    Args:
        file: the file, for errors.
        schema: its schema.
        columns: columns that must exist exactly once.
        texts: columns whose type must be convertible to texts.

    Raises:
        CorpusError: if a check fails.
    """
    require(file, columns, [str(name) for name in schema.names])
    for column in texts:
        check_type(file, column, schema.field(column).type)


def check_values(file: str, columns: Sequence[str]) -> None:
    """Read the columns of a Parquet file whose type alone does not show that all values can be converted to texts.

    Raises:
        CorpusError: at the first value that cannot be converted.
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
