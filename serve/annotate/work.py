"""What the routes do: the wire's values in, JSON out."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from laud_ray.label_sets import LabelSet
from laud_ray.people.cost import spent_line
from laud_ray.people.figures import lasting_accuracies
from laud_ray.people.groups import groups
from laud_ray.people.history import answered_by, latest
from laud_ray.people.leases import Lease, give_back_in, renew_in, take_in
from laud_ray.people.progress import progress
from laud_ray.people.questions import id_of, number_of, questions
from laud_ray.people.tokens import Person
from laud_ray.people.votes import Receipt, Vote, cast_in, votes
from laud_ray.store.run import is_held
from laud_ray.store.updates.generations import is_open
from laud_ray.store.updates.proposals import undecided
from serve.annotate import answers, proposals
from serve.annotate.desk import Desk, Opened
from serve.annotate.examples import Examples
from serve.annotate.faults import as_faults, too_slow
from serve.annotate.wire import DecisionIn, HeldIn, NextIn, VoteIn, VotesIn
from serve.schemas import FaultError

T = TypeVar("T")
# For how long a request waits for the database before the page is told to send it again.
WAIT_S = 10.0
# For how long what is counted for everybody stays.
FRESH_S = 1.0
PAST = 20


@dataclass(slots=True)
class Kept:
    """Something that is counted for everybody, at most once in a while."""

    at: float = float("-inf")
    run: str = ""
    value: dict[str, Any] = field(default_factory=dict)


class Work:
    """What is asked of one desk. `people` answers at it."""

    def __init__(self, desk: Desk, *, anonymous: bool) -> None:
        """Make one.

        Args:
            anonymous: whether there are no tokens, so that everybody is the same person.
        """
        self._desk, self._anonymous = desk, anonymous
        self._progress, self._examples = Kept(), Examples()

    async def me(self, person: Person) -> dict[str, Any]:
        return await self._look(lambda run: answers.me(run, person, anonymous=self._anonymous))

    async def labels(self) -> dict[str, Any]:
        return await self._look(answers.labels)

    async def nodes(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """Nodes of a taxonomy: those that `find` finds; those that lead to `at`; or those below `under`, or at the top.

        Raises:
            FaultError: 404 where there is no taxonomy or no such node, 422 if `from` is not a number.
        """
        return await self._look(lambda run: answers.nodes(run, asked))

    async def next(self, person: Person, asked: NextIn) -> dict[str, Any]:
        run = await self._checked(asked.run)
        leases = await self._write(lambda connection: _take(connection, run, person, asked.holder, asked.n))
        return {"questions": await self._shown(run, leases)}

    async def votes(self, person: Person, given: VotesIn) -> dict[str, Any]:
        """Record answers and, in the same transaction, fetch the next questions."""
        run = await self._checked(given.run)
        cast = [(person.name, person.adjudicates, _vote(one)) for one in given.votes]

        def record(connection: Connection) -> tuple[list[Receipt], list[Lease]]:
            receipts = cast_in(connection, cast, run.rules, run.names)
            taken = _take(connection, run, person, given.holder, given.next) if given.next else []
            return receipts, taken

        receipts, leases = await self._write(record)
        if all(one.outcome == "refused" for one in receipts):
            raise FaultError(422, "invalid", receipts[0].reason or "the answer cannot be recorded")
        return {"receipts": [answers.receipt(one) for one in receipts], "questions": await self._shown(run, leases)}

    async def renew(self, person: Person, asked: HeldIn) -> dict[str, Any]:
        run = await self._checked(asked.run)
        numbers, seconds = _numbers(asked.questions), run.rules.lease
        held = await self._write(lambda connection: renew_in(connection, person.name, numbers, seconds=seconds))
        return {"held": [id_of(number) for number in held]}

    async def release(self, person: Person, asked: HeldIn) -> dict[str, Any]:
        await self._checked(asked.run)
        numbers = _numbers(asked.questions)
        await self._write(lambda connection: give_back_in(connection, person.name, numbers))
        return {"released": len(numbers)}

    async def progress(self, person: Person) -> dict[str, Any]:
        """How far everybody is, and how many answers the person gave."""

        def count(run: Opened) -> dict[str, Any]:
            kept = self._progress
            if kept.run != run.id or time.monotonic() - kept.at > FRESH_S:
                self._progress = kept = Kept(time.monotonic(), run.id, _progress(run))
            if run.rules.team > 1:
                # Here, so that the thread that writes finds it when answers differ.
                lasting_accuracies(run.engine, len(run.names))
            mine = {"mine": answered_by(run.engine, person.name), "labels": run.labels}
            return {**kept.value, **mine, "proposals": kept.value["proposals"] if person.adjudicates else 0}

        return await self._look(count)

    async def proposals(self, person: Person) -> dict[str, Any]:
        """The labels that an update proposes, for those who may decide about them."""
        if not person.adjudicates:
            return {"proposals": []}
        return await self._look(lambda run: {"proposals": proposals.shown(undecided(run.engine))})

    async def decide(self, person: Person, asked: DecisionIn) -> dict[str, Any]:
        """Accept, merge or refuse a proposed label.

        Raises:
            FaultError: 403 if the person may not decide; see `proposals.decide`.
        """
        if not person.adjudicates:
            raise FaultError(403, "forbidden", "an annotator decides about no labels; expected an adjudicator or owner")
        await self._checked(asked.run)
        said = await run_in_threadpool(proposals.decide, self._desk.path, asked)
        self._desk.changed()
        self._progress = Kept()
        return {"said": said, **await self.proposals(person)}

    async def history(self, person: Person) -> dict[str, Any]:
        def find(run: Opened) -> dict[str, Any]:
            given = latest(run.engine, person.name, PAST)
            return {"answers": [answers.past(run, vote, asked) for vote, asked in given]}

        return await self._look(find)

    async def examples(self, id: str) -> dict[str, Any]:
        number = number_of(id)

        def find(run: Opened) -> dict[str, Any]:
            asked = questions(run.engine, numbers=[number]) if number is not None else []
            if not asked:
                raise FaultError(404, "unknown_question", f"question: {id!r} is not a question of this run")
            return self._examples.near(run, asked[0])

        return await self._look(find)

    async def _checked(self, run: str | None) -> Opened:
        found = self._desk.at_hand
        if found is not None and run in (None, found.id):
            return found
        return await run_in_threadpool(self._desk.check, run)

    async def _look(self, work: Callable[[Opened], T]) -> T:
        return await run_in_threadpool(self._desk.look, work)

    async def _write(self, job: Callable[[Connection], T]) -> T:
        future: Future[T] = self._desk.write(job)
        # What is not waited for any more is done all the same: the page sends it again, and it is the same vote.
        done, _ = await asyncio.wait({asyncio.wrap_future(future)}, timeout=WAIT_S)
        if not done:
            raise too_slow(WAIT_S)
        with as_faults():
            return done.pop().result()

    async def _shown(self, run: Opened, leases: Sequence[Lease]) -> list[dict[str, Any]]:
        """The questions as the page gets them; where people differ, with what they answered."""
        disputed = [one.question.number for one in leases if one.question.state == "adjudicate"]
        if not disputed:
            return answers.questions(run, leases, {})
        given = await self._look(lambda run: votes(run.engine, disputed))
        by_question = {number: [one for one in given if one.vote.question == number] for number in disputed}
        return answers.questions(run, leases, by_question)


def _take(connection: Connection, run: Opened, person: Person, holder: str, n: int) -> list[Lease]:
    return take_in(
        connection,
        person.name,
        n,
        seconds=run.rules.lease,
        holder=holder,
        adjudicator=person.adjudicates,
        rules=run.rules,
    )


def _vote(one: VoteIn) -> Vote:
    return Vote(
        one.id.lower(),
        number_of(one.question) or 0,
        one.answer,
        one.label if one.labels is None else LabelSet.of(one.labels).text,
        one.comment,
        one.seconds,
        None if one.shown is None else tuple(one.shown),
        one.via,
        one.answered_at,
        None if one.undoes is None else one.undoes.lower(),
    )


def _numbers(ids: Sequence[str]) -> list[int]:
    return [number for one in ids if (number := number_of(one)) is not None]


def _progress(run: Opened) -> dict[str, Any]:
    store = run.folder.store
    history = store.history()
    over, updating = spent_line(run.engine, run.rules), is_open(run.engine)
    proposed = len(undecided(run.engine))
    found = progress(
        groups(run.engine),
        run.rules,
        history,
        working=is_held(run.folder),
        stop_reason=None if updating else store.stop_reason(),
        command="laud update" if updating else "laud run",
        over=None if over is None else f"{over[0].upper()}{over[1:]}.",
        proposals=proposed,
    )
    return {**asdict(found), "proposals": proposed}
