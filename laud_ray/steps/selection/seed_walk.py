"""LAUD's initialization: walk down each class's zero-shot ranking until enough documents of it are confirmed.

arXiv 2511.14738. The result is balanced, so training does not start from a random sample that misses rare classes.
"""

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from laud_ray.config import RunConfig
from laud_ray.data.near_duplicates import NearDuplicates
from laud_ray.label_sets import named
from laud_ray.passes.shortlists import predicted_in
from laud_ray.store.store import Answered, Query
from laud_ray.taxonomy.groups import MOST, Groups, groups_of
from laud_ray.types import Document, Floats, Indices, Task

# Documents in the rankings of all classes together. They are embedded in a few seconds to find neighbours.
CANDIDATES = 4000
# The most classes named in one line, and the word for them.
SAID, CLASSES = 5, "classes"
# Maps the label of an answer to the classes that it names.
Named: TypeAlias = Callable[[str | None], Collection[str]]


@dataclass(frozen=True, slots=True)
class ClassRanking:
    """Ranks documents by the probability of each class: one criterion for each class, or for each group of them.

    A query strategy for passes alone: their shortlists are the rankings that the seed walk uses.

    Attributes:
        groups: the g groups; None: each class is ranked by itself.
    """

    groups: Groups | None = None

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, g) utilities, or return them unchanged without groups."""
        return proba if self.groups is None else self.groups.sums(proba)

    def pick(self, pool: object, n: int, *, rng: np.random.Generator) -> Indices:
        raise NotImplementedError("a class ranking is walked down, not picked from")


class Nearness(Protocol):
    """Ranks the candidates of the walk by their similarity to confirmed documents."""

    def ranking(self, name: str, confirmed: Sequence[Document]) -> Iterator[Query]:
        """Yield the candidates, the nearest to any of those confirmed as `name` first."""
        ...


@dataclass(frozen=True, slots=True)
class Sought:
    """The result of the walk for a class.

    Attributes:
        found: documents with this answer, whichever class the query was made for.
        queries: queries that were made for this class.
    """

    name: str
    found: int
    queries: int


def one_label(label: str | None) -> tuple[str, ...]:
    """Return the class that an answer names; none of an abstention."""
    return () if label is None else (label,)


def naming(groups: Groups) -> Named:
    """Return the function that tells which classes an answer names: in a multilabel task those of a set."""
    return named if groups.independent else one_label


def seed_cap(config: RunConfig) -> int:
    """The most queries of the walk: init.max_queries, or the whole budget if that is less."""
    return min(config.init.max_queries, config.budget.annotations)


def sought_groups(task: Task, config: RunConfig) -> Groups:
    """Return the groups of classes that the seed walk looks for.

    In a taxonomy these are the nodes of the deepest level for which its queries can be enough. The leaves below are
    known by their names.
    """
    return groups_of(task, min(MOST, max(seed_cap(config) // max(config.init.per_class, 1), 2)))


def ranking_depth(classes: int, max_queries: int) -> int:
    """Return how many documents of each class's ranking the walk and the search for neighbours need."""
    return max(min(max_queries, max(20, -(-4 * max_queries // classes))) + 10, CANDIDATES // classes)


def next_wave(
    rankings: Sequence[Sequence[Query]],
    asked: Sequence[Answered],
    names: Sequence[str],
    *,
    per_class: int,
    cap: int,
    nearness: Nearness | None = None,
    growing: bool = False,
    named: Named = one_label,
) -> list[Query]:
    """Return the next queries of the walk: as many for each class as it lacks. Empty when the walk is over.

    With `growing`, a class that was not found gets twice as many in each wave, so that an oracle that takes long to
    answer is asked in few waves. That costs at most about as many queries as the class has had before.

    The result depends on the queries and answers so far alone, so that a restart resumes where the crash was.
    Near-duplicates of earlier queries are skipped. Every answer counts for the class that it names, whichever ranking
    it came from. Each ranking is limited to an even share of `cap`, so that a class that cannot be found does not use
    up the queries of the others.

    With `nearness`, and once a document of a class is confirmed, the walk alternates between the ranking and the
    nearest neighbours of confirmed documents. Neighbours find more documents where zero-shot is bad at a class; the
    ranking finds further kinds of documents in a varied class.

    Args:
        rankings: the queries for each class, most probable first.
        asked: the queries so far with their answers.
        per_class: documents to find for each class.
        cap: the most queries in all, those in `asked` included.
        growing: whether a wave has, for a class that lacks documents, more queries than the waves before together.
        named: maps an answer to the classes that it names.
    """
    seen_ids = {answer.query.document.id for answer in asked}
    seen = NearDuplicates(answer.query.document.text for answer in asked)
    wave: list[Query] = []
    found = [named(answer.label) for answer in asked]
    share = max(per_class, cap // len(names))
    for name, ranking in zip(names, rankings, strict=True):
        confirmed = [answer.query.document for answer, names_it in zip(asked, found, strict=True) if name in names_it]
        lacking = per_class - len(confirmed)
        if lacking <= 0:
            continue
        made = [answer.query for answer in asked if answer.query.sought == name]
        by_nearness = {query.document.id for query in made if query.walk == "nearness"}
        wanted = _growing(lacking, len(made), len(confirmed)) if growing else lacking
        walk = _Walk(ranking, len(by_nearness), by_nearness)
        near = nearness.ranking(name, confirmed) if nearness is not None and confirmed else iter(())
        turn = len(made)
        while wanted > 0 and walk.tried < share and len(asked) + len(wave) < cap:
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
            wanted, turn = wanted - 1, turn + 1
    return wave


def _growing(lacking: int, made: int, confirmed: int) -> int:
    """Return how many queries find what a class lacks at the rate so far, at most one more than were made for it."""
    return max(lacking, min(made + 1, -(-lacking * (made + 1) // (confirmed + 1))))


class _Walk:
    """Walks down the ranking of one class. Its documents that were asked about for other classes count as tried."""

    def __init__(self, ranking: Sequence[Query], tried: int, counted: Container[str]) -> None:
        self.tried, self._counted = tried, counted
        self._rest = iter(ranking)

    def next(self, seen_ids: Container[str], seen: NearDuplicates, share: int) -> Query | None:
        """Return the next query; None at the end of the ranking or when `share` queries are tried."""
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


def in_groups(asked: Sequence[Answered], groups: Groups) -> list[Answered]:
    """Return answers that name the groups which their labels are in; without one, they count as abstentions.

    The answers of a multilabel task are sets, which stay as they are.
    """
    if groups.independent:
        return list(asked)
    return [replace(one, label=groups.name_of(one.label)) for one in asked]


def outcome(asked: Sequence[Answered], names: Sequence[str], named: Named = one_label) -> tuple[Sought, ...]:
    """Count for each class the documents that the seed queries found."""
    found = Counter(name for answer in asked for name in named(answer.label))
    made = Counter(answer.query.sought for answer in asked)
    return tuple(Sought(name, found[name], made[name]) for name in names)


def shortfall(sought: Sequence[Sought], per_class: int, what: str = CLASSES) -> str | None:
    """Return one line with the classes that were not found, or not often enough; None if all were.

    `what` is the word for them, such as `branches`.

    Example:
        "not found: 'Tea' in 12 queries; found too seldom: 'Coffee' 1 of 3 in 9 queries"
    """
    none = [f"{one.name!r} in {_queries(one)}" for one in sought if not one.found]
    few = [f"{one.name!r} {one.found} of {per_class} in {_queries(one)}" for one in sought if 0 < one.found < per_class]
    parts = [("not found: ", none), ("found too seldom: ", few)]
    return "; ".join(start + _some(which, what) for start, which in parts if which) or None


def nothing_to_learn(
    sought: Sequence[Sought],
    learned: Set[str],
    named: Named = one_label,
    *,
    group_of: Callable[[str], str | None] = str,
    what: str = CLASSES,
) -> str | None:
    """Return the reason why no model can be trained: fewer than two classes have an example. None if one can.

    A model of one class would predict it for every document; if the other class is rare, that looks accurate and is
    worthless. The same holds for a model of one set of labels.

    Args:
        learned: the labels of the examples, those from feedback included.
        group_of: returns the name of `sought` to which a label belongs, in a taxonomy a branch.
        what: the word for these names.
    """
    if len(learned) > 1:
        return None
    known = [name for label in learned for name in named(label)]
    there = {group_of(name) for name in known}
    lacking = [f"{one.name!r} was not found in {_queries(one)}" for one in sought if one.name not in there]
    missing = _some(lacking, what)
    alone = f"every example is {'; '.join(known)!r}" if known else "no answer names a label"
    return f"seed: {missing}; {alone}, so no model can be trained and the zero-shot model stays current"


def not_found(asked: Sequence[Answered], names: Sequence[str], named: Named = one_label) -> tuple[str, ...]:
    """The classes that no answer has named."""
    found = {name for answer in asked for name in named(answer.label)}
    return tuple(name for name in names if name not in found)


def _queries(one: Sought) -> str:
    return "1 query" if one.queries == 1 else f"{one.queries} queries"


def _some(parts: Sequence[str], what: str) -> str:
    """Join the first SAID parts, and count the others."""
    more = len(parts) - SAID
    return ", ".join(parts[:SAID]) + (f" and {more} more {what}" if more > 0 else "")


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
                *predicted_in(row),
                sought=name,
                walk="ranking",
            )
        )
    return rankings
