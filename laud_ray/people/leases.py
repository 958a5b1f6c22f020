"""Leases: for some minutes a question is kept for the person who was shown it, so that nobody answers in vain."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Float,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from laud_ray.config import PeopleConfig
from laud_ray.people.cost import is_spent_in
from laud_ray.people.questions import ASKED, QUESTION, Question, question_of, write_in_turn
from laud_ray.people.recorded import stands
from laud_ray.store.database.connection import write
from laud_ray.store.people_tables import gold, leases, question_states, questions, votes

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
    rules: PeopleConfig | None = None,
) -> list[Lease]:
    """Keep up to n questions for a person: those that the holder has already, and then the next ones.

    Questions of the evaluation sample come last: the run can work on the others while they are answered.

    A question goes to as many people as it takes votes. Nobody is asked twice about a document, and no two pages of a
    person hold the same question.

    Args:
        seconds: how long a lease lasts.
        holder: the page that the person works in.
        adjudicator: whether the person also decides where votes differ; those questions come first.
        gold_share: of the questions, those whose answer is established already.
        rules: nothing more is kept once the answers have cost `max_dollars`. None: they may cost anything.
    """

    return write_in_turn(
        engine,
        lambda connection: take_in(
            connection,
            person,
            n,
            seconds=seconds,
            holder=holder,
            adjudicator=adjudicator,
            gold_share=gold_share,
            rules=rules,
        ),
    )


def take_in(
    connection: Connection,
    person: str,
    n: int,
    *,
    seconds: float,
    holder: str = "",
    adjudicator: bool = False,
    gold_share: float = GOLD_SHARE,
    rules: PeopleConfig | None = None,
) -> list[Lease]:
    """Do what `take` does, within a transaction whose turn the caller has taken."""
    clock = _clock(connection)
    connection.execute(delete(leases).where(leases.c.until < clock))
    mine = {"who": person, "at": holder}
    held, earliest = connection.execute(_KEPT, mine).one()
    # Not each time: a row that is written again and again leaves PostgreSQL with much to clear away.
    if held and earliest < clock + seconds / 2:
        connection.execute(_EXTEND, {**mine, "then": clock + seconds})
    if held < n and (rules is None or not is_spent_in(connection, rules)):
        _add(connection, person, holder, clock + seconds, n - held, adjudicator, gold_share)
    rows: Sequence[object] = connection.execute(_HELD, mine).all()
    return [Lease(question_of(row), row.until, row.gold) for row in rows][:n]  # type: ignore[attr-defined,arg-type]


def renew(engine: Engine, person: str, numbers: Collection[int], *, seconds: float) -> list[int]:
    """Keep questions for longer; return the numbers of those that the person still holds."""
    return write(engine, lambda connection: renew_in(connection, person, numbers, seconds=seconds))


def renew_in(connection: Connection, person: str, numbers: Collection[int], *, seconds: float) -> list[int]:
    """Do what `renew` does, within a transaction of the caller's."""
    clock = _clock(connection)
    mine = and_(leases.c.person == person, leases.c.question.in_(list(numbers)), leases.c.until >= clock)
    connection.execute(update(leases).where(mine).values(until=clock + seconds))
    return sorted(connection.scalars(select(leases.c.question).where(mine)))


def give_back(engine: Engine, person: str, numbers: Collection[int] | None = None) -> None:
    """End a person's leases: all of them, or those of some questions."""
    write(engine, lambda connection: give_back_in(connection, person, numbers))


def give_back_in(connection: Connection, person: str, numbers: Collection[int] | None = None) -> None:
    """Do what `give_back` does, within a transaction of the caller's."""
    mine = leases.c.person == person
    if numbers is not None:
        mine = and_(mine, leases.c.question.in_(list(numbers)))
    connection.execute(delete(leases).where(mine))


def _clock(connection: Connection) -> float:
    """The time by the database's clock, in seconds since 1970: servers on several machines share it."""
    if connection.dialect.name == "postgresql":
        return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0.0)
    return time.time()


