"""What a change of the labels leaves to ask about, from the answers so far: a leaf of a taxonomy, or a flat label."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from laud_ray.config import RunConfig
from laud_ray.store.store import Answered, Store
from laud_ray.store.versions.record import LEAVES, History, history, outstanding


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf that a change made new, or moved.

    Attributes:
        name: its path, or the name of a flat label.
        since: the first round of the version that brought it.
        older: whether answers of earlier rounds count for it. Those at a moved leaf were given for another place.
    """

    name: str
    since: int
    older: bool

    def confirmed(self, one: Answered) -> bool:
        """Whether an answer is this leaf."""
        return one.label == self.name and (self.older or one.round >= self.since)

    def tried(self, one: Answered) -> bool:
        """Whether a query was made to find documents of this leaf."""
        return one.query.sought == self.name and one.round >= self.since


@dataclass(frozen=True, slots=True)
class Since:
    """Where a run stands after the last change of its labels.

    Attributes:
        round: the first round whose model is trained with the version in force.
        ended: whether the run had ended before.
        leaves: the number of leaves that are still to be asked about after the round in question.
    """

    round: int
    ended: bool
    leaves: int


def since(store: Store, round: int) -> Since | None:
    """Return where a run stands after a round; None if its labels have never changed."""
    found = history(store.engine)
    if found is None:
        return None
    return Since(found.current.round, found.current.ended, len(leaves_after(store, round)))


def first_round(store: Store) -> int:
    """Return the first round whose model knows the labels of today: 0 if they have never changed."""
    found = history(store.engine)
    return 0 if found is None else found.current.round


def leaves_after(store: Store, round: int) -> tuple[str, ...]:
    """Return the leaves that are asked about after a round, as recorded by `record`."""
    recorded = store.setting(LEAVES.format(round))
    return () if recorded is None else tuple(json.loads(recorded))


def record(store: Store, config: RunConfig, round: int) -> tuple[str, ...]:
    """Decide which leaves are asked about after a round, and record it, so that a restart asks about the same.

    None are if the questions of the round before, which had such leaves, found no further documents.
    """
    found = history(store.engine)
    if found is None or round < found.current.round:
        return ()
    if store.setting(LEAVES.format(round)) is None:
        exhausted = (
            round > found.current.round and leaves_after(store, round - 1) and not store.queries("query", round - 1)
        )
        leaves = [] if exhausted else [one.name for one in lacking(found, asked_for_training(store), config)]
        store.set(LEAVES.format(round), json.dumps(leaves, ensure_ascii=False))
    return leaves_after(store, round)


def asked_for_training(store: Store) -> list[Answered]:
    """Return the seed and all queries."""
    return [*store.queries("seed"), *store.queries("query")]


def changed_leaves(found: History) -> list[Leaf]:
    """Return the leaves that the changes so far made new, or moved."""
    return [Leaf(*one) for one in outstanding(found)]


def wanted(asked: Sequence[Answered], leaves: Sequence[Leaf], config: RunConfig) -> int:
    """Return how many documents are wanted of a changed leaf: as many as other leaves have, on average.

    It is at least init.per_class.
    """
    names = {leaf.name for leaf in leaves}
    counts = Counter(one.label for one in asked if one.label is not None and not one.unclear)
    others = [n for label, n in counts.items() if label not in names]
    return max(config.init.per_class, round(sum(others) / len(others)) if others else 0)


def share(leaves: int, each: int, config: RunConfig) -> int:
    """Return the most queries that are made to find documents of a changed leaf."""
    return max(each, min(config.init.max_queries, config.budget.annotations) // max(leaves, 1))


def lacking(found: History, asked: Sequence[Answered], config: RunConfig) -> list[Leaf]:
    """Return the changed leaves that have fewer documents than wanted, and whose share of queries is not used up."""
    leaves = changed_leaves(found)
    each = wanted(asked, leaves, config)
    most = share(len(leaves), each, config)
    told, made = defaultdict[str | None, list[Answered]](list), defaultdict[str | None, list[Answered]](list)
    for one in asked:
        told[one.label].append(one)
        made[one.query.sought].append(one)
    return [
        leaf
        for leaf in leaves
        if sum(map(leaf.confirmed, told[leaf.name])) < each and sum(map(leaf.tried, made[leaf.name])) < most
    ]


def to_renew(found: History, asked: Sequence[Answered], n: int) -> list[str]:
    """Return at most n documents whose answers the change made unclear, in turn from each node that they are at.

    Documents that no label fitted come last, if one of the new leaves may.
    """
    groups = defaultdict[str | None, list[str]](list)
    for one in asked:
        if one.answered and one.unclear:
            groups[one.label].append(one.query.document.id)
    chosen = [name for turn in zip_longest(*groups.values()) for name in turn if name is not None]
    chosen += [
        one.query.document.id
        for one in asked
        if one.answered and one.label is None and not one.unclear and found.widened(one.version)
    ]
    return chosen[:n]
