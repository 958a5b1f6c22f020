"""The votes of a run as they are recorded, and which of them count."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Row, and_, exists, select

from laud_ray.store import people_tables as tables
from laud_ray.store.database.connection import read
from laud_ray.store.tables import in_utc

Answer: TypeAlias = Literal["label", "unsure", "none", "undo"]
T = TypeVar("T")
# SQLite takes 32,766 values in a statement.
_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Vote:
    """An answer as a client sends it.

    Attributes:
        id: a UUID that the client chose.
        question: its number.
        answer: label; unsure; none, if no label fits; or undo, which takes back the vote `undoes`.
        label: with the answer `label`, one of the task's names.
        seconds: of active time.
        shown: the labels that were suggested, in the order in which they were shown; None where none were.
        via: how it was given: key, mouse, search, file or label-studio.
        answered_at: by the client's clock.
    """

    id: str
    question: int
    answer: Answer
    label: str | None = None
    comment: str | None = None
    seconds: float | None = None
    shown: tuple[str, ...] | None = None
    via: str = "key"
    answered_at: datetime | None = None
    undoes: str | None = None


@dataclass(frozen=True, slots=True)
class StoredVote:
    """A vote as it is in the database, with the person who gave it. `undone`: a later record takes it back."""

    vote: Vote
    position: int
    person: str
    role: str
    gold: bool
    late: bool
    undone: bool
    created_at: datetime


def parts(items: Sequence[T]) -> list[Sequence[T]]:
    """Cut values into parts that a statement can take."""
    return [items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE)]


def stands(said: FromClause) -> ColumnElement[bool]:
    """Whether a row of votes, or of an alias of them, is an answer that was not taken back."""
    taken_back = tables.votes.alias()
    return and_(said.c.answer != "undo", ~exists().where(taken_back.c.undoes == said.c.id))


def votes(engine: Engine, numbers: Collection[int] | None = None) -> list[StoredVote]:
    """Return the votes in the order in which they were recorded: all, or those on some questions."""
    some = [None] if numbers is None else parts(sorted(set(numbers)))
    found = [one for part in some for one in read(engine, lambda connection: _rows(connection, part))]  # noqa: B023
    taken_back = {one.vote.undoes for one in found if one.vote.undoes is not None}
    marked = [replace(one, undone=True) if one.vote.id in taken_back else one for one in found]
    return sorted(marked, key=lambda one: one.position)


def current(votes: Sequence[StoredVote]) -> list[StoredVote]:
    """Return of votes those that count as a person's answer: the latest on each question that was not taken back.

    They are in the order in which each person first answered. Gold votes and late ones are among them.
    """
    latest: dict[tuple[int, str], StoredVote] = {}
    for one in votes:
        if one.vote.answer != "undo" and not one.undone:
            latest[one.vote.question, one.person] = one
    return list(latest.values())


def _rows(connection: Connection, numbers: Collection[int] | None) -> list[StoredVote]:
    found = select(tables.votes).order_by(tables.votes.c.position)
    if numbers is not None:
        found = found.where(tables.votes.c.question.in_(list(numbers)))
    return [stored_vote(row) for row in connection.execute(found)]


def stored_vote(row: "Row[tuple[object, ...]]") -> StoredVote:
    return StoredVote(
        Vote(
            row.id,
            row.question,
            row.answer,
            row.label,
            row.comment,
            row.seconds,
            None if row.shown is None else tuple(json.loads(row.shown)),
            row.via,
            None if row.answered_at is None else in_utc(row.answered_at),
            row.undoes,
        ),
        row.position,
        row.person,
        row.role,
        row.gold,
        row.late,
        False,
        in_utc(row.created_at),
    )
