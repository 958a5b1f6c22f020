"""Generations of documents, the evidence of drift, proposed labels, and decisions about models."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    # A database from before revisions may have been made by code that knows these.
    op.create_table(
        "generations",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("added", TIME, nullable=False),
        sa.Column("documents", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("model", sa.String),
        sa.Column("checksum", sa.String),
        if_not_exists=True,
    )
    op.create_table(
        "watch",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("test", sa.String, nullable=False),
        sa.Column("log_wealth", sa.Float, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("alarm", sa.Boolean, nullable=False),
        sa.Column("checksum", sa.String),
        sa.UniqueConstraint("number", "test"),
        if_not_exists=True,
    )
    op.create_table(
        "proposals",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("cluster", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("fits", sa.String),
        sa.Column("texts", sa.String, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("checksum", sa.String),
        sa.UniqueConstraint("generation", "cluster"),
        if_not_exists=True,
    )
    op.create_table(
        "decisions",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("words", sa.String, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("checksum", sa.String),
        sa.UniqueConstraint("round"),
        if_not_exists=True,
    )
