"""Questions: the recorded queries that people are asked, with the labels that the model of the time found likely.

A question is recorded once and never changes; its state follows from its votes. `attempt` 1 is the query itself, and
2 or more asks about the document again: an audit, or the trusted answer of the evaluation sample. A negative one asks
anew what a change of the labels made unclear; the same people may answer it.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, TypeVar

from sqlalchemy import Connection, Engine, Row, and_, func, insert, select

from laud_ray.config import PeopleConfig, RunConfig, people_in
from laud_ray.people.groups import Group, groups
from laud_ray.people.recorded import parts, stands
from laud_ray.store import people_tables as tables
from laud_ray.store.database.connection import in_turn, read, write
from laud_ray.store.tables import now, queries, second_queries
from laud_ray.types import Document

# `adjudicate`: the votes differ, and an adjudicator decides. `used`: the run has taken the answer, which stands now.
State: TypeAlias = Literal["open", "adjudicate", "settled", "used"]
FIRST = 1
MOST_CANDIDATES = 9
COVERAGE = 0.95
# Where several labels may apply, those with a smaller probability are not suggested.
LEAST = 0.05
# Questions with their states and the texts of their documents, and the columns that `question_of` reads.
ASKED = tables.questions.join(
    tables.question_states, tables.question_states.c.question == tables.questions.c.position
).join(queries, queries.c.document_id == tables.questions.c.document_id)
QUESTION = (
    *tables.questions.c,
    queries.c.text,
    *(tables.question_states.c[name] for name in ("state", "needed", "votes", "label", "settled_by")),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label and the probability, in [0, 1], that the model gave to it."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What a model says of documents: its name, and by document id the likeliest labels, the first first.

    `several`: several labels may apply to a document, so that their probabilities do not sum to 1.
    """

    model: str
    candidates: Mapping[str, Sequence[Candidate]]
    several: bool = False


T = TypeVar("T")
Suggest: TypeAlias = Callable[[Sequence[Document]], Suggestions | None]


@dataclass(frozen=True, slots=True)
class Question:
    """A question and where it stands.

    Attributes:
        number: its key in the database; people see `id`.
        attempt: 1 for the query itself, 2 or more where the document is asked about again; see `again_at`.
        purpose: seed, query, evaluation or audit.
        candidates: the likeliest labels when it was asked, the likeliest first; `model` gave them.
        show: whether the first person may see the candidates as suggestions; `suggests` says it of the next one.
        twice: whether it is of the random share that two people answer.
        needed: votes that it takes, `votes` of which are there.
        label: of a settled question; None for an abstention, or while it is not settled.
        settled_by: vote, agreement, majority, posterior or adjudicator.
    """

    number: int
    document: Document
    attempt: int
    purpose: str
    round: int
    candidates: tuple[Candidate, ...]
    model: str | None
    show: bool
    twice: bool
    created_at: datetime
    state: State
    needed: int
    votes: int
    label: str | None
    settled_by: str | None

    @property
    def id(self) -> str:
        return id_of(self.number)

    @property
    def suggests(self) -> bool:
        """Whether the next person may see the candidates: only the first one, since a second judges without them."""
        return self.show and self.state == "open" and self.votes == 0


def id_of(number: int) -> str:
    """Return the id that people see, such as q-000017."""
    return f"q-{number:06d}"


def again_at(version: int) -> int:
    """Return the attempt of questions that a version of the labels makes necessary: answers before it are unclear."""
    return -version


def number_of(id: str) -> int | None:
    """Return the number of a question's id such as q-000017; None if it is none."""
    prefix, _, digits = id.strip().partition("-")
    plain = digits.isascii() and digits.isdigit() and len(digits) <= 12
    return int(digits) if prefix.lower() == "q" and plain else None


def rules_of(config: RunConfig) -> PeopleConfig | None:
    """Return the settings of the people whom a run asks; None if it asks none.

    Where several oracles of a run ask people, the run's own comes first, and its settings hold for all questions.
    """
    return next((found for one in config.asked_oracles().values() if (found := people_in(one)) is not None), None)


