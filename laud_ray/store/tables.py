"""The tables of a run's database.

To change a table, add a revision to migrations/versions and set `database.REVISION` to it.
"""

import json
from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Dialect,
    Float,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    insert,
    update,
)

from laud_ray.store.database.row_checksums import CHECKSUM as CHECKSUM
from laud_ray.store.database.row_checksums import in_utc as in_utc
from laud_ray.store.database.row_checksums import row_checksum as row_checksum

metadata = MetaData()


class UserText(TypeDecorator[str]):
    """User-supplied text. PostgreSQL cannot store NUL, so there it is replaced by U+2400."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value.replace("\0", "\u2400") if value is not None and dialect.name == "postgresql" else value


class _JsonText(TypeDecorator[object]):
    """JSON as text, because figures may be NaN, which PostgreSQL's JSON type does not support."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str:  # noqa: ARG002
        return json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> object:  # noqa: ARG002
        return json.loads(value or "null")


def checksum_column(name: str) -> "Column[str]":
    """Return a column that holds the checksum of its row, for the table of that name."""
    made: Column[str] = Column(
        CHECKSUM, String, default=lambda context: row_checksum(metadata.tables[name], context.get_current_parameters())
    )
    return made


settings = Table(
    "settings",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
    checksum_column("settings"),
)
queries = Table(
    "queries",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("document_id", UserText, nullable=False),
    Column("purpose", String, nullable=False),
    Column("round", Integer, nullable=False),
    Column("text", UserText, nullable=False),
    Column("reason", UserText, nullable=False),
    Column("predicted", UserText),
    Column("confidence", Float),
    # For seed queries: the class that was sought, and how the seed walk found the document.
    Column("sought", UserText),
    Column("walk", String),
    Column("created_at", DateTime(timezone=True), nullable=False),
    # No document is ever asked about twice.
    UniqueConstraint("document_id"),
    checksum_column("queries"),
)
annotations = Table(
    "annotations",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("document_id", UserText, nullable=False),
    Column("label", UserText),
    Column("oracle", String, nullable=False),
    Column("cost", Float, nullable=False),
    Column("confidence", Float),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["document_id"], ["queries.document_id"]),
    UniqueConstraint("document_id", "oracle"),
    checksum_column("annotations"),
)
# Second and later questions about a document. `attempt` counts from 2; the first question is in `queries`.
second_queries = Table(
    "second_queries",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("document_id", UserText, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("reason", UserText, nullable=False),
    Column("predicted", UserText),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["document_id"], ["queries.document_id"]),
    UniqueConstraint("document_id", "attempt"),
    checksum_column("second_queries"),
)
second_answers = Table(
    "second_answers",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("document_id", UserText, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("label", UserText),
    Column("oracle", String, nullable=False),
    Column("cost", Float, nullable=False),
    Column("confidence", Float),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["document_id", "attempt"], ["second_queries.document_id", "second_queries.attempt"]),
    UniqueConstraint("document_id", "attempt"),
    checksum_column("second_answers"),
)
sample = Table(
    "sample",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("purpose", String, nullable=False),
    Column("range", String, nullable=False),
    Column("row", Integer, nullable=False),
    Column("document_id", UserText, nullable=False),
    Column("stratum", Integer, nullable=False),
    Column("stratum_size", Integer, nullable=False),
    checksum_column("sample"),
)
rounds = Table(
    "rounds",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("result", JSON().with_variant(_JsonText(), "postgresql"), nullable=False),
    Column("stop_reason", String),
    Column("created_at", DateTime(timezone=True), nullable=False),
    checksum_column("rounds"),
)
models = Table(
    "models",
    metadata,
    Column("name", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("round", Integer, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    checksum_column("models"),
)
timings = Table(
    "timings",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("round", Integer, nullable=False),
    Column("step", String, nullable=False),
    Column("seconds", Float, nullable=False),
    checksum_column("timings"),
)
# Models that a person made current, and the model that was current before.
promotions = Table(
    "promotions",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("model", String, nullable=False),
    Column("previous", String),
    Column("created_at", DateTime(timezone=True), nullable=False),
    checksum_column("promotions"),
)
# Feedback on served predictions. `id` is the id of the text; `label` is null if only "wrong" was reported.
feedback = Table(
    "feedback",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, index=True),
    Column("text", UserText, nullable=False),
    Column("label", UserText),
    Column("who", UserText, nullable=False),
    Column("predicted", UserText),
    Column("model", UserText),
    Column("created_at", DateTime(timezone=True), nullable=False),
    checksum_column("feedback"),
)

# Calls of paid oracles; see ledger.py.
oracle_calls = Table(
    "oracle_calls",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("key", String, nullable=False, index=True),
    Column("oracle", String, nullable=False, index=True),
    Column("engine", String, nullable=False),
    Column("model", String, nullable=False),
    Column("prompt_version", String, nullable=False),
    Column("document_id", UserText, nullable=False),
    Column("vote", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("answer", UserText),
    Column("label", UserText),
    Column("confidence", Float),
    Column("reason", UserText),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("cost", Float),
    Column("latency", Float),
    # Count against the caps: the upper bound until the call has ended, then the actual use.
    Column("tokens", Integer, nullable=False),
    Column("dollars", Float, nullable=False),
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    # Null until the call has ended.
    Column(CHECKSUM, String),
)


def now() -> datetime:
    return datetime.now(UTC)


def put_setting(connection: Connection, key: str, value: str) -> None:
    """Set a setting, whether or not it exists."""
    values = {"value": value, CHECKSUM: row_checksum(settings, {"key": key, "value": value})}
    if connection.execute(update(settings).where(settings.c.key == key).values(values)).rowcount == 0:
        connection.execute(insert(settings).values(key=key, **values))
