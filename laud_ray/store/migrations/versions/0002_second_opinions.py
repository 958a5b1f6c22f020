"""Documents that an oracle is asked about again, and what it answers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    # A database from before revisions may have been made by code that knows these.
    op.create_table(
        "second_queries",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("predicted", sa.String),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["queries.document_id"]),
        sa.UniqueConstraint("document_id", "attempt"),
        if_not_exists=True,
    )
    op.create_table(
        "second_answers",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("oracle", sa.String, nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
        sa.Column("confidence", sa.Float),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["document_id", "attempt"], ["second_queries.document_id", "second_queries.attempt"]),
        sa.UniqueConstraint("document_id", "attempt"),
        if_not_exists=True,
    )
