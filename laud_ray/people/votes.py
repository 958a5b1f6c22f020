"""Votes: one person's answers to questions, only ever added.

The latest vote of a person on a question counts, until it is taken back by a further record. The client names each
vote by a UUID, so that sending it twice is one vote.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from sqlalchemy import Connection, Engine, Integer, Row, String, bindparam, delete, insert, select, update

from laud_ray.config import PeopleConfig
from laud_ray.errors import UserError
from laud_ray.people.figures import lasting_accuracies
from laud_ray.people.questions import ASKED, QUESTION, Question, answered_elsewhere, question_of, write_in_turn
from laud_ray.people.recorded import Answer as Answer
from laud_ray.people.recorded import StoredVote as StoredVote
from laud_ray.people.recorded import Vote as Vote
from laud_ray.people.recorded import current as current
from laud_ray.people.recorded import stored_vote
from laud_ray.people.recorded import votes as votes
from laud_ray.people.sets import EMPTY, SetNames, decide_sets
from laud_ray.people.settling import Ballot, Decision, decide
from laud_ray.printable import quoted
from laud_ray.store import people_tables as tables
from laud_ray.store.tables import now

# `counted`: it counts. `repeated`: it was there already. `late`: the question was settled before; the vote is kept.
# `gold`: it measures the person. `undone`: the vote that it names no longer counts. `refused`: nothing was recorded.
Outcome: TypeAlias = Literal["counted", "repeated", "late", "gold", "undone", "refused"]
ANSWERS = ("label", "unsure", "none", "undo")
MOST_COMMENT = 2000
# Seconds of active time on one question beyond which nobody was working on it.
MOST_SECONDS = 3600.0


class VoteError(UserError):
    """A vote cannot be recorded: its question, label or answer is not valid."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a vote, and the state of its question now. `reason` says why a vote was refused."""

    id: str
    question: int
    outcome: Outcome
    state: str
    reason: str | None = None


def cast(
    engine: Engine,
    person: str,
    votes: Sequence[Vote],
    rules: PeopleConfig,
    names: Collection[str],
    *,
    adjudicator: bool = False,
    accuracy: Mapping[str, float] | None = None,
    strict: bool = False,
) -> list[Receipt]:
    """Record votes in one transaction, and settle the questions that they settle.

    Args:
        names: what an answer may be, see `sets.names_of`.
        adjudicator: whether the person may decide where votes differ.
        accuracy: of those who answer, by name; see `settling.decide`. None: as their answers so far show.
        strict: whether one vote that cannot be recorded keeps all of them out; otherwise its receipt says why.

    Raises:
        VoteError: with `strict`, for the first vote that cannot be recorded; nothing is recorded then.
    """
    return cast_all(engine, [(person, adjudicator, one) for one in votes], rules, names, accuracy, strict=strict)


def cast_all(
    engine: Engine,
    votes: Sequence[tuple[str, bool, Vote]],
    rules: PeopleConfig,
    names: Collection[str],
    accuracy: Mapping[str, float] | None = None,
    *,
    strict: bool = False,
) -> list[Receipt]:
    """Record the votes of several people in one transaction: (person, whether they adjudicate, vote) each."""

    return write_in_turn(engine, lambda connection: cast_in(connection, votes, rules, names, accuracy, strict=strict))


def cast_in(
    connection: Connection,
    votes: Sequence[tuple[str, bool, Vote]],
    rules: PeopleConfig,
    names: Collection[str],
    accuracy: Mapping[str, float] | None = None,
    *,
    strict: bool = False,
) -> list[Receipt]:
    """Do what `cast_all` does, within a transaction whose turn the caller has taken."""
    known = accuracy if accuracy is not None else lambda: lasting_accuracies(connection.engine, len(names))
    ballot_box = _BallotBox(connection, rules, names, known, strict)
    return [ballot_box.add(person, adjudicator, one) for person, adjudicator, one in votes]