def ask(
    engine: Engine, documents: Sequence[Document], attempt: int, suggest: Suggest | None, rules: PeopleConfig, seed: int
) -> None:
    """Record the questions about documents that are not recorded yet; a second call changes nothing.

    The documents are recorded queries, or for attempt 2 and more recorded second queries.

    Args:
        suggest: what a model says of documents; None where no model is to be asked.
        seed: of the run. Which questions hide their suggestions, and which are asked twice, depends on it and on the
            document alone.
    """
    known = {one.document.id for one in _of_documents(engine, [one.id for one in documents], attempt)}
    new = [one for one in documents if one.id not in known]
    if not new:
        return
    suggested = None if suggest is None else suggest(new)

    def record(connection: Connection) -> None:
        asked = _asked_for(connection, [one.id for one in new], attempt)
        for one in new:
            _record(connection, one, attempt, asked[one.id], suggested, rules, seed)

    write_in_turn(engine, record)


def questions(
    engine: Engine,
    *,
    states: Collection[str] = (),
    purpose: str | None = None,
    numbers: Collection[int] | None = None,
) -> list[Question]:
    """Return questions in the order of asking: all, or those in some states, of a purpose, or of these numbers."""
    if numbers is not None:
        some = parts(sorted(set(numbers)))
        found = [one for part in some for one in _found(engine, tables.questions.c.position.in_(part))]
    else:
        found = _found(engine)
    return [one for one in found if (not states or one.state in states) and purpose in (None, one.purpose)]


def take_answers(engine: Engine, documents: Sequence[str], attempt: int) -> dict[str, Question]:
    """Return the settled questions about documents, which count as used from now on: nobody can take them back."""
    chosen = tables.question_states

    def take(connection: Connection) -> dict[str, Question]:
        found = [
            one
            for part in parts(documents)
            for one in _rows(
                connection, tables.questions.c.document_id.in_(part), tables.questions.c.attempt == attempt
            )
            if one.state in ("settled", "used")
        ]
        for some in parts([one.number for one in found if one.state == "settled"]):
            used = chosen.update().where(chosen.c.question.in_(some)).values(state="used", updated_at=now())
            connection.execute(used)
        return {one.document.id: one for one in found}

    return write_in_turn(engine, take)


def groups_of(engine: Engine, documents: Sequence[str], attempt: int) -> list[Group]:
    """Return the groups of questions to which those about the documents belong."""
    asked = tables.questions.c
    keys: set[tuple[str, int]] = set()
    for part in parts(documents):
        which = select(asked.purpose, asked.round).where(asked.document_id.in_(part), asked.attempt == attempt)
        rows = read(engine, lambda connection: connection.execute(which.distinct()).all())  # noqa: B023
        keys |= {(purpose, round) for purpose, round in rows}
    return [one for one in groups(engine) if one.attempt == attempt and (one.purpose, one.round) in keys]


_NOTHING = tables.question_states.update().where(tables.question_states.c.question < 0).values(votes=0)


def take_turn(connection: Connection) -> None:
    """Keep other writers of questions, leases and votes out until the transaction ends.

    On SQLite it is enough that the transaction begins with a write, here of nothing.
    """
    in_turn(connection, "questions")
    connection.execute(_NOTHING)


