"""Run queries over all rows of a catalog with DuckDB, in bounded memory."""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from laud_ray.data.formats.cells import as_texts
from laud_ray.errors import CorpusError, LaudError
from laud_ray.relabel.inputs.catalog import Catalog
from laud_ray.relabel.inputs.cutting import READERS
from laud_ray.storage.folder import filesystem

MEMORY = "1GB"
THREADS = 4


@contextmanager
def database(memory: str = MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database that spills to disk, under TMPDIR, when its memory is full.

    Raises:
        LaudError: if memory or disk space is too small.
    """
    with tempfile.TemporaryDirectory(prefix="laud-tables-") as place:
        connection = duckdb.connect(
            config={"memory_limit": memory, "temp_directory": place, "preserve_insertion_order": False}
        )
        try:
            connection.execute(f"SET threads = least({THREADS}, current_setting('threads'))")
            yield connection
        except duckdb.Error as error:
            raise LaudError(f"{place}: {str(error).partition(chr(10))[0]} (with {memory} of memory)") from None
        finally:
            connection.close()


def column(paths: Sequence[str], name: str) -> pa.RecordBatchReader:
    """Stream one column of Parquet files as bytes, named `value`. Types and file systems may differ between files."""
    with ThreadPoolExecutor(READERS) as pool:
        kinds = list(pool.map(lambda path: _kind(path, name), paths))
    alike: dict[tuple[str, pa.DataType], list[str]] = {}
    for path, kind in zip(paths, kinds, strict=True):
        alike.setdefault((filesystem(path)[0].type_name, kind), []).append(path)
    batches = (batch for (_, kind), files in alike.items() for batch in _batches(files, name, kind))
    return pa.RecordBatchReader.from_batches(pa.schema([("value", pa.large_binary())]), batches)


def _kind(path: str, name: str) -> pa.DataType:
    fs, inner = filesystem(path)
    return pq.read_schema(inner, filesystem=fs).field(name).type


def _batches(paths: Sequence[str], name: str, kind: pa.DataType) -> Iterator[pa.RecordBatch]:
    """Stream a column of files on one file system, in all of which it has the same type; see `as_texts`."""
    found = filesystem(paths[0])[0]
    inner = [filesystem(path)[1] for path in paths]
    dataset = ds.dataset(inner, format="parquet", filesystem=found, schema=pa.schema([(name, kind)]))
    for batch in dataset.scanner([name]).to_batches():
        yield pa.record_batch([as_texts(paths[0], name, batch.column(0))], names=["value"])


@dataclass(frozen=True, slots=True)
class Ids:
    """The number of rows, and of distinct ids."""

    rows: int
    distinct: int


def count_ids(paths: Sequence[str], name: str) -> Ids:
    with database() as connection:
        connection.register("ids", column(paths, name))
        found = connection.execute(
            "SELECT coalesce(sum(n), 0)::BIGINT, count(*) FROM (SELECT count(*) AS n FROM ids GROUP BY value)"
        ).fetchone()
    assert found is not None
    return Ids(int(found[0]), int(found[1]))


def require_ids(catalog: Catalog) -> None:
    """Check, before anything is computed, that ids exist and are distinct.

    Raises:
        CorpusError: if an id is missing or repeated; the message names the first one.
    """
    name = catalog.columns.id
    if name is None:
        return
    with database() as connection:
        connection.register("ids", column(catalog.files, name))
        bad = connection.execute(
            "SELECT value, count(*) AS n FROM ids GROUP BY value "
            "HAVING count(*) > 1 OR value IS NULL OR octet_length(value) = 0 ORDER BY value NULLS FIRST LIMIT 1"
        ).fetchone()
    if bad is None:
        return
    shown = "null or empty" if not bad[0] else repr(bytes(bad[0]).decode(errors="replace"))
    times = f" in {bad[1]:,} rows" if bad[1] > 1 else ""
    raise CorpusError(
        f"{catalog.inputs[0].path}: the column {name!r} is {shown}{times}; expected a distinct id in each row"
    )


def require_folders(catalog: Catalog, name: str, longest: int) -> None:
    """Check, before anything is computed, that the values of a partition's column can be names of folders.

    Args:
        catalog: the catalog.
        name: the column.
        longest: the maximum length of a folder's name, in bytes.

    Raises:
        CorpusError: if the column holds lists, or a value is too long; the message names the longest one.
    """
    if any(pa.types.is_nested(_kind(path, name)) for path in catalog.files):
        raise CorpusError(f"--partition {name}: the column holds lists or structs; expected single values")
    if not all(_is_text(_kind(path, name)) for path in catalog.files):
        return
    with database() as connection:
        connection.register("folders", column(catalog.files, name))
        found = connection.execute("SELECT value FROM folders ORDER BY octet_length(value) DESC NULLS LAST LIMIT 1")
        (value,) = found.fetchone() or (None,)
    shown = "" if value is None else bytes(value).decode(errors="replace")
    size = len(f"{name}={quote(shown, safe=' ')}")
    if size > longest:
        raise CorpusError(
            f"--partition {name}: the value {shown[:40]!r}... in {catalog.inputs[0].path} needs {size} bytes as the "
            f"name of a folder; expected at most {longest}"
        )


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests)


def repeated_texts(catalog: Catalog, at_once: int, cells: pa.RecordBatchReader | None = None) -> Iterator[pa.Array]:
    """Yield the texts of more than one row, each once, as bytes, ordered by the first half of their MD5.

    Args:
        catalog: the catalog.
        at_once: texts in an array.
        cells: the texts of the rows that count, as `column` streams them; None counts all rows.
    """
    with database() as connection:
        connection.register("texts", column(catalog.files, catalog.columns.text) if cells is None else cells)
        found = connection.sql(
            "SELECT value FROM texts WHERE octet_length(value) > 0 GROUP BY value HAVING count(*) > 1 "
            "ORDER BY md5_number_upper(value), value"
        )
        assert found is not None
        for batch in found.to_arrow_reader(at_once):
            if batch.num_rows:
                yield batch.column(0)
