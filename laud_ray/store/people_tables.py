"""The tables of questions to people and their answers; see `laud_ray.people`.

Questions and votes are only added, never changed. Changing data is in separate tables: the state of a question, which
is derived from its votes, and leases, which record who is working on which question.
"""

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from laud_ray.store.tables import UserText, checksum_column, metadata

# A recorded query that people were asked; attempt 1 is the query itself, and others ask about its document again.
questions = Table(
    "questions",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("document_id", UserText, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("purpose", String, nullable=False),
    Column("round", Integer, nullable=False),
    # JSON: [[label, probability], ...], the likeliest first; null where no model was asked.
    Column("candidates", Text),
    Column("model", String),
    Column("show", Boolean, nullable=False),
    Column("twice", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["document_id"], ["queries.document_id"]),
    UniqueConstraint("document_id", "attempt"),
    checksum_column("questions"),
)
# `label` and `settled_by` are set once the votes settle the question; a null label is then an abstention.
question_states = Table(
    "question_states",
    metadata,
    Column("question", Integer, ForeignKey("questions.position"), primary_key=True, autoincrement=False),
    Column("state", String, nullable=False),
    Column("needed", Integer, nullable=False),
    Column("votes", Integer, nullable=False),
    Column("label", UserText),
    Column("settled_by", String),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("question_states_by_state", "state", "votes", "question"),
)
# `until` is in seconds since 1970 by the database's clock. `holder` is the page that a person works in.
leases = Table(
    "leases",
    metadata,
    Column("question", Integer, ForeignKey("questions.position"), primary_key=True, autoincrement=False),
    Column("person", UserText, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", Float, nullable=False),
    Column("gold", Boolean, nullable=False),
)
votes = Table(
    "votes",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    # The client's own name for the vote, so that sending it twice is one vote.
    Column("id", String, nullable=False, unique=True),
    Column("question", Integer, ForeignKey("questions.position"), nullable=False),
    Column("person", UserText, nullable=False),
    Column("role", String, nullable=False),
    Column("answer", String, nullable=False),
    Column("label", UserText),
    Column("comment", UserText),
    # Seconds of active time.
    Column("seconds", Float),
    # JSON: the labels that were suggested, in the order in which they were shown; null where none were.
    Column("shown", Text),
    Column("via", String, nullable=False),
    Column("gold", Boolean, nullable=False),
    Column("late", Boolean, nullable=False),
    # The vote that an undo takes back.
    Column("undoes", String),
    Column("answered_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("votes_by_question", "question", "person"),
    Index("votes_by_undone", "undoes"),
    Index("votes_by_person", "person", "question"),
    checksum_column("votes"),
)
# Questions whose right answer is established: they measure the people who answer them without knowing.
gold = Table(
    "gold",
    metadata,
    Column("question", Integer, ForeignKey("questions.position"), primary_key=True, autoincrement=False),
    Column("label", UserText, nullable=False),
    Column("who", UserText, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    checksum_column("gold"),
)