def write_in_turn(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Do work in one transaction, whose turn it takes first."""

    def turn(connection: Connection) -> T:
        take_turn(connection)
        return work(connection)

    return write(engine, turn)


def answered_elsewhere(connection: Connection, document_id: str, number: int = 0) -> int:
    """Return how many people answered a question about a document other than this one; they are not asked again."""
    said = tables.votes
    counted = (
        select(func.count(said.c.person.distinct()))
        .join(tables.questions, tables.questions.c.position == said.c.question)
        .where(tables.questions.c.document_id == document_id, said.c.question != number, stands(said))
    )
    return int(connection.scalar(counted) or 0)


def draw(seed: int, what: str, document_id: str) -> float:
    """Return a number in [0, 1) that depends on the run's seed, a purpose and a document alone."""
    digest = hashlib.blake2b(f"{seed} {what} {document_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def shortened(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the smallest set of likeliest labels that holds the right one with 95 % by the model; at most 9."""
    kept: list[Candidate] = []
    for one in candidates[:MOST_CANDIDATES]:
        if sum(each.probability for each in kept) >= COVERAGE:
            break
        kept.append(one)
    return tuple(kept)


def _listed(suggested: Suggestions, document_id: str) -> tuple[Candidate, ...]:
    """Return the labels of a document to suggest; of several, the first one and those that are likely enough."""
    found = suggested.candidates.get(document_id, ())
    if not suggested.several:
        return shortened(found)
    return tuple(one for i, one in enumerate(found[:MOST_CANDIDATES]) if not i or one.probability >= LEAST)


def _asked_for(connection: Connection, documents: Sequence[str], attempt: int) -> dict[str, tuple[str, int]]:
    """The purpose and the round in which each document was asked about."""
    found: dict[str, tuple[str, int]] = {}
    for part in parts(documents):
        if attempt <= FIRST:
            rows = connection.execute(
                select(queries.c.document_id, queries.c.purpose, queries.c.round).where(queries.c.document_id.in_(part))
            )
        else:
            again = second_queries.join(queries, queries.c.document_id == second_queries.c.document_id)
            rows = connection.execute(
                select(second_queries.c.document_id, queries.c.purpose, second_queries.c.round)
                .select_from(again)
                .where(second_queries.c.document_id.in_(part), second_queries.c.attempt == attempt)
            )
        for name, purpose, round in rows:
            found[name] = (purpose if attempt <= FIRST or purpose == "evaluation" else "audit", round)
    return found


def _record(
    connection: Connection,
    document: Document,
    attempt: int,
    asked: tuple[str, int],
    suggested: Suggestions | None,
    rules: PeopleConfig,
    seed: int,
) -> None:
    purpose, round = asked
    listed = _listed(suggested, document.id) if suggested else ()
    twice = attempt == FIRST and rules.team > 1 and draw(seed, "twice", document.id) < rules.twice
    # Answers that are compared with others, or with the model, are given without a suggestion.
    compared = purpose == "evaluation" or attempt > FIRST or twice or rules.per_document > 1
    show = bool(listed) and rules.suggestions and not compared and draw(seed, "hide", document.id) >= rules.hidden
    row = {
        "document_id": document.id,
        "attempt": attempt,
        "purpose": purpose,
        "round": round,
        "candidates": _as_json(listed),
        "model": suggested.model if suggested and listed else None,
        "show": show,
        "twice": twice,
        "created_at": now(),
    }
    number = connection.execute(insert(tables.questions).values(row)).inserted_primary_key
    assert number is not None, "a table with a key returns it"
    voters = rules.team if attempt <= FIRST else rules.team - answered_elsewhere(connection, document.id)
    needed = min(max(rules.per_document, 2 if twice else 1), max(voters, 1))
    state = {"question": number[0], "state": "open" if voters > 0 else "adjudicate", "needed": needed, "votes": 0}
    connection.execute(insert(tables.question_states).values(**state, updated_at=now()))


def _as_json(listed: Sequence[Candidate]) -> str | None:
    return json.dumps([[one.label, round(float(one.probability), 4)] for one in listed]) if listed else None


def _of_documents(engine: Engine, documents: Sequence[str], attempt: int) -> list[Question]:
    asked = tables.questions.c
    return [
        one
        for part in parts(documents)
        for one in _found(engine, and_(asked.document_id.in_(part), asked.attempt == attempt))
    ]


def _found(engine: Engine, *conditions: object) -> list[Question]:
    return read(engine, lambda connection: _rows(connection, *conditions))


def _rows(connection: Connection, *conditions: object) -> list[Question]:
    found = select(*QUESTION).select_from(ASKED)
    for condition in conditions:
        found = found.where(condition)  # type: ignore[arg-type]
    return [question_of(row) for row in connection.execute(found.order_by(tables.questions.c.position))]


def question_of(row: "Row[tuple[object, ...]]") -> Question:
    """Make a question of a row that has the columns of its table, its state and its document's text."""
    listed = json.loads(row.candidates) if row.candidates else []
    return Question(
        row.position,
        Document(row.document_id, row.text),
        row.attempt,
        row.purpose,
        row.round,
        tuple(Candidate(label, probability) for label, probability in listed),
        row.model,
        row.show,
        row.twice,
        row.created_at,
        row.state,
        row.needed,
        row.votes,
        row.label,
        row.settled_by,
    )
