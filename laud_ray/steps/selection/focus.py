"""Choose documents that probably belong to leaves which a change of the taxonomy made new, or moved."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from laud_ray.data.near_duplicates import NearDuplicates
from laud_ray.steps.changed import Leaf
from laud_ray.steps.selection.seed_walk import next_wave, to_rankings
from laud_ray.store.store import Answered, Query
from laud_ray.types import Floats, Indices

# Criteria of a pass; further leaves have their turn in later rounds.
MOST_LEAVES = 1024
# The documents of a leaf's ranking beside those that may be asked about, of which some are near-duplicates.
SPARE = 20


@dataclass(frozen=True, slots=True)
class LeafRanking:
    """Ranks documents by the probability of each of some leaves: one criterion for each.

    A query strategy for passes alone: its shortlists are the rankings that `choose` walks down.

    Attributes:
        columns: (c,) the classes that the leaves are.
    """

    columns: tuple[int, ...]

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to the (n, c) of the leaves."""
        return proba[:, list(self.columns)]

    def pick(self, pool: object, n: int, *, rng: object) -> Indices:
        raise NotImplementedError("the ranking of a leaf is walked down, not picked from")


def ranking_of(leaves: Sequence[str], names: Sequence[str]) -> LeafRanking:
    """Return the criteria of the first MOST_LEAVES leaves, of the k classes of a task."""
    places = {name: i for i, name in enumerate(names)}
    return LeafRanking(tuple(places[leaf] for leaf in leaves[:MOST_LEAVES]))


def ranking_depth(batch: int) -> int:
    """Return how many documents a pass shortlists for each leaf."""
    return 2 * batch + SPARE


def choose(listed: pa.Table, leaves: Sequence[Leaf], asked: Sequence[Answered], each: int, n: int) -> list[Query]:
    """Return at most n queries for the leaves, in turn for each.

    It is the seed walk for these leaves alone: a leaf gets queries until as many documents are confirmed as other
    leaves have.

    Args:
        listed: the shortlist of a pass by `LeafRanking`.
        asked: the seed and all queries so far, with their answers.
        each: documents that are wanted of each leaf.
    """
    leaves, names = leaves[:MOST_LEAVES], [leaf.name for leaf in leaves[:MOST_LEAVES]]
    about = {leaf.name: leaf for leaf in leaves}
    seen = NearDuplicates(one.query.document.text for one in asked)
    rankings = [
        [replace(query, reason=_reason(query)) for query in ranking if query.document.text not in seen]
        for ranking in to_rankings(listed, names)
    ]
    told = [
        one
        for one in asked
        if ((leaf := about.get(one.label or "")) is not None and leaf.confirmed(one))
        or ((leaf := about.get(one.query.sought or "")) is not None and leaf.tried(one))
    ]
    cap = len(told) + n * max(len(names), 1)
    wave = next_wave(rankings, told, names, per_class=each, cap=cap, growing=True)
    return _in_turn(wave)[:n]


def _in_turn(wave: Sequence[Query]) -> list[Query]:
    """Return the first queries of each leaf, then the second ones, and so on."""
    made = Counter[str | None]()
    turns = []
    for query in wave:
        turns.append(made[query.sought])
        made[query.sought] += 1
    return [wave[i] for i in sorted(range(len(wave)), key=lambda i: turns[i])]


def _reason(query: Query) -> str:
    return f"may be {query.sought}, which is new or has moved"
