"""Read Parquet, CSV and JSONL in a stream: the files as a user has them, row by row of the columns asked for."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from laud_ray.errors import CorpusError
from laud_ray.listing import find_files

BATCH_ROWS = 16_384
FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
Cell = bytes | None


@dataclass(frozen=True, slots=True)
class Rows:
    """Some consecutive rows of a file.

    Attributes:
        file: the path, as errors name it.
        first: the number of the first row, from 1; a CSV's header does not count.
        columns: one list of cells for each column asked for. Text comes as bytes that may not be
            UTF-8; None is a missing value.
    """

    file: str
    first: int
    columns: tuple[list[Cell], ...]


def read(path: str, columns: Sequence[str]) -> Iterator[Rows]:
    """Stream the columns of a file, folder, glob or URI, files in the order of their paths.

    Raises:
        CorpusError: if nothing is there, a column is missing, or a file cannot be read.
    """
    found = 0
    try:
        for fs, name in find_files(path):
            kind = format_of(name)
            if kind is None:
                if name.endswith(path.rsplit("/", 1)[-1]):
                    raise CorpusError(f"{name}: unknown format; expected {', '.join(FORMATS)} (or these with .gz)")
                continue
            found += 1
            yield from _read_file(fs, name, kind, list(columns))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be opened: {_first_line(error)}") from None
    if not found:
        raise CorpusError(f"{path}: no such data; expected a file, folder, glob or URI of {', '.join(FORMATS)}")


def column_names(path: str) -> list[str]:
    """Return the columns of the first file.

    Raises:
        CorpusError: if nothing is there or it cannot be read.
    """
    for fs, name in find_files(path):
        kind = format_of(name)
        if kind is None:
            continue
        try:
            return _columns_of(fs, name, kind)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise CorpusError(f"{name}: cannot be read: {_first_line(error)}") from None
    raise CorpusError(f"{path}: no such data; expected a file, folder, glob or URI of {', '.join(FORMATS)}")


def _columns_of(fs: pafs.FileSystem, name: str, kind: str) -> list[str]:
    if kind == "parquet":
        with fs.open_input_file(name) as file:
            return [str(n) for n in pq.ParquetFile(file).schema_arrow.names]
    if kind == "jsonl":
        return list(next(iter(_json_rows(fs, name)), (1, {}))[1])
    with fs.open_input_stream(name, compression=_compression(name)) as stream:
        return list(_csv_reader(stream, kind, None).schema.names)


def format_of(name: str) -> str | None:
    """The kind of a file by its name, .gz left out; None if it is none that can be read."""
    plain = name.lower().removesuffix(".gz")
    return next((kind for ending, kind in FORMATS.items() if plain.endswith(ending)), None)


def _compression(name: str) -> str | None:
    return "gzip" if name.lower().endswith(".gz") else None


def _read_file(fs: pafs.FileSystem, name: str, kind: str, columns: list[str]) -> Iterator[Rows]:
    reader = {"parquet": _parquet, "csv": _csv, "tsv": _csv, "jsonl": _jsonl}[kind]
    first = 1
    try:
        for cells in reader(fs, name, columns):
            yield Rows(name, first, cells)
            first += len(cells[0])
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{name}{_row(error, first)}: cannot be read: {_first_line(error)}") from None


def _row(error: Exception, first: int) -> str:
    """Name the row of an error: the one that the CSV reader gives, whose count has the header in it."""
    named = re.search(r"Row #(\d+)", str(error))
    if named:
        return f" row {int(named[1]) - 1}"
    return f" after row {first - 1}" if first > 1 else ""


def _parquet(fs: pafs.FileSystem, name: str, columns: list[str]) -> Iterator[tuple[list[Cell], ...]]:
    with fs.open_input_file(name) as opened:
        file = pq.ParquetFile(opened)
        check_columns(name, columns, file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns, use_threads=False):
            yield tuple(_cells(name, column, batch.column(column)) for column in columns)


def _csv(fs: pafs.FileSystem, name: str, columns: list[str]) -> Iterator[tuple[list[Cell], ...]]:
    with fs.open_input_stream(name, compression=_compression(name)) as stream:
        names = _csv_reader(stream, format_of(name), None).schema.names
    check_columns(name, columns, names)
    with fs.open_input_stream(name, compression=_compression(name)) as stream:
        for batch in _csv_reader(stream, format_of(name), columns):
            yield tuple(_cells(name, column, batch.column(column)) for column in columns)


def _csv_reader(stream: pa.NativeFile, kind: str | None, columns: list[str] | None) -> pcsv.CSVStreamingReader:
    """Open a CSV as raw bytes, so that text that is not UTF-8 costs its row and not the file."""
    types = {column: pa.binary() for column in columns or ()}
    return pcsv.open_csv(
        stream,
        read_options=pcsv.ReadOptions(use_threads=False),
        parse_options=pcsv.ParseOptions(delimiter="\t" if kind == "tsv" else ",", newlines_in_values=True),
        convert_options=pcsv.ConvertOptions(
            column_types=types,
            include_columns=columns,
            strings_can_be_null=True,
            null_values=[""],
            check_utf8=False,
        ),
    )


def _jsonl(fs: pafs.FileSystem, name: str, columns: list[str]) -> Iterator[tuple[list[Cell], ...]]:
    cells: tuple[list[Cell], ...] = tuple([] for _ in columns)
    for number, row in _json_rows(fs, name):
        if number == 1:
            check_columns(name, columns, list(row))
        for column, into in zip(columns, cells, strict=True):
            value = row.get(column)
            if not isinstance(value, str | int | None) or isinstance(value, bool):
                raise CorpusError(f"{name} row {number}: {column!r} holds {value!r}; expected a text")
            into.append(None if value is None else str(value).encode(errors="surrogatepass"))
        if len(cells[0]) == BATCH_ROWS:
            yield cells
            cells = tuple([] for _ in columns)
    if cells[0]:
        yield cells


def _json_rows(fs: pafs.FileSystem, name: str) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield (row number, object) of each line that is not blank."""
    number = 0
    with fs.open_input_stream(name, compression=_compression(name)) as stream:
        for line in _lines(stream):
            if not line.strip():
                continue
            number += 1
            try:
                # A byte that is not UTF-8 becomes a lone surrogate, which marks the text later.
                row = json.loads(line.decode("utf-8", errors="surrogateescape"))
            except ValueError as error:
                raise CorpusError(f"{name} row {number}: is not valid JSON: {error}") from None
            if not isinstance(row, dict):
                raise CorpusError(f"{name} row {number}: holds {type(row).__name__}; expected an object")
            yield number, row


def _lines(stream: pa.NativeFile) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(1 << 20):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _cells(name: str, column: str, values: pa.Array) -> list[Cell]:
    cells: list[Cell] = as_bytes(name, column, values).to_pylist()
    return cells


def as_bytes(name: str, column: str, values: pa.Array) -> pa.Array:
    """Return a column of texts or integers as large_binary; missing values are null.

    As bytes: Arrow does not check the text of a Parquet file, and a bad one must cost only its row.

    Raises:
        CorpusError: if it holds anything else.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.dictionary_decode(), kind.value_type
    if pa.types.is_integer(kind):
        values = values.cast(pa.string())
    elif pa.types.is_null(kind):
        return pa.nulls(len(values), pa.large_binary())
    elif kind not in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
        raise CorpusError(f"{name}: the column {column!r} has type {kind}; expected texts")
    return values.cast(pa.large_binary())


def check_columns(name: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    """Raise CorpusError if a file lacks a column."""
    for column in wanted:
        if column not in present:
            near = difflib.get_close_matches(column, present, 1)
            hint = f" - did you mean {near[0]!r}?" if near else ""
            raise CorpusError(f"{name}: no column {column!r}; it has {', '.join(present)}{hint}")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
