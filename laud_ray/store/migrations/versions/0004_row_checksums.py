"""A checksum of each row, so that damage to the file is noticed. Rows from before have none."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = depends_on = None

TABLES = (
    "settings",
    "queries",
    "annotations",
    "second_queries",
    "second_answers",
    "sample",
    "rounds",
    "models",
    "timings",
    "promotions",
    "feedback",
    "oracle_calls",
)


def upgrade() -> None:
    connection = op.get_bind()
    for table in TABLES:
        # A database from before revisions may have been made by code that knows these.
        if "checksum" not in {column["name"] for column in sa.inspect(connection).get_columns(table)}:
            op.add_column(table, sa.Column("checksum", sa.String))
