"""Leases: for some minutes a question is kept for the person who was shown it, so that nobody answers in vain."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from laud_ray.people.questions import Question, question_of, take_turn
from laud_ray.store.database.connection import read, write
from laud_ray.store.people_tables import gold, leases, question_states, questions, votes
from laud_ray.store.tables import queries

# Silent gold questions are shown once a person has answered so many.
FIRST_GOLD = 10
GOLD_SHARE = 0.03


@dataclass(frozen=True, slots=True)
class Lease:
    """A question that is kept for a person until a time, in seconds since 1970 by the database's clock.

    `gold` questions have an established answer; the person is not to know.
    """

    question: Question
    until: float
    gold: bool


def take(
    engine: Engine,
    person: str,
    n: int,
    *,
    seconds: float,
    holder: str = "",
    adjudicator: bool = False,
    gold_share: float = GOLD_SHARE,
) -> list[Lease]:
    """Keep up to n questions for a person: those that the holder has already, and then the next ones.

    A question goes to as many people as it takes votes. Nobody is asked twice about a document, and no two pages of a
    person hold the same question.

    Args:
        seconds: how long a lease lasts.
        holder: the page that the person works in.
        adjudicator: whether the person also decides where votes differ; those questions come first.
        gold_share: of the questions, those whose answer is established already.
    """

    def lease(connection: Connection) -> list[Lease]:
        take_turn(connection)
        clock = _clock(connection)
        connection.execute(delete(leases).where(leases.c.until < clock))
        mine = and_(leases.c.person == person, leases.c.holder == holder)
        connection.execute(update(leases).where(mine).values(until=clock + seconds))
        lacking = n - int(connection.scalar(select(func.count()).select_from(leases).where(mine)) or 0)
        if lacking > 0:
            _add(connection, person, holder, clock, clock + seconds, lacking, adjudicator, gold_share)
        return _held(connection, mine)[:n]

    return write(engine, lease)


def renew(engine: Engine, person: str, numbers: Collection[int], *, seconds: float) -> list[int]:
    """Keep questions for longer; return the numbers of those that the person still holds."""

    def extend(connection: Connection) -> list[int]:
        clock = _clock(connection)
        mine = and_(leases.c.person == person, leases.c.question.in_(list(numbers)), leases.c.until >= clock)
        connection.execute(update(leases).where(mine).values(until=clock + seconds))
        return sorted(connection.scalars(select(leases.c.question).where(mine)))

    return write(engine, extend)


def give_back(engine: Engine, person: str, numbers: Collection[int] | None = None) -> None:
    """End a person's leases: all of them, or those of some questions."""
    mine = leases.c.person == person
    if numbers is not None:
        mine = and_(mine, leases.c.question.in_(list(numbers)))
    write(engine, lambda connection: connection.execute(delete(leases).where(mine)))


def held(engine: Engine) -> dict[int, list[str]]:
    """Return who works on which question now."""

    def look(connection: Connection) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        current = select(leases.c.question, leases.c.person).where(leases.c.until >= _clock(connection))
        for number, person in connection.execute(current):
            found.setdefault(number, []).append(person)
        return found

    return read(engine, look)


def voted_by(person: str) -> ColumnElement[bool]:
    """Whether a person has a vote on the question in `questions` that was not taken back."""
    taken_back = votes.alias("taken_back")
    return exists().where(
        votes.c.question == questions.c.position,
        votes.c.person == person,
        votes.c.answer != "undo",
        ~exists().where(taken_back.c.undoes == votes.c.id),
    )


def _clock(connection: Connection) -> float:
    """The time by the database's clock, in seconds since 1970: servers on several machines share it."""
    if connection.dialect.name == "postgresql":
        return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0.0)
    return time.time()


