"""LAUD's initialization: walk down each class's zero-shot ranking until enough of it is confirmed.

arXiv 2511.14738. Balanced by construction, so training never starts from a random and one-sided sample.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from laud_ray.query.near import NearDuplicates
from laud_ray.store import Answered, Query
from laud_ray.types import Document, Floats, Indices


@dataclass(frozen=True, slots=True)
class ClassRanking:
    """Ranks the documents of every class by its probability: one criterion for each of k classes.

    A strategy only as far as a pass needs one: its shortlists are the rankings that the seed walks down.
    """

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, k) utilities: themselves."""
        return proba

    def pick(self, pool: object, n: int, *, rng: np.random.Generator) -> Indices:
        raise NotImplementedError("a class ranking is walked down, not picked from")


def ranking_depth(classes: int, max_queries: int) -> int:
    """How many documents of each class's ranking the walk may need."""
    return min(max_queries, max(20, -(-4 * max_queries // classes))) + 10


def next_wave(
    rankings: Sequence[Sequence[Query]],
    asked: Sequence[Answered],
    names: Sequence[str],
    *,
    per_class: int,
    cap: int,
) -> list[Query]:
    """Return the next queries of the walk: for each class what it still lacks; empty when it is over.

    A function of what was asked and answered alone, so that a restart walks on where the crash was.
    Near-duplicates of what was asked are passed over. Every answer counts for the class it names,
    whichever ranking it came from. No ranking is walked further than an even share of `cap`, so that
    a class that cannot be found does not eat what the others need.

    Args:
        rankings: for each class its documents, most probable first.
        cap: queries that may be made in all, those in `asked` included.
    """
    confirmed = Counter(answer.label for answer in asked if answer.label is not None)
    seen_ids = {answer.query.document.id for answer in asked}
    seen = NearDuplicates(answer.query.document.text for answer in asked)
    wave: list[Query] = []
    share = max(per_class, cap // len(names))
    for name, ranking in zip(names, rankings, strict=True):
        lacking, tried = per_class - confirmed[name], 0
        for query in ranking:
            if lacking <= 0 or tried >= share or len(asked) + len(wave) >= cap:
                break
            tried += query.document.id in seen_ids
            if query.document.id in seen_ids or query.document.text in seen:
                continue
            tried += 1
            wave.append(query)
            seen_ids.add(query.document.id)
            seen.add(query.document.text)
            lacking -= 1
    return wave


def not_found(asked: Sequence[Answered], names: Sequence[str]) -> tuple[str, ...]:
    """The classes that no answer has named."""
    found = {answer.label for answer in asked}
    return tuple(name for name in names if name not in found)


def to_rankings(shortlist: pa.Table, names: Sequence[str]) -> list[list[Query]]:
    """Turn a shortlist by ClassRanking into one list of queries for each class."""
    rankings: list[list[Query]] = [[] for _ in names]
    for row in shortlist.to_pylist():
        name = names[row["criterion"]]
        place = len(rankings[row["criterion"]]) + 1
        rankings[row["criterion"]].append(
            Query(
                Document(row["id"], row["text"]),
                f"no. {place} for {name} ({row['utility']:.2f}) in the zero-shot ranking",
                row["top_labels"][0],
                row["top_probabilities"][0],
            )
        )
    return rankings
