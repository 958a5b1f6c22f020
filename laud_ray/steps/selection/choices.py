"""The evidence by which the strategy `auto` decides, and the record of its choices."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from laud_ray.query.auto import Batch, Choice, Evidence
from laud_ray.store.store import Answered, Store
from laud_ray.taxonomy.groups import Groups
from laud_ray.types import RoundResult

_KEY = "choice of round {}"


def evidence(result: RoundResult, confidence_auc: float | None, asked: Sequence[Answered], groups: Groups) -> Evidence:
    """Collect the evidence for the choice of a query strategy after a round.

    Args:
        result: the result of the round.
        confidence_auc: how well the round's model separates errors from correct answers by confidence; see Evidence.
        asked: the seed, and the queries of earlier rounds, with their answers.
        groups: the classes, or groups of them, whose annotations are counted.
    """
    found = Counter(groups.name_of(one.label) for one in asked)
    batches: dict[int, list[Answered]] = {}
    for one in asked:
        if one.purpose == "query" and one.label is not None:
            batches.setdefault(one.round, []).append(one)
    return Evidence(
        counts=[found[name] for name in groups.names],
        errors=1 - result.figures.accuracy.value,
        confidence_auc=confidence_auc,
        batches=[
            Batch(len(batch), sum(one.label != one.query.predicted for one in batch))
            for _, batch in sorted(batches.items())
        ],
    )


def recorded(store: Store, round: int) -> Choice | None:
    """Return the choice after a round, or None if it was not made yet."""
    made = store.setting(_KEY.format(round))
    return None if made is None else Choice(**json.loads(made))


def record(store: Store, round: int, choice: Choice) -> None:
    """Record a choice, so that a restart repeats it and the report shows it."""
    store.set(_KEY.format(round), json.dumps(asdict(choice)))
