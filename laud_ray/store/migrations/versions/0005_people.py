"""What people are asked, who works on it, what they answer, and questions whose right answer is established."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    # A database from before revisions may have been made by code that knows these.
    op.create_table(
        "questions",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("document_id", sa.String, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("candidates", sa.Text),
        sa.Column("model", sa.String),
        sa.Column("show", sa.Boolean, nullable=False),
        sa.Column("twice", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("checksum", sa.String),
        sa.ForeignKeyConstraint(["document_id"], ["queries.document_id"]),
        sa.UniqueConstraint("document_id", "attempt"),
        if_not_exists=True,
    )
    op.create_table(
        "question_states",
        sa.Column("question", sa.Integer, sa.ForeignKey("questions.position"), primary_key=True, autoincrement=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("needed", sa.Integer, nullable=False),
        sa.Column("votes", sa.Integer, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("settled_by", sa.String),
        sa.Column("updated_at", TIME, nullable=False),
        if_not_exists=True,
    )
    op.create_index("question_states_by_state", "question_states", ["state", "votes", "question"], if_not_exists=True)
    op.create_table(
        "leases",
        sa.Column("question", sa.Integer, sa.ForeignKey("questions.position"), primary_key=True, autoincrement=False),
        sa.Column("person", sa.String, primary_key=True),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("gold", sa.Boolean, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "votes",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("question", sa.Integer, sa.ForeignKey("questions.position"), nullable=False),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("answer", sa.String, nullable=False),
        sa.Column("label", sa.String),
        sa.Column("comment", sa.String),
        sa.Column("seconds", sa.Float),
        sa.Column("shown", sa.Text),
        sa.Column("via", sa.String, nullable=False),
        sa.Column("gold", sa.Boolean, nullable=False),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("undoes", sa.String),
        sa.Column("answered_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("checksum", sa.String),
        if_not_exists=True,
    )
    op.create_index("votes_by_undone", "votes", ["undoes"], if_not_exists=True)
    op.create_index("votes_by_person", "votes", ["person", "question"], if_not_exists=True)
    op.create_index("votes_by_question", "votes", ["question", "person"], if_not_exists=True)
    op.create_table(
        "gold",
        sa.Column("question", sa.Integer, sa.ForeignKey("questions.position"), primary_key=True, autoincrement=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("checksum", sa.String),
        if_not_exists=True,
    )
