"""The tables of updates. A run that was never updated has no rows here."""

from collections.abc import Mapping

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Float,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    select,
    update,
)

from laud_ray.store.tables import CHECKSUM, UserText, checksum_column, metadata, row_checksum

# The documents that one append added. Generation 1 is the corpus of the first `laud run`, and has no row.
generations = Table(
    "generations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("source", UserText, nullable=False),
    Column("added", DateTime(timezone=True), nullable=False),
    Column("documents", Integer, nullable=False),
    # How far its update is; see laud_ray.store.updates.generations.
    Column("state", String, nullable=False),
    # The model that its documents are scored with.
    Column("model", String),
    checksum_column("generations"),
)
# The evidence of each test after a generation.
watch = Table(
    "watch",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    # Of the generation.
    Column("number", Integer, nullable=False),
    Column("test", String, nullable=False),
    Column("log_wealth", Float, nullable=False),
    # JSON: the state of the test, from which it goes on.
    Column("state", Text, nullable=False),
    Column("alarm", Boolean, nullable=False),
    UniqueConstraint("number", "test"),
    checksum_column("watch"),
)
# Labels that are proposed for clusters of novel documents.
proposals = Table(
    "proposals",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("generation", Integer, nullable=False),
    Column("cluster", Integer, nullable=False),
    Column("name", UserText, nullable=False),
    # The known label that fits; null if none does.
    Column("fits", UserText),
    # JSON: some of the cluster's texts.
    Column("texts", UserText, nullable=False),
    Column("size", Integer, nullable=False),
    # open, accepted, merged or refused.
    Column("state", String, nullable=False),
    # The label that it was accepted as, or merged into.
    Column("label", UserText),
    UniqueConstraint("generation", "cluster"),
    checksum_column("proposals"),
)
# Whether the model that an update trained was made current, and why.
decisions = Table(
    "decisions",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    # The last generation that the decision is about.
    Column("generation", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("model", String, nullable=False),
    # promote or keep.
    Column("verdict", String, nullable=False),
    Column("words", UserText, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("round"),
    checksum_column("decisions"),
)


def change(connection: Connection, table: Table, which: ColumnElement[bool], values: Mapping[str, object]) -> None:
    """Change columns of one row, and its checksum."""
    row = connection.execute(select(table).where(which)).mappings().one()
    summed = {CHECKSUM: row_checksum(table, {**row, **values})}
    connection.execute(update(table).where(which).values({**values, **summed}))
