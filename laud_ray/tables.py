"""The tables of a run's database, and how it is opened. Later versions add tables; they never change one."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Engine,
    Float,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
)
from sqlalchemy.schema import CreateIndex, CreateTable

metadata = MetaData()
settings = Table("settings", metadata, Column("key", String, primary_key=True), Column("value", String, nullable=False))
queries = Table(
    "queries",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("document_id", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("round", Integer, nullable=False),
    Column("text", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("predicted", String),
    Column("confidence", Float),
    Column("created_at", DateTime(timezone=True), nullable=False),
    # No document is ever asked about twice.
    UniqueConstraint("document_id"),
)
annotations = Table(
    "annotations",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("document_id", String, nullable=False),
    Column("label", String),
    Column("oracle", String, nullable=False),
    Column("cost", Float, nullable=False),
    Column("confidence", Float),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["document_id"], ["queries.document_id"]),
    UniqueConstraint("document_id", "oracle"),
)
sample = Table(
    "sample",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("purpose", String, nullable=False),
    Column("range", String, nullable=False),
    Column("row", Integer, nullable=False),
    Column("document_id", String, nullable=False),
    Column("stratum", Integer, nullable=False),
    Column("stratum_size", Integer, nullable=False),
)
rounds = Table(
    "rounds",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("result", JSON, nullable=False),
    Column("stop_reason", String),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
models = Table(
    "models",
    metadata,
    Column("name", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("round", Integer, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
timings = Table(
    "timings",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("round", Integer, nullable=False),
    Column("step", String, nullable=False),
    Column("seconds", Float, nullable=False),
)
# Models that a person made current, and what was current before.
promotions = Table(
    "promotions",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("model", String, nullable=False),
    Column("previous", String),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
# What people said of served answers. `id` is that of the text; label is null for "wrong, I do not say what".
feedback = Table(
    "feedback",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, index=True),
    Column("text", String, nullable=False),
    Column("label", String),
    Column("who", String, nullable=False),
    Column("predicted", String),
    Column("model", String),
    Column("created_at", DateTime(timezone=True), nullable=False),
)


def open_database(url: str) -> Engine:
    """Open a database and add the tables that it lacks, while others may be doing the same."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    present = set(inspect(engine).get_table_names())
    missing = [table for table in metadata.sorted_tables if table.name not in present]
    if missing:
        with engine.begin() as connection:
            for table in missing:
                connection.execute(CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))
    return engine


def now() -> datetime:
    return datetime.now(UTC)


def in_utc(found: datetime) -> datetime:
    """A time as it was stored: SQLite forgets the zone."""
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _prepare_sqlite(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