@dataclass(frozen=True, slots=True)
class _BallotBox:
    """Records votes within a transaction."""

    connection: Connection
    rules: PeopleConfig
    names: Collection[str]
    accuracy: Mapping[str, float] | Callable[[], Mapping[str, float]]
    strict: bool

    def add(self, person: str, adjudicator: bool, vote: Vote) -> Receipt:
        if vote.answer == "none" and isinstance(self.names, SetNames):
            vote = replace(vote, answer="label", label=EMPTY)  # that no label applies is an answer
        before = self._vote(vote.id)
        if before is not None and (before.person, before.question) == (person, vote.question):
            return Receipt(vote.id, vote.question, "repeated", self._state(vote.question))
        question = self._question(vote.question)
        reason = self._mistake(vote, person, question, taken=before is not None)
        if reason is not None or question is None:
            if self.strict:
                raise VoteError(reason or "")
            return Receipt(vote.id, vote.question, "refused", "" if question is None else question.state, reason)
        if vote.answer == "undo":
            return self._undo(person, vote, question)
        return self._record(person, adjudicator, vote, question)

    def _record(self, person: str, adjudicator: bool, vote: Vote, question: Question) -> Receipt:
        gold = self._is_gold(person, question)
        late = not gold and question.state in ("settled", "used")
        role = "adjudicator" if adjudicator and question.state == "adjudicate" else "annotator"
        self._insert(person, role, vote, gold=gold, late=late)
        if gold or late:
            return Receipt(vote.id, question.number, "gold" if gold else "late", question.state)
        return Receipt(vote.id, question.number, "counted", self._settle(question))

    def _undo(self, person: str, vote: Vote, question: Question) -> Receipt:
        self._insert(person, "annotator", vote, gold=False, late=False)
        undone = self._vote(vote.undoes or "")
        apart = undone is not None and (undone.gold or undone.late)
        return Receipt(vote.id, question.number, "undone", question.state if apart else self._settle(question))

    def _mistake(self, vote: Vote, person: str, question: Question | None, *, taken: bool) -> str | None:
        """Say why a vote cannot be recorded; None if it can."""
        if taken:
            return f"vote {quoted(vote.id)}: is another vote's id; expected a new UUID for each vote"
        if question is None:
            return f"question {vote.question}: is not a question of this run; expected one that was asked"
        if vote.answer == "label" and isinstance(self.names, SetNames):
            if (mistake := self.names.mistake(vote.label or "")) is not None:
                return f"{question.id}: {mistake}"
        elif vote.answer == "label" and vote.label not in self.names:
            return (
                f"{question.id}: the label {quoted(vote.label or '')} is not valid; expected one of the task's labels"
            )
        if vote.answer not in ANSWERS:
            return f"{question.id}: the answer {quoted(vote.answer)} is not valid; expected one of {', '.join(ANSWERS)}"
        if len(vote.comment or "") > MOST_COMMENT:
            return (
                f"{question.id}: a comment of {len(vote.comment or ''):,} characters; expected at most {MOST_COMMENT:,}"
            )
        if vote.answer != "undo":
            return None
        undone = self._vote(vote.undoes or "")
        if undone is None or (undone.person, undone.question) != (person, vote.question):
            return f"{question.id}: there is no vote {quoted(vote.undoes or '')} of {person} to take back"
        if question.state == "used" and not undone.gold:
            return f"{question.id}: the run has used the answer, so it cannot be taken back any more"
        return None

    def _insert(self, person: str, role: str, vote: Vote, *, gold: bool, late: bool) -> None:
        seconds = None if vote.seconds is None else min(max(vote.seconds, 0.0), MOST_SECONDS)
        row = {
            "id": vote.id,
            "question": vote.question,
            "person": person,
            "role": role,
            "answer": vote.answer,
            "label": vote.label if vote.answer == "label" else None,
            "comment": vote.comment or None,
            "seconds": seconds,
            "shown": None if vote.shown is None else json.dumps(list(vote.shown), ensure_ascii=False),
            "via": vote.via,
            "gold": gold,
            "late": late,
            "undoes": vote.undoes,
            "answered_at": vote.answered_at,
            "created_at": now(),
        }
        self.connection.execute(insert(tables.votes), row)
        if vote.answer != "undo":
            self.connection.execute(_GIVE_BACK, {"number": vote.question, "who": person})

    def _settle(self, question: Question) -> str:
        """Bring the question's state to what its votes say, and return it."""
        every = [stored_vote(row) for row in self.connection.execute(_VOTES_ON, {"number": question.number})]
        counting = [one for one in every if not one.gold and not one.late]
        taken_back = {one.vote.undoes for one in counting}
        left = [one for one in counting if one.vote.id not in taken_back]
        ballots = [Ballot(one.person, one.vote.label, _role(one.role)) for one in current(left)]
        top = question.candidates[0].label if question.candidates else None
        decision = self._decide(ballots, question, top)
        settled = {"label": decision.label, "settled_by": decision.by, "updated_at": now()}
        values = {"state": decision.state, "needed": decision.needed, "votes": len(ballots), **settled}
        self.connection.execute(_CHANGE, {"number": question.number, **values})
        self._establish(question, decision, ballots[-1].person if ballots else "")
        return decision.state

    def _decide(self, ballots: Sequence[Ballot], question: Question, top: str | None) -> Decision:
        rules, twice, elsewhere = self.rules, question.twice, self._elsewhere(question)
        if isinstance(self.names, SetNames):
            return decide_sets(ballots, rules, self.names, top=top, twice=twice, elsewhere=elsewhere)
        k, accuracy = len(self.names), self.accuracy
        return decide(ballots, rules, top=top, twice=twice, classes=k, accuracy=accuracy, elsewhere=elsewhere)

    def _elsewhere(self, question: Question) -> int:
        """How many people answered an earlier question about the document, so that they are not asked this one."""
        return answered_elsewhere(self.connection, question.document.id, question.number) if question.attempt > 1 else 0

    def _establish(self, question: Question, decision: Decision, who: str) -> None:
        """Keep the answer that an adjudicator gave as gold, which measures people who have not seen the question."""
        self.connection.execute(_NOT_GOLD, {"number": question.number})
        if decision.by == "adjudicator" and decision.label is not None:
            row = {"question": question.number, "label": decision.label, "who": who, "created_at": now()}
            self.connection.execute(insert(tables.gold), row)

    def _is_gold(self, person: str, question: Question) -> bool:
        """Whether a vote measures the person: the answer is established, and they did not take part in it."""
        if question.state not in ("settled", "used"):
            return False
        known = select(tables.gold.c.question).where(tables.gold.c.question == question.number)
        said = select(tables.votes.c.id).where(tables.votes.c.question == question.number)
        mine = said.where(tables.votes.c.person == person, ~tables.votes.c.gold).limit(1)
        return self.connection.scalar(known) is not None and self.connection.scalar(mine) is None

    def _vote(self, id: str) -> "Row[tuple[object, ...]] | None":
        return self.connection.execute(_VOTE, {"vote": id}).first()

    def _state(self, number: int) -> str:
        states = tables.question_states.c
        return str(self.connection.scalar(select(states.state).where(states.question == number)) or "")

    def _question(self, number: int) -> Question | None:
        row = self.connection.execute(_QUESTION, {"number": number}).first()
        return None if row is None else question_of(row)


# The statements of each vote are built once: to build one takes longer than to run it.
_NUMBER = bindparam("number", type_=Integer)
_VOTE = select(tables.votes).where(tables.votes.c.id == bindparam("vote", type_=String))
_VOTES_ON = select(tables.votes).where(tables.votes.c.question == _NUMBER).order_by(tables.votes.c.position)
_QUESTION = select(*QUESTION).select_from(ASKED).where(tables.questions.c.position == _NUMBER)
_CHANGE = update(tables.question_states).where(tables.question_states.c.question == _NUMBER)
_NOT_GOLD = delete(tables.gold).where(tables.gold.c.question == _NUMBER)
_GIVE_BACK = delete(tables.leases).where(
    tables.leases.c.question == _NUMBER, tables.leases.c.person == bindparam("who", type_=String)
)


def _role(role: str) -> Literal["annotator", "adjudicator"]:
    return "adjudicator" if role == "adjudicator" else "annotator"