def _add(
    connection: Connection,
    person: str,
    holder: str,
    clock: float,
    until: float,
    n: int,
    adjudicator: bool,
    gold_share: float,
) -> None:
    chosen: list[tuple[int, bool]] = []
    if adjudicator:
        chosen += [(row.position, False) for row in connection.execute(_disputed(n))]
    if len(chosen) < n and gold_share > 0 and (number := _due_gold(connection, person, gold_share)) is not None:
        chosen.append((number, True))
    if len(chosen) < n:
        chosen += [(row.position, False) for row in connection.execute(_next(person, clock, n - len(chosen)))]
    for number, is_gold in chosen:
        row = {"question": number, "person": person, "holder": holder, "until": until, "gold": is_gold}
        connection.execute(insert(leases).values(row))


def _free(person: str) -> ColumnElement[bool]:
    """Whether a person holds no lease on the question and has said nothing on its document."""
    other, said = questions.alias("other"), votes.alias("said")
    taken_back = votes.alias("taken_back")
    return and_(
        ~exists().where(leases.c.question == questions.c.position, leases.c.person == person),
        ~exists()
        .where(other.c.document_id == questions.c.document_id, said.c.question == other.c.position)
        .where(said.c.person == person, said.c.answer != "undo", ~exists().where(taken_back.c.undoes == said.c.id)),
    )


def _next(person: str, clock: float, n: int) -> "Select[tuple[int]]":
    """The next open questions for a person: those first that others have begun to answer."""
    working = (
        select(func.count())
        .where(leases.c.question == questions.c.position, leases.c.until >= clock, ~leases.c.gold)
        .scalar_subquery()
    )
    states = question_states.c
    return (
        select(questions.c.position)
        .join(question_states, states.question == questions.c.position)
        .where(states.state == "open", states.votes + working < states.needed, _free(person))
        .order_by((states.votes > 0).desc(), questions.c.position)
        .limit(n)
    )


def _disputed(n: int) -> "Select[tuple[int]]":
    """The questions that wait for an adjudicator, whom none of them is kept for."""
    return (
        select(questions.c.position)
        .join(question_states, question_states.c.question == questions.c.position)
        .where(question_states.c.state == "adjudicate", ~exists().where(leases.c.question == questions.c.position))
        .order_by(questions.c.position)
        .limit(n)
    )


def _due_gold(connection: Connection, person: str, share: float) -> int | None:
    """A question with an established answer that a person has not answered, if it is time for one.

    The n-th question of a person is a gold one or not whatever happens in between, so reloading the page does not
    change it.
    """
    answered = int(
        connection.scalar(
            select(func.count()).select_from(votes).where(votes.c.person == person, votes.c.answer != "undo")
        )
        or 0
    )
    shown = int(
        connection.scalar(select(func.count()).select_from(votes).where(votes.c.person == person, votes.c.gold)) or 0
    )
    holds = connection.scalar(select(func.count()).select_from(leases).where(leases.c.person == person, leases.c.gold))
    if answered < FIRST_GOLD or shown + int(holds or 0) >= answered * share:
        return None
    found = (
        select(gold.c.question)
        .join(questions, questions.c.position == gold.c.question)
        .join(question_states, question_states.c.question == gold.c.question)
        .where(question_states.c.state.in_(("settled", "used")), _free(person))
        .order_by(gold.c.question)
        .limit(1)
    )
    number: int | None = connection.scalar(found)
    return number


def _held(connection: Connection, mine: ColumnElement[bool]) -> list[Lease]:
    found = (
        select(
            questions,
            queries.c.text,
            question_states.c.state,
            question_states.c.needed,
            question_states.c.votes,
            question_states.c.label,
            question_states.c.settled_by,
            leases.c.until,
            leases.c.gold,
        )
        .join(leases, leases.c.question == questions.c.position)
        .join(question_states, question_states.c.question == questions.c.position)
        .join(queries, queries.c.document_id == questions.c.document_id)
        .where(mine)
        .where(or_(leases.c.gold, question_states.c.state.in_(("open", "adjudicate"))))
        .order_by((question_states.c.state == "adjudicate").desc(), questions.c.position)
    )
    rows: Sequence[object] = connection.execute(found).all()
    return [Lease(question_of(row), row.until, row.gold) for row in rows]  # type: ignore[attr-defined,arg-type]
