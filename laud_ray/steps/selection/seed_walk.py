"""LAUD's initialization: walk down each class's zero-shot ranking until enough of it is confirmed.

arXiv 2511.14738. Balanced by construction, so training never starts from a random and one-sided sample.
"""

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from laud_ray.config import RunConfig
from laud_ray.data.near_duplicates import NearDuplicates
from laud_ray.store.store import Answered, Query
from laud_ray.types import Document, Floats, Indices

# So many documents over all classes' rankings: a few seconds to embed, when neighbours are looked for.
CANDIDATES = 4000
# Classes named in one line.
SAID = 5


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


class Nearness(Protocol):
    """Ranks the documents that the walk may ask about by how near they are to confirmed ones."""

    def ranking(self, name: str, confirmed: Sequence[Document]) -> Iterator[Query]:
        """Yield the candidates, the nearest to any of those confirmed as `name` first."""
        ...


@dataclass(frozen=True, slots=True)
class Sought:
    """What the walk made of a class: `found` documents of it, by whichever query, and `queries` made for it."""

    name: str
    found: int
    queries: int


def seed_cap(config: RunConfig) -> int:
    """How many queries the walk may make: what it is given, or what the budget holds if that is less."""
    return min(config.init.max_queries, config.budget.annotations)


def ranking_depth(classes: int, max_queries: int) -> int:
    """How many documents of each class's ranking the walk may need, and its neighbours be looked for in."""
    return max(min(max_queries, max(20, -(-4 * max_queries // classes))) + 10, CANDIDATES // classes)


def next_wave(
    rankings: Sequence[Sequence[Query]],
    asked: Sequence[Answered],
    names: Sequence[str],
    *,
    per_class: int,
    cap: int,
    nearness: Nearness | None = None,
) -> list[Query]:
    """Return the next queries of the walk: for each class what it still lacks; empty when it is over.

    A function of what was asked and answered alone, so that a restart walks on where the crash was.
    Near-duplicates of what was asked are passed over. Every answer counts for the class it names,
    whichever ranking it came from. No ranking is walked further than an even share of `cap`, so that
    a class that cannot be found does not eat what the others need.

    Where zero-shot is bad at a class, what is near one confirmed document of it is likelier another than what
    comes next in the ranking; where it has several kinds, only the ranking leads to the next kind. So with
    nearness, and once one is confirmed, the walk takes from both in turn.

    Args:
        rankings: for each class its documents, most probable first.
        cap: queries that may be made in all, those in `asked` included.
    """
    seen_ids = {answer.query.document.id for answer in asked}
    seen = NearDuplicates(answer.query.document.text for answer in asked)
    wave: list[Query] = []
    share = max(per_class, cap // len(names))
    for name, ranking in zip(names, rankings, strict=True):
        confirmed = [answer.query.document for answer in asked if answer.label == name]
        lacking = per_class - len(confirmed)
        if lacking <= 0:
            continue
        made = [answer.query for answer in asked if answer.query.sought == name]
        by_nearness = {query.document.id for query in made if query.walk == "nearness"}
        walk = _Walk(ranking, len(by_nearness), by_nearness)
        near = nearness.ranking(name, confirmed) if nearness is not None and confirmed else iter(())
        turn = len(made)
        while lacking > 0 and walk.tried < share and len(asked) + len(wave) < cap:
            query = _first(near, seen_ids, seen) if turn % 2 else None
            query = query or walk.next(seen_ids, seen, share)
            if query is None and walk.tried < share:
                query = _first(near, seen_ids, seen)
            if query is None:
                break
            walk.tried += 1
            wave.append(query)
            seen_ids.add(query.document.id)
            seen.add(query.document.text)
            lacking, turn = lacking - 1, turn + 1
    return wave


class _Walk:
    """The way down one class's ranking. What was asked on it counts as tried, for whichever class it was asked."""

    def __init__(self, ranking: Sequence[Query], tried: int, counted: Container[str]) -> None:
        self.tried, self._counted = tried, counted
        self._rest = iter(ranking)

    def next(self, seen_ids: Container[str], seen: NearDuplicates, share: int) -> Query | None:
        """Return the next that may be asked about; None at the end or when the share is tried."""
        for query in self._rest:
            if query.document.id in seen_ids:
                self.tried += query.document.id not in self._counted
            elif query.document.text not in seen:
                return query
            if self.tried >= share:
                return None
        return None


def _first(queries: Iterator[Query], seen_ids: Container[str], seen: NearDuplicates) -> Query | None:
    fresh = (query for query in queries if query.document.id not in seen_ids and query.document.text not in seen)
    return next(fresh, None)


def outcome(asked: Sequence[Answered], names: Sequence[str]) -> tuple[Sought, ...]:
    """Say for each class what the walk came to, from the seed queries."""
    found = Counter(answer.label for answer in asked)
    made = Counter(answer.query.sought for answer in asked)
    return tuple(Sought(name, found[name], made[name]) for name in names)


def shortfall(sought: Sequence[Sought], per_class: int) -> str | None:
    """Say in a line which classes were not found, or not often enough, in how many queries; None if all were."""
    none = [f"{one.name!r} in {_queries(one)}" for one in sought if not one.found]
    few = [f"{one.name!r} {one.found} of {per_class} in {_queries(one)}" for one in sought if 0 < one.found < per_class]
    parts = [("not found: ", none), ("found too seldom: ", few)]
    return "; ".join(start + _some(which) for start, which in parts if which) or None


def nothing_to_learn(sought: Sequence[Sought], learned: Container[str]) -> str | None:
    """Say why no model can be trained: fewer than two classes have an example; None if one can.

    A model that knows one class would give it to every document: of a rare class that looks accurate and is worthless.

    Args:
        learned: the labels of the examples, those that people gave as feedback too.
    """
    known = [one.name for one in sought if one.name in learned]
    if len(known) > 1:
        return None
    missing = _some([f"{one.name!r} was not found in {_queries(one)}" for one in sought if one.name not in learned])
    alone = f"every example is {known[0]!r}" if known else "no answer names a label"
    return f"seed: {missing}; {alone}, so there is nothing to learn from: no model was trained, zero-shot stays"


def not_found(asked: Sequence[Answered], names: Sequence[str]) -> tuple[str, ...]:
    """The classes that no answer has named."""
    found = {answer.label for answer in asked}
    return tuple(name for name in names if name not in found)


def _queries(one: Sought) -> str:
    return "1 query" if one.queries == 1 else f"{one.queries} queries"


def _some(parts: Sequence[str]) -> str:
    """Join the first of many."""
    more = len(parts) - SAID
    return ", ".join(parts[:SAID]) + (f" and {more} more classes" if more > 0 else "")


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
                sought=name,
                walk="ranking",
            )
        )
    return rankings
