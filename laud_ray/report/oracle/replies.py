"""Read the answers of each oracle of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Row, select

from laud_ray.config import LlmConfig, OracleConfig, PeopleConfig
from laud_ray.oracles.llm import oracle_prompt
from laud_ray.people.cost import spent
from laud_ray.people.questions import questions
from laud_ray.people.recorded import votes
from laud_ray.quality.oracles.answers import Reply
from laud_ray.report.oracle import calls as ledger
from laud_ray.report.oracle.calls import Calls
from laud_ray.report.oracle.members import CASCADE, TRUSTED, Member, at, members, priced, within
from laud_ray.store.database.connection import read
from laud_ray.store.run import RunFolder
from laud_ray.store.tables import annotations, queries, second_answers, second_queries


@dataclass(frozen=True, slots=True)
class Answered:
    """An oracle of a run with all its answers.

    Attributes:
        calls: of a language model; None for others, and for a model that shares its calls with another oracle.
        dollars: what everything cost; None if unknown.
        shares: the other oracle with the same model, whose calls the ledger does not tell from its own; or None.
    """

    member: Member
    replies: tuple[Reply, ...]
    calls: Calls | None
    dollars: float | None
    shares: str | None = None

    @property
    def of_sample(self) -> dict[str, Reply]:
        """The answers that count as those of the run for documents of the evaluation sample, by document."""
        return {one.document_id: one for one in self.replies if one.random and one.attempt == 1}


@dataclass(frozen=True, slots=True)
class _Recorded:
    """An answer in the database, and the place of the oracle that was asked."""

    document_id: str
    attempt: int
    where: str
    oracle: str
    label: str | None
    cost: float
    confidence: float | None
    random: bool


def read_answers(run: RunFolder) -> tuple[Answered, ...]:
    """Return the oracles of a run that gave answers, in the order of the configuration."""
    listed = members(run.config)
    recorded = _recorded(run)
    found = [_answered(run, listed, one, recorded) for one in listed]
    found = [_summed(one, found) if one.member.whole else one for one in found]
    return tuple(one for one in found if one.replies or one.calls is not None)


def _summed(whole: Answered, found: Sequence[Answered]) -> Answered:
    """Add up what the members of a cascade cost, where all their answers are a part of it."""
    inside = cascades(found)[whole.member.key]
    if any(not within(place, whole.member.key) for one in inside for place in one.member.places):
        return whole
    costs: dict[tuple[str, int], list[float | None]] = {}
    for one in inside:
        for reply in one.replies:
            costs.setdefault((reply.document_id, reply.attempt), []).append(reply.dollars)
    replies = tuple(
        replace(one, dollars=_sum(costs.get((one.document_id, one.attempt), [None]))) for one in whole.replies
    )
    return replace(whole, replies=replies, dollars=_sum([one.dollars for one in inside if one.replies or one.calls]))


def _sum(costs: Sequence[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _recorded(run: RunFolder) -> list[_Recorded]:
    """Return all answers: first those to the run's queries, then those to second questions."""
    sampled = queries.c.purpose == "evaluation"
    first = select(annotations, sampled.label("is_random")).select_from(
        annotations.join(queries, annotations.c.document_id == queries.c.document_id)
    )
    both = (second_answers.c.document_id == second_queries.c.document_id) & (
        second_answers.c.attempt == second_queries.c.attempt
    )
    second = select(second_answers, sampled.label("is_random")).select_from(
        second_answers.join(second_queries, both).join(queries, queries.c.document_id == second_answers.c.document_id)
    )
    whole, again = run.config.evaluation_oracle()[0], [where for where, _ in run.config.second_oracles()]

    def made(row: "Row[tuple[object, ...]]", attempt: int, where: str) -> _Recorded:
        return _Recorded(
            row.document_id, attempt, where, row.oracle, row.label, row.cost, row.confidence, bool(row.is_random)
        )

    engine = run.store.engine
    found = [
        made(row, 1, whole if row.is_random else "oracle")
        for row in read(engine, lambda c: c.execute(first.order_by(annotations.c.position)).all())
    ]
    for row in read(engine, lambda c: c.execute(second.order_by(second_answers.c.position)).all()):
        where = TRUSTED if row.is_random else again[min(row.attempt - 2, len(again) - 1)]
        found.append(made(row, row.attempt, where))
    return found


