"""Record answers that were given elsewhere as votes: all of them or none, and the same ones again change nothing."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from laud_ray.config import PeopleConfig
from laud_ray.errors import CorpusError
from laud_ray.people.exchange.identity import vote_id
from laud_ray.people.questions import Question
from laud_ray.people.votes import Answer, Receipt, StoredVote, Vote, VoteError, cast_all, current, votes
from laud_ray.printable import quoted


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that somebody gave elsewhere.

    Attributes:
        place: where it was found, for messages: a file and row, or a task of a project.
        id: the UUID of the vote; the same one is recorded once.
        answer: label, unsure or none.
        shown: the labels that were suggested; None where none were.
        seconds: of active time.
    """

    place: str
    id: str
    person: str
    question: int
    answer: Answer
    label: str | None = None
    comment: str | None = None
    seconds: float | None = None
    shown: tuple[str, ...] | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many answers were recorded, and how.

    Attributes:
        counted: count as a vote; `changed` of them replace an earlier answer of the same person.
        repeated: were recorded before.
        replaced: were recorded before, and the person has given another answer since, which stays.
        late: came after their question was settled; they are kept, and change nothing.
        checks: measure a person on a question whose answer is established.
    """

    counted: int = 0
    changed: int = 0
    repeated: int = 0
    replaced: int = 0
    late: int = 0
    checks: int = 0


def record(
    engine: Engine,
    given: Sequence[Given],
    questions: Mapping[int, Question],
    rules: PeopleConfig,
    names: Collection[str],
    *,
    via: str,
    adjudicator: bool = False,
) -> Recorded:
    """Record answers in one transaction.

    A person who answers a question again takes the earlier answer back, as long as the run has not used it.

    Args:
        questions: the run's, by number.
        names: what an answer may be, see `sets.names_of`.
        via: how they were given: file or label-studio.
        adjudicator: whether they decide where votes differ.

    Raises:
        CorpusError: if one of them cannot be recorded; then none is.
    """
    before = votes(engine, {one.question for one in given})
    known = {one.vote.id: one for one in before}
    mine = {(one.vote.question, one.person): one for one in current(before)}
    repeated = replaced = 0
    changes: set[str] = set()
    ballots: list[tuple[str, bool, Vote]] = []
    for one in given:
        earlier = mine.get((one.question, one.person))
        if one.id in known:
            _require_same(one, known[one.id])
            stands = earlier is not None and earlier.vote.id == one.id
            repeated, replaced = repeated + stands, replaced + (not stands)
            continue
        if earlier is not None:
            changes.add(one.id)
            if questions[one.question].state == "settled" and not earlier.late and not earlier.gold:
                undo = Vote(vote_id("undo", earlier.vote.id, one.id), one.question, "undo", undoes=earlier.vote.id)
                ballots.append((one.person, adjudicator, undo))
        ballots.append((one.person, adjudicator, _vote(one, via)))
    receipts = _cast(engine, ballots, rules, names)
    outcomes = Counter(one.outcome for one in receipts)
    return Recorded(
        counted=outcomes["counted"],
        changed=sum(one.outcome == "counted" and one.id in changes for one in receipts),
        repeated=repeated + outcomes["repeated"],
        replaced=replaced,
        late=outcomes["late"],
        checks=outcomes["gold"],
    )


def _vote(one: Given, via: str) -> Vote:
    return Vote(
        one.id,
        one.question,
        one.answer,
        one.label,
        one.comment,
        one.seconds,
        one.shown,
        via=via,
        answered_at=one.answered_at,
    )


def _require_same(one: Given, stored: StoredVote) -> None:
    """Refuse an answer whose id is that of another one."""
    old = stored.vote
    if (stored.person, old.question, old.answer, old.label) != (one.person, one.question, one.answer, one.label):
        raise CorpusError(
            f"{one.place}: the id {quoted(one.id)} is that of another recorded answer; expected a new UUID, or no id"
        )


def _cast(
    engine: Engine,
    ballots: Sequence[tuple[str, bool, Vote]],
    rules: PeopleConfig,
    names: Collection[str],
) -> list[Receipt]:
    if not ballots:
        return []
    try:
        return cast_all(engine, ballots, rules, names, strict=True)
    except VoteError as error:
        raise CorpusError(f"{error}; nothing was recorded") from None
