"""The versions of a taxonomy, and questions that a change of it made necessary."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    # A database from before revisions may have been made by code that knows these.
    op.create_table(
        "taxonomies",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("tree", sa.String, nullable=False),
        sa.Column("succession", sa.Text),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("positions", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("checksum", sa.String),
        if_not_exists=True,
    )
    op.create_table(
        "renewed_queries",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("checksum", sa.String),
        sa.ForeignKeyConstraint(["document_id"], ["queries.document_id"]),
        sa.UniqueConstraint("document_id", "version"),
        if_not_exists=True,
    )
    op.create_table(
        "renewed_answers",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("oracle", sa.String, nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
        sa.Column("confidence", sa.Float),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("checksum", sa.String),
        sa.ForeignKeyConstraint(["document_id", "version"], ["renewed_queries.document_id", "renewed_queries.version"]),
        sa.UniqueConstraint("document_id", "version"),
        if_not_exists=True,
    )