def _answered(run: RunFolder, listed: tuple[Member, ...], member: Member, recorded: Sequence[_Recorded]) -> Answered:
    """Return an oracle's answers, from the place where most is known of them."""
    mine = [one for one in recorded if _is_of(listed, member, one)]
    config = member.config
    plain = [
        Reply(
            one.document_id,
            one.label,
            one.label,
            "abstained" if one.label is None else "label",
            one.confidence,
            one.cost if priced(config) else None,
            random=one.random,
            attempt=one.attempt,
        )
        for one in mine
    ]
    if isinstance(config, LlmConfig):
        return _model(run, listed, member, recorded, plain)
    if isinstance(config, PeopleConfig):
        return _people(run, member, config)
    total = sum(one.cost for one in mine) if priced(config) else None
    return Answered(member, tuple(plain), None, total)


def _is_of(listed: tuple[Member, ...], member: Member, one: _Recorded) -> bool:
    if member.whole:
        return one.where in member.places
    return at(listed, one.where, one.oracle) == member


def _model(
    run: RunFolder, listed: tuple[Member, ...], member: Member, recorded: Sequence[_Recorded], plain: Sequence[Reply]
) -> Answered:
    """Read a model's answers from its calls.

    The calls of two oracles with one model differ in their prompts. If not, the answers are those that are recorded.
    """
    config = member.config
    assert isinstance(config, LlmConfig), "its name says so"
    calls = ledger.calls_of(run.store.engine, member.name)
    twins = [one for one in listed if one.name == member.name and one != member]
    if twins:
        versions = [_prompt_version(run, one.config) for one in (member, *twins)]
        if None in versions or versions[0] in versions[1:]:
            return Answered(member, tuple(plain), None, _sum([one.dollars for one in plain]), shares=twins[0].key)
        calls, plain = [one for one in calls if one.prompt_version == versions[0]], []
    known = ledger.is_priced(calls, config)
    random = {one.document_id: one.random for one in recorded}
    done = frozenset(random)
    found = ledger.replies(calls, config, done, priced=known, walks=run.config.task.kind == "taxonomy")
    told = {(one.document_id, one.attempt) for one in found}
    # A text that is cut to the same prompt as another has no call of its own.
    found += [one for one in plain if (one.document_id, one.attempt) not in told]
    asked = {a.query.document.id: a.purpose == "evaluation" for a in run.store.queries()} if found else {}
    replies = tuple(replace(one, random=asked.get(one.document_id, False)) for one in found)
    summed = ledger.summed(calls, priced=known)
    return Answered(member, replies, summed if calls else None, summed.dollars)


def _prompt_version(run: RunFolder, config: OracleConfig) -> str | None:
    """Return the version of a model's prompt; None if it depends on a tokenizer, as in this cluster."""
    assert isinstance(config, LlmConfig), "its name says so"
    return None if config.engine == "vllm" else oracle_prompt(config, run.config.task.to_task()).version


def _people(run: RunFolder, member: Member, rules: PeopleConfig) -> Answered:
    """Read people's settled answers, and the active time of the votes on each."""
    engine = run.store.engine
    taken: dict[int, list[float]] = {}
    for one in votes(engine):
        if not one.gold and one.vote.seconds is not None:
            taken.setdefault(one.vote.question, []).append(one.vote.seconds)
    replies = []
    for question in questions(engine, states=("settled", "used")):
        seconds = sum(taken[question.number]) if question.number in taken else None
        replies.append(
            Reply(
                question.document.id,
                question.label,
                question.label,
                "unsure" if question.label is None else "label",
                dollars=seconds * rules.hourly / 3600 if seconds is not None and rules.hourly else None,
                seconds=seconds,
                random=question.purpose == "evaluation",
                attempt=question.attempt,
            )
        )
    return Answered(member, tuple(replies), None, spent(engine, rules.hourly) if rules.hourly else None)


def cascades(found: Sequence[Answered]) -> Mapping[str, tuple[Answered, ...]]:
    """Return the members of each cascade by its key."""
    return {
        one.member.key: tuple(
            other
            for other in found
            if other is not one and any(within(place, one.member.key) for place in other.member.places)
        )
        for one in found
        if one.member.name == CASCADE
    }
