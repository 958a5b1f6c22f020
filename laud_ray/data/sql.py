"""Read a corpus from a database: the rows of a query are copied once to a Parquet file, which is read like any other.

The copy keeps a run independent of later changes to the table, and spares the database a query for each pass.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from laud_ray.config import CorpusConfig
from laud_ray.data.formats.cells import as_texts
from laud_ray.data.formats.jsonl import require
from laud_ray.errors import CorpusError
from laud_ray.printable import first_line, quoted
from laud_ray.storage.credentials import masked
from laud_ray.storage.folder import Folder, filesystem

COPY = "query.parquet"
FETCHED, GROUP = 10_000, 100_000  # rows fetched at a time, and rows of a row group


@contextmanager
def as_file(config: CorpusConfig, columns: Sequence[str], scratch: Folder) -> Iterator[CorpusConfig]:
    """Yield a configuration whose path is a file. For a query, that is a copy of its rows in `scratch`.

    Errors about the copy name the database and the row of the query's result.

    Raises:
        CorpusError: if the database cannot be reached, the query fails, or a column is missing.
    """
    if config.query is None:
        yield config
        return
    place, shown = f"{scratch.uri}/{COPY}", masked(config.path)
    _copy(config.path, config.query, columns, scratch)
    try:
        yield config.model_copy(update={"path": place, "query": None})
    except CorpusError as error:
        raise CorpusError(str(error).replace(place, shown)) from None


def _copy(url: str, query: str, columns: Sequence[str], scratch: Folder) -> None:
    shown = masked(url)
    try:
        with _connected(url) as connection:
            # exec_driver_sql, because :label or 100% in a query are not parameters.
            result = connection.exec_driver_sql(query)
            if not result.returns_rows:
                raise CorpusError(f"{shown}: the query returns no rows; expected a SELECT")
            require(shown, columns, list(result.keys()))
            _write(shown, result, columns, scratch)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        cause = getattr(error, "orig", None) or error
        raise CorpusError(f"{shown}: cannot be read: {masked(first_line(cause))}") from None


@contextmanager
def _connected(url: str) -> Iterator[sa.Connection]:
    """Connect to a database for reading. Nothing is committed, and results are streamed."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        # SQLite would create an empty database.
        raise CorpusError(f"{masked(url)}: does not exist; expected a database file")
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    engine = sa.create_engine(parsed, hide_parameters=True, poolclass=sa.NullPool)
    options = {"postgresql_readonly": True} if parsed.get_backend_name() == "postgresql" else {}
    try:
        with engine.connect().execution_options(
            stream_results=True, yield_per=FETCHED, no_parameters=True, **options
        ) as connection:
            yield connection
            connection.rollback()
    finally:
        engine.dispose()


def _write(shown: str, result: sa.CursorResult[Any], columns: Sequence[str], scratch: Folder) -> None:
    schema = pa.schema([(name, pa.large_binary()) for name in columns])
    places = [list(result.keys()).index(name) for name in columns]
    if scratch.local is not None:
        scratch.local.mkdir(parents=True, exist_ok=True)
    fs, path = filesystem(scratch.uri)
    first = 1
    with (
        fs.open_output_stream(f"{path}/{COPY}") as stream,
        pq.ParquetWriter(stream, schema, compression="zstd") as writer,
    ):
        held: list[pa.Table] = []
        for rows in result.partitions(FETCHED):
            cells = (
                _texts(shown, name, [row[at] for row in rows], first) for name, at in zip(columns, places, strict=True)
            )
            held.append(pa.Table.from_arrays(list(cells), schema=schema))
            first += len(rows)
            if sum(one.num_rows for one in held) >= GROUP:
                writer.write_table(pa.concat_tables(held))
                held.clear()
        if held:
            writer.write_table(pa.concat_tables(held))


def _texts(shown: str, column: str, values: list[Any], first: int) -> pa.Array:
    """Return n values of a column as large_binary texts, with the same rules as for Parquet."""
    plain = [
        str(one) if isinstance(one, uuid.UUID) else bytes(one) if isinstance(one, memoryview) else one for one in values
    ]
    try:
        return as_texts(shown, column, pa.array(plain), first)
    except (pa.ArrowException, TypeError):
        return _one_by_one(shown, column, plain, first)


def _one_by_one(shown: str, column: str, values: list[Any], first: int) -> pa.Array:
    """Do the same for a column with values of different types, which SQLite allows."""
    cells: list[bytes | None] = []
    for row, value in enumerate(values, first):
        if isinstance(value, datetime | dict):
            raise CorpusError(
                f"{shown} row {row}: the column {quoted(column)} holds {quoted(str(value))}; expected texts"
            )
        try:
            cells += as_texts(shown, column, pa.array([value]), row).to_pylist()
        except (pa.ArrowException, TypeError):
            raise CorpusError(
                f"{shown} row {row}: the column {quoted(column)} holds {quoted(str(value))}; expected texts"
            ) from None
    return pa.array(cells, pa.large_binary())
