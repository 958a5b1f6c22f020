"""The tables of version 0.1. Databases made before revisions were counted have some or all of them already."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

revision = "0001"
down_revision = branch_labels = depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    add(
        "settings",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    )
    add(
        "queries",
        number(),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("predicted", sa.String),
        sa.Column("confidence", sa.Float),
        sa.Column("created_at", TIME, nullable=False),
        sa.UniqueConstraint("document_id"),
    )
    add(
        "annotations",
        number(),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("oracle", sa.String, nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
        sa.Column("confidence", sa.Float),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["queries.document_id"]),
        sa.UniqueConstraint("document_id", "oracle"),
    )
    add(
        "sample",
        number(),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("range", sa.String, nullable=False),
        sa.Column("row", sa.Integer, nullable=False),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("stratum", sa.Integer, nullable=False),
        sa.Column("stratum_size", sa.Integer, nullable=False),
    )
    add(
        "rounds",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        # PostgreSQL's JSON knows no NaN, which a figure may be.
        sa.Column("result", sa.JSON().with_variant(sa.Text, "postgresql"), nullable=False),
        sa.Column("stop_reason", sa.String),
        sa.Column("created_at", TIME, nullable=False),
    )
    add(
        "models",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )
    add(
        "timings",
        number(),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
    )
    add(
        "promotions",
        number(),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("previous", sa.String),
        sa.Column("created_at", TIME, nullable=False),
    )
    add(
        "feedback",
        number(),
        sa.Column("id", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("predicted", sa.String),
        sa.Column("model", sa.String),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_index("ix_feedback_id", "feedback", ["id"], if_not_exists=True)
    add(
        "oracle_calls",
        number(),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("oracle", sa.String, nullable=False),
        sa.Column("engine", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("prompt_version", sa.String, nullable=False),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("vote", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("answer", sa.String),
        sa.Column("label", sa.String),
        sa.Column("confidence", sa.Float),
        sa.Column("reason", sa.String),
        sa.Column("prompt_tokens", sa.Integer),
        sa.Column("completion_tokens", sa.Integer),
        sa.Column("cost", sa.Float),
        sa.Column("latency", sa.Float),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("dollars", sa.Float, nullable=False),
        sa.Column("begun_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
    )
    op.create_index("ix_oracle_calls_key", "oracle_calls", ["key"], if_not_exists=True)
    op.create_index("ix_oracle_calls_oracle", "oracle_calls", ["oracle"], if_not_exists=True)


def number() -> sa.Column[int]:
    return sa.Column("position", sa.Integer, primary_key=True, autoincrement=True)


def add(name: str, *parts: SchemaItem) -> None:
    op.create_table(name, *parts, if_not_exists=True)
