"""The data that is relabelled: its files, their columns, and the ranges that they are cut into.

Parquet is read where it lies. CSV and JSONL cannot be read from the middle: they are copied into Parquet first, once.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import takewhile

import pyarrow as pa
import pyarrow.parquet as pq

from laud_ray import sources
from laud_ray.errors import CorpusError
from laud_ray.listing import list_inputs
from laud_ray.storage import Entry, Folder, filesystem

COPIES = "source"
COPY_ROWS = 200_000
READERS = 16
# A small catalog is cut into this many ranges, but not into tiny ones.
MANY_RANGES, LEAST_ROWS = 64, 1024


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that are read. Without `id`, a document is named by its file and row."""

    text: str
    id: str | None
    keep: tuple[str, ...] = ()

    @property
    def all(self) -> list[str]:
        return list(dict.fromkeys([self.text, *([self.id] if self.id else []), *self.keep]))


@dataclass(frozen=True, slots=True)
class Range:
    """Some consecutive rows of a file, labelled and committed as one.

    Attributes:
        path: the Parquet file to read: the input, or a part of its copy.
        offset: rows of that file before these.
        input: the place of the input among the catalog's.
        first: the number of the first row in the input, from 1.
    """

    name: str
    path: str
    offset: int
    rows: int
    input: int
    first: int


@dataclass(frozen=True, slots=True)
class Catalog:
    """The inputs in the order of their paths, and their ranges."""

    inputs: tuple[Entry, ...]
    columns: Columns
    ranges: tuple[Range, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.ranges)

    @property
    def names(self) -> list[str]:
        """The inputs' paths below the folder that they share: they stay when the folder is moved."""
        paths = [entry.path for entry in self.inputs]
        folders = [path.split("/")[:-1] for path in (min(paths), max(paths))]
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(*folders, strict=False)))
        return ["/".join(path.split("/")[shared:]) for path in paths]

    @property
    def files(self) -> list[str]:
        """The Parquet files that hold the rows."""
        return list(dict.fromkeys(part.path for part in self.ranges))


def inventory(data: str, columns: Columns) -> tuple[Entry, ...]:
    """List the files of a file, folder, glob or URI that can be read.

    Raises:
        CorpusError: if there are none, or the first one lacks a column.
        StorageError: if an object store fails or refuses.
    """
    found = tuple(entry for entry in list_inputs(data) if sources.format_of(entry.path))
    if not found:
        raise CorpusError(f"{data}: no such data; expected a file, folder, glob or URI of {', '.join(sources.FORMATS)}")
    # An empty JSONL file says nothing of its columns.
    path, names = next(((e.path, n) for e in found if (n := sources.column_names(e.path))), (found[0].path, []))
    try:
        sources.check_columns(path, columns.all, names)
    except CorpusError as error:
        raise CorpusError(f"{error} (--text, --id and --keep name the columns)") from None
    return found


def cut(inputs: Sequence[Entry], columns: Columns, size: int, work: Folder) -> Catalog:
    """Cut the inputs into ranges of at most about `size` rows, and of fewer where all workers would not get some.

    What is no Parquet is copied below `work` first.

    Raises:
        CorpusError: if a file cannot be read, lacks a column, or there are no rows.
    """
    with ThreadPoolExecutor(READERS) as pool:
        groups = list(pool.map(lambda one: _groups(one[1], columns, work / COPIES, one[0]), enumerate(inputs)))
    rows = sum(count for files in groups for _, counts in files for count in counts)
    size = min(size, max(LEAST_ROWS, -(-rows // MANY_RANGES)))
    ranges = [
        Range(f"part-{number:05d}", *rest)
        for number, rest in enumerate(
            part for place, files in enumerate(groups) for part in _cut_input(files, place, size)
        )
    ]
    if not ranges:
        raise CorpusError(f"{inputs[0].path}: holds no rows; expected at least one")
    return Catalog(tuple(inputs), columns, tuple(ranges))


def _groups(entry: Entry, columns: Columns, copies: Folder, place: int) -> list[tuple[str, list[int]]]:
    """Return the Parquet files that hold an input's rows, each with the rows of its row groups."""
    if sources.format_of(entry.path) == "parquet":
        return [(entry.path, _row_groups(entry.path, columns))]
    done = f"{place:05d}.json"
    if not copies.exists(done):
        counts = [
            _copy(table, copies, f"{place:05d}-{n:05d}.parquet") for n, table in enumerate(_tables(entry, columns))
        ]
        copies.write(done, json.dumps(counts).encode())
    counts = json.loads(copies.read(done))
    return [(f"{copies.uri}/{place:05d}-{n:05d}.parquet", [count]) for n, count in enumerate(counts)]


def _row_groups(path: str, columns: Columns) -> list[int]:
    fs, inner = filesystem(path)
    try:
        with fs.open_input_file(inner) as opened:
            file = pq.ParquetFile(opened)
            sources.check_columns(path, columns.all, file.schema_arrow.names)
            for name in (columns.text, columns.id):
                if name is not None:  # a type that cannot be read is refused before anything is computed
                    sources.as_bytes(path, name, pa.nulls(0, file.schema_arrow.field(name).type))
            return [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{path}: cannot be read: {str(error).partition(chr(10))[0]}") from None


def _tables(entry: Entry, columns: Columns) -> Iterator[pa.Table]:
    """Read an input in tables of a bounded number of rows; all columns are bytes."""
    held: list[pa.Table] = []
    for rows in sources.read(entry.path, columns.all):
        held.append(
            pa.table(
                {
                    name: pa.array(cells, pa.large_binary())
                    for name, cells in zip(columns.all, rows.columns, strict=True)
                }
            )
        )
        if sum(table.num_rows for table in held) >= COPY_ROWS:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _copy(table: pa.Table, copies: Folder, name: str) -> int:
    copies.write_table(name, table)
    return int(table.num_rows)


def _cut_input(
    files: Sequence[tuple[str, list[int]]], place: int, size: int
) -> Iterator[tuple[str, int, int, int, int]]:
    """Yield (path, offset, rows, input, first row): small row groups together, large ones in equal pieces."""
    first = 1
    for path, groups in files:
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


def to_json(catalog: Catalog) -> dict[str, object]:
    return {
        "inputs": [asdict(entry) for entry in catalog.inputs],
        "columns": asdict(catalog.columns),
        "ranges": [asdict(part) for part in catalog.ranges],
    }


def from_json(data: dict[str, object]) -> Catalog:
    inputs, columns, ranges = data["inputs"], data["columns"], data["ranges"]
    assert isinstance(inputs, list)
    assert isinstance(ranges, list)
    assert isinstance(columns, dict)
    return Catalog(
        tuple(Entry(**one) for one in inputs),
        Columns(columns["text"], columns["id"], tuple(columns["keep"])),
        tuple(Range(**one) for one in ranges),
    )
