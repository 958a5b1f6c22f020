"""Open, migrate, read and write a run's database, with retries if the connection is lost.

The database is SQLite, or PostgreSQL with a schema for each run.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError

from laud_ray.errors import RunError
from laud_ray.storage.backoff import retried

T = TypeVar("T")
# The newest revision in migrations/versions; a test checks that they agree.
REVISION = "0007"
MIGRATING = 0x6C617564  # key of the advisory lock that is held during a migration
# The engine's execution option that holds the seconds for which lost connections are retried.
PATIENCE = "laud_patience"


def open_database(url: str, *, schema: str | None = None, patience: float = 5.0) -> Engine:
    """Open a database and migrate it to this version's revision. Several processes may do this at once.

    Args:
        url: an SQLAlchemy URL.
        schema: on PostgreSQL, the run's schema, which is created if it does not exist.
        patience: seconds for which `read` and `write` retry if the connection is lost.

    Raises:
        RunError: if the database was written by a newer version.
        sqlalchemy.exc.SQLAlchemyError: if it cannot be opened.
    """
    engine = connect(url, schema)
    engine.update_execution_options(**{PATIENCE: patience})
    try:
        if _revision(engine) != REVISION:
            _migrate(engine, schema)
    except BaseException:
        engine.dispose()
        raise
    return engine


def connect(url: str, schema: str | None = None) -> Engine:
    """Create an SQLAlchemy engine, without migrating or changing the database."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    # Notice a dead server or connection within a minute; the system's default takes hours.
    alive = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        connect_args={**alive, "application_name": "laud", "tcp_user_timeout": 60_000},
        pool_pre_ping=True,
        hide_parameters=True,
    )
    if schema is not None:

        def choose(connection: object, _record: object) -> None:
            connection.autocommit = True  # type: ignore[attr-defined]
            connection.execute(f'SET search_path TO "{schema}"')  # type: ignore[attr-defined]
            connection.autocommit = False  # type: ignore[attr-defined]

        event.listen(engine, "connect", choose, insert=True)
    return engine


def read(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Call `work`, which only reads, and return its result. Retry if the connection is lost."""

    def once() -> T:
        with engine.connect() as connection:
            return work(connection)

    return _retry(engine, once)


def write(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Call `work` in one transaction that takes effect exactly once, and return its result.

    It is retried if the connection is lost before the commit. If the connection is lost during the commit, the server
    is asked first whether the transaction was committed.
    """
    if engine.dialect.name != "postgresql":
        with engine.begin() as connection:
            return work(connection)
    done: list[tuple[str, T]] = []

    def once() -> T:
        if done and _committed(engine, done[-1][0]):
            return done[-1][1]
        done.clear()
        with engine.begin() as connection:
            result = work(connection)
            done.append((str(connection.scalar(text("SELECT pg_current_xact_id()::text"))), result))
        return result

    return _retry(engine, once)


def in_turn(connection: Connection, what: str) -> None:
    """Block other writers of `what` in this run until the commit.

    On SQLite this needs no lock if the transaction begins with a write.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || :what, 0))"), {"what": what}
        )


def lost(error: DBAPIError) -> bool:
    """Whether an error means that the connection or its server is gone, so that a retry may succeed."""
    state = getattr(error.orig, "sqlstate", None)
    # An error without a state comes from the client: it could not connect, or lost the connection.
    unreachable = state is None and type(error.orig).__name__ == "OperationalError"
    return error.connection_invalidated or unreachable or state in ("57P01", "57P02", "57P03", "08006")


def _retry(engine: Engine, once: Callable[[], T]) -> T:
    patience = engine.get_execution_options().get(PATIENCE, 0.0)
    return retried(once, DBAPIError, lambda error: engine.dialect.name != "sqlite" and lost(error), patience=patience)


def _committed(engine: Engine, transaction: str) -> bool:
    with engine.connect() as connection:
        while True:
            state = connection.scalar(text("SELECT pg_xact_status(CAST(:id AS xid8))"), {"id": transaction})
            if state != "in progress":
                return bool(state == "committed")
            time.sleep(0.05)


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return _found(connection)


def _migrate(engine: Engine, schema: str | None) -> None:
    """Run the missing revisions under a lock, all or none."""
    from alembic import command  # slow to import, and seldom needed
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}

    def upgrade(connection: Connection) -> None:
        found = _found(connection)
        if found is not None and found not in known:
            raise RunError(
                f"the database has revision {found!r}, but this version of laud_ray supports revisions up to "
                f"{REVISION!r}; expected a version of laud_ray as new as the database"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
            if schema is not None and not has_schema(connection, schema):
                connection.execute(text(f'CREATE SCHEMA "{schema}"'))
            upgrade(connection)
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            upgrade(connection)
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            # A full disk rolls back by itself, and an error of ROLLBACK must not hide the first error.
            with suppress(DBAPIError):
                connection.exec_driver_sql("ROLLBACK")
            raise


def _found(connection: Connection) -> str | None:
    there = inspect(connection).has_table("alembic_version")
    return connection.scalar(text("SELECT version_num FROM alembic_version")) if there else None


def has_schema(connection: Connection, schema: str) -> bool:
    """Whether a PostgreSQL database has the schema."""
    found = connection.scalar(text("SELECT 1 FROM pg_namespace WHERE nspname = :name"), {"name": schema})
    return found is not None


def _prepare_sqlite(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
