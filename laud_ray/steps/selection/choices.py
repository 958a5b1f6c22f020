"""What `auto` decides by, and where its choices are kept."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from laud_ray.query.auto import Batch, Choice, Evidence
from laud_ray.store.store import Answered, Store
from laud_ray.types import RoundResult

_KEY = "choice of round {}"


def evidence(result: RoundResult, knows: float | None, asked: Sequence[Answered], names: Sequence[str]) -> Evidence:
    """Collect what speaks for one way of asking or another after a round.

    Args:
        result: of the round.
        knows: how well its model's confidence tells its errors, as in Evidence.
        asked: the seed and the queries of earlier rounds, answered.
    """
    batches: dict[int, list[Answered]] = {}
    for one in asked:
        if one.purpose == "query" and one.label is not None:
            batches.setdefault(one.round, []).append(one)
    return Evidence(
        counts=[sum(one.label == name for one in asked) for name in names],
        errors=1 - result.figures.accuracy.value,
        knows=knows,
        batches=[
            Batch(len(batch), sum(one.label != one.query.predicted for one in batch))
            for _, batch in sorted(batches.items())
        ],
    )


def kept(store: Store, round: int) -> Choice | None:
    """The choice that was made after a round; None before."""
    made = store.setting(_KEY.format(round))
    return None if made is None else Choice(**json.loads(made))


def keep(store: Store, round: int, choice: Choice) -> None:
    """Record a choice, so that the report can say what was done and why."""
    store.set(_KEY.format(round), json.dumps(asdict(choice)))