def _add(
    connection: Connection, person: str, holder: str, until: float, n: int, adjudicator: bool, gold_share: float
) -> None:
    """Keep n questions more, if there are so many."""
    chosen: list[tuple[int, bool]] = []
    if adjudicator:
        chosen += [(row.question, False) for row in connection.execute(_DISPUTED, {"most": n})]
    if len(chosen) < n and gold_share > 0 and (number := _due_gold(connection, person, gold_share)) is not None:
        chosen.append((number, True))
    # Those first that others have begun to answer.
    for following in (_BEGUN, _NEW, _MEASURING):
        if len(chosen) < n:
            found = connection.execute(following, {"who": person, "most": n - len(chosen)})
            chosen += [(row.question, False) for row in found]
    if chosen:
        rows = [
            {"question": number, "person": person, "holder": holder, "until": until, "gold": is_gold}
            for number, is_gold in chosen
        ]
        connection.execute(insert(leases), rows)


def _due_gold(connection: Connection, person: str, share: float) -> int | None:
    """A question with an established answer that a person has not answered, if it is time for one.

    The n-th question of a person is a gold one or not whatever happens in between, so reloading the page does not
    change it.
    """
    answered, shown, holds, golden = connection.execute(_ANSWERED, {"who": person}).one()
    if not golden or answered < FIRST_GOLD or shown + holds >= answered * share:
        return None
    number: int | None = connection.scalar(_GOLD, {"who": person})
    return number


# The statements are built once: to build one takes longer than to run it.
_WHO, _AT, _MOST = bindparam("who", type_=String), bindparam("at", type_=String), bindparam("most", type_=Integer)
_KEPT = select(func.count(), func.min(leases.c.until)).where(leases.c.person == _WHO, leases.c.holder == _AT)
_EXTEND = (
    update(leases).where(leases.c.person == _WHO, leases.c.holder == _AT).values(until=bindparam("then", type_=Float))
)
_STATES = question_states.c


def _free() -> ColumnElement[bool]:
    """Whether a person holds no lease on the question and has said nothing on its document.

    What was said before a change of the labels does not count for the question that asks anew.
    """
    other, said = questions.alias("other"), votes.alias("said")
    return and_(
        ~exists().where(leases.c.question == questions.c.position, leases.c.person == _WHO),
        ~exists().where(
            other.c.document_id == questions.c.document_id,
            or_(questions.c.attempt > 0, other.c.position == questions.c.position),
            # Nested, so that SQLite looks by question and person, not through all that the person said.
            exists().where(said.c.question == other.c.position, said.c.person == _WHO, stands(said)),
        ),
    )


def _open(begun: ColumnElement[bool]) -> "Select[tuple[int]]":
    """The open questions that lack a person, for one who can answer them, in the order of asking."""
    working = select(func.count()).where(leases.c.question == questions.c.position, ~leases.c.gold).scalar_subquery()
    return (
        select(_STATES.question)
        .join(questions, questions.c.position == _STATES.question)
        .where(_STATES.state == "open", begun, _STATES.votes + working < _STATES.needed, _free())
        .order_by(_STATES.question)
        .limit(_MOST)
    )


_MEASURES = questions.c.purpose == "evaluation"
_BEGUN = _open(_STATES.votes > 0)
_NEW = _open(and_(_STATES.votes == 0, ~_MEASURES))
_MEASURING = _open(and_(_STATES.votes == 0, _MEASURES))
# The questions that wait for an adjudicator, and that no one is deciding.
_DISPUTED = (
    select(_STATES.question)
    .where(_STATES.state == "adjudicate", ~exists().where(leases.c.question == _STATES.question))
    .order_by(_STATES.question)
    .limit(_MOST)
)
# How many questions a person answered, gold ones among them, how many gold ones they hold, and how many there are.
_ANSWERED = select(
    select(func.count()).where(votes.c.person == _WHO, votes.c.answer != "undo").scalar_subquery(),
    select(func.count()).where(votes.c.person == _WHO, votes.c.gold).scalar_subquery(),
    select(func.count()).where(leases.c.person == _WHO, leases.c.gold).scalar_subquery(),
    select(func.count()).select_from(gold).scalar_subquery(),
)
_GOLD = (
    select(gold.c.question)
    .join(questions, questions.c.position == gold.c.question)
    .join(question_states, _STATES.question == gold.c.question)
    .where(_STATES.state.in_(("settled", "used")), _free())
    .order_by(gold.c.question)
    .limit(1)
)
_HELD = (
    select(*QUESTION, leases.c.until, leases.c.gold)
    .select_from(ASKED.join(leases, leases.c.question == questions.c.position))
    .where(leases.c.person == _WHO, leases.c.holder == _AT)
    .where(or_(leases.c.gold, _STATES.state.in_(("open", "adjudicate"))))
    .order_by((_STATES.state == "adjudicate").desc(), questions.c.position)
)
