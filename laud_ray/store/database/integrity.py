"""Check a run's SQLite database for damage. SQLite's pages have no checksums, so each row has one.

PostgreSQL checks its pages itself.
"""

from sqlalchemy import Column, Connection, Engine, Table, select
from sqlalchemy.exc import SQLAlchemyError

from laud_ray.errors import DamageError
from laud_ray.printable import first_line
from laud_ray.storage.checksums import EXPECTED
from laud_ray.store import people_tables as people_tables
from laud_ray.store.database.connection import read
from laud_ray.store.tables import CHECKSUM, metadata, row_checksum
from laud_ray.store.updates import tables as tables

AT_ONCE = 1000


def check(engine: Engine, place: str) -> None:
    """Check the structure of an SQLite database, and every row that has a checksum; do nothing for PostgreSQL.

    Rows of earlier versions have no checksum. 100,000 rows take one to three seconds.

    Args:
        engine: the database.
        place: its name for the error message.

    Raises:
        DamageError: if anything is damaged; the message names the table and the row.
    """
    if engine.dialect.name == "sqlite":
        read(engine, lambda connection: _check(connection, place))


def _check(connection: Connection, place: str) -> None:
    found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
    if found != "ok":
        reason = " ".join(str(found).split())
        raise DamageError(f"{place}: is damaged ({reason}); {EXPECTED}")
    for table in metadata.sorted_tables:
        if CHECKSUM in table.c:
            _check_rows(connection, table, place)


def _check_rows(connection: Connection, table: Table, place: str) -> None:
    key: Column[object] = next(iter(table.primary_key.columns))
    at: object = "?"
    try:
        rows = connection.execute(select(table).order_by(key).execution_options(yield_per=AT_ONCE))
        names = table.columns.keys()
        for row in rows:
            values = dict(zip(names, row, strict=True))
            at, expected = values[key.name], values[CHECKSUM]
            if expected is not None and expected != row_checksum(table, values):
                raise DamageError(
                    f"{place}: {table.name} row {at} was changed or is damaged: its checksum differs; {EXPECTED}"
                )
    except SQLAlchemyError as error:
        cause = first_line(getattr(error, "orig", None) or error)
        raise DamageError(f"{place}: {table.name} after row {at} cannot be read ({cause}); {EXPECTED}") from None
    except (ValueError, TypeError) as error:
        cause = first_line(error)
        raise DamageError(f"{place}: {table.name} after row {at} cannot be read ({cause}); {EXPECTED}") from None
