"""The calls of a language model, as the ledger has them: what they cost, how long they took, and what they gave."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal, TypeAlias

import numpy as np
from sqlalchemy import Engine, select

from laud_ray.config import LlmConfig
from laud_ray.labels import UNSURE
from laud_ray.oracles.completions.confidence import decide
from laud_ray.oracles.trees.walk import ended
from laud_ray.quality.oracles.answers import Outcome, Reply
from laud_ray.store.database.connection import read
from laud_ray.store.tables import oracle_calls

State: TypeAlias = Literal["done", "failed", "begun"]


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A call of a language model.

    Attributes:
        question: the number of the question of the vote, from 0; only a taxonomy has several.
        state: `begun` is a call in flight, or one that was lost when its process died.
        label: a label, UNSURE, or None if its reply could not be parsed, or there is none.
        dollars: what it cost; its upper bound if it failed, or is lost, and may have been billed.
        seconds: from sending it to its reply; None if it has none, or an engine in this cluster answered a whole batch.
    """

    document_id: str
    vote: int
    state: State
    label: str | None
    confidence: float | None
    tokens: int
    dollars: float
    seconds: float | None
    prompt_version: str = ""
    question: int = 0


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of a language model in a run.

    Attributes:
        total: all calls; `answered` of them have a reply, `unread` of these could not be parsed.
        failed: calls without a reply, `billed` of which may have been charged nevertheless: refused ones are not.
        lost: calls in flight, or whose process died; they may have been charged.
        dollars: what all calls cost, those that may have been charged at their upper bound; None if unknown.
        uncertain: the part of `dollars` that is such an upper bound.
        median, slowest_tenth: of the seconds from sending a call to its reply; None without a reply.
    """

    total: int
    answered: int
    unread: int
    failed: int
    billed: int
    lost: int
    tokens: int
    dollars: float | None
    uncertain: float
    median: float | None
    slowest_tenth: float | None


def calls_of(engine: Engine, name: str) -> list[StoredCall]:
    """Return the calls of a model, named as in the ledger, in the order in which they were sent."""
    found = select(oracle_calls).where(oracle_calls.c.oracle == name).order_by(oracle_calls.c.position)
    rows = read(engine, lambda connection: connection.execute(found).all())
    return [
        StoredCall(
            row.document_id,
            row.vote,
            row.state,
            row.label if row.state == "done" else None,
            row.confidence,
            row.tokens,
            row.dollars,
            row.latency if row.state == "done" and row.engine != "vllm" else None,
            row.prompt_version,
            row.attempt // 2,
        )
        for row in rows
    ]


def is_priced(calls: Sequence[StoredCall], config: LlmConfig) -> bool:
    """Whether the dollars of the calls are known.

    A model without prices costs an unknown amount. A price may be added during a run: the cost of the calls before
    it is unknown too.
    """
    return config.priced and all(one.dollars > 0 for one in calls if one.tokens)


def summed(calls: Sequence[StoredCall], *, priced: bool) -> Calls:
    """Count the calls of a model."""
    states = Counter(one.state for one in calls)
    billed = [one for one in calls if one.state == "failed" and one.tokens]
    lost = [one for one in calls if one.state == "begun"]
    times = [one.seconds for one in calls if one.seconds is not None]
    return Calls(
        total=len(calls),
        answered=states["done"],
        unread=sum(one.state == "done" and one.label is None for one in calls),
        failed=states["failed"],
        billed=len(billed),
        lost=len(lost),
        tokens=sum(one.tokens for one in calls),
        dollars=sum(one.dollars for one in calls) if priced else None,
        uncertain=sum(one.dollars for one in (*billed, *lost)),
        median=float(np.median(times)) if times else None,
        slowest_tenth=float(np.quantile(times, 0.9)) if times else None,
    )


def replies(
    calls: Sequence[StoredCall], config: LlmConfig, done: frozenset[str], *, priced: bool, walks: bool = False
) -> list[Reply]:
    """Return the answers that a model's calls come to, one for each document and attempt.

    A document with too few votes is pending, and left out, unless it is among the `done`: the service refused it.

    Args:
        walks: whether a vote may have several questions, as those of a taxonomy.
    """
    grouped: dict[tuple[str, int], list[StoredCall]] = {}
    for one in calls:
        grouped.setdefault((one.document_id, one.vote // config.votes), []).append(one)
    found = (_reply(name, before, some, config, done, priced, walks) for (name, before), some in grouped.items())
    return [one for one in found if one is not None]


def _reply(
    name: str,
    before: int,
    calls: Sequence[StoredCall],
    config: LlmConfig,
    done: frozenset[str],
    priced: bool,
    walks: bool,
) -> Reply | None:
    said: dict[int, dict[int, StoredCall]] = {}
    for one in calls:
        if one.state == "done":
            said.setdefault(one.vote, {})[one.question] = one
    last = {vote: _vote(list(questions.values()), walks=walks) for vote, questions in said.items()}
    complete = len(last) == config.votes
    # A vote on a taxonomy may have further questions.
    if (walks or not complete) and name not in done:
        return None
    votes = [vote for _, vote in sorted(last.items())]
    made = Reply(
        name,
        None,
        None,
        "refused",
        dollars=sum(one.dollars for one in calls) if priced else None,
        seconds=sum(timed) if (timed := [one.seconds for one in calls if one.seconds is not None]) else None,
        attempt=before + 1,
    )
    if not votes:
        return made
    votes += [(None, None)] * (config.votes - len(votes))
    leaning, confidence = decide(votes, 0.0)
    label, _ = decide(votes, config.threshold)
    return replace(made, label=label, leaning=leaning, confidence=confidence, outcome=_outcome(votes, label, leaning))


def _vote(said: Sequence[StoredCall], *, walks: bool) -> tuple[str | None, float | None]:
    """Return what the answers to the questions of a vote come to: the label, and the confidence."""
    if not walks:
        return said[-1].label, said[-1].confidence
    known = [one.confidence for one in said if one.confidence is not None]
    return ended([one.label for one in said]), prod(known) if len(known) == len(said) else None


def _outcome(votes: Sequence[tuple[str | None, float | None]], label: str | None, leaning: str | None) -> Outcome:
    if label is not None:
        return "label"
    if leaning is not None:
        return "below"
    return "unsure" if any(said == UNSURE for said, _ in votes) else "unread"
