"""Compare two versions of a taxonomy: the answers that keep their meaning, and the nodes to ask about."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from laud_ray.labels import SHOWN
from laud_ray.printable import quoted
from laud_ray.taxonomy.matching import Match, match
from laud_ray.taxonomy.tree import Taxonomy


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences between two versions of a taxonomy. Pairs are (old node, new node).

    A pair may be renamed, moved and split at once; it is unchanged if it is none of these.

    Attributes:
        old: the earlier version.
        new: the later version.
        unchanged: nodes with the same name, below the same node. Their code may differ.
        renamed: nodes with another name.
        moved: nodes below another node, or at the top instead. What is below a moved node is not moved itself.
        split: old leaves that have nodes below them now.
        merged: old nodes that are gone, and whose answers belong to a new one: it has their name, or it is a leaf in
            place of the node above them.
        removed: old nodes that are gone, and whose answers are of no use.
        added: new nodes that no old one corresponds to.
    """

    old: Taxonomy
    new: Taxonomy
    unchanged: tuple[tuple[int, int], ...]
    renamed: tuple[tuple[int, int], ...]
    moved: tuple[tuple[int, int], ...]
    split: tuple[tuple[int, int], ...]
    merged: tuple[tuple[int, int], ...]
    removed: tuple[int, ...]
    added: tuple[int, ...]

    @property
    def kept(self) -> Mapping[int, int]:
        """Old node -> the new node that its annotations belong to now. Only merged nodes share a new node.

        An annotation of a split leaf is an answer at the node above the new leaves.
        """
        pairs = {*self.unchanged, *self.renamed, *self.moved, *self.split, *self.merged}
        return dict(sorted(pairs))

    @property
    def asked(self) -> tuple[int, ...]:
        """The new leaves that must be asked about: added ones, also those below a split leaf, and moved ones."""
        candidates = {*self.added, *(new for _, new in self.moved)}
        return tuple(sorted(candidates.intersection(self.new.leaves.tolist())))

    def lines(self, most: int = SHOWN) -> list[str]:
        """Return the differences for a person: a summary, then at most `most` nodes of each kind."""
        was, now = partial(_shown, self.old), partial(_shown, self.new)
        kinds: list[tuple[str, list[str]]] = [
            ("renamed", [f"{was(old)} -> {now(new)}" for old, new in self.renamed]),
            ("moved", [f"{was(old)} -> {now(new)}" for old, new in self.moved]),
            ("split", [f"{was(old)} -> {self._below(new)}" for old, new in self.split]),
            ("merged", [f"{was(old)} -> {now(new)}" for old, new in self.merged]),
            ("removed", [was(old) for old in self.removed]),
            ("new", [now(new) for new in self.added]),
        ]
        head = ", ".join(f"{len(items):,} {kind}" for kind, items in kinds if items)
        summary = f"{len(self.unchanged):,} of {len(self.old.nodes):,} nodes are unchanged"
        recoded = sum(_recoded(self.old, self.new, *pair) for pair in self.unchanged)
        if recoded:
            summary += f", {recoded:,} of them {'has' if recoded == 1 else 'have'} another code"
        return [f"{summary}; {head}" if head else summary, *_listing(kinds, most)]

    def _below(self, node: int) -> str:
        children = [one for one in range(node + 1, int(self.new.ends[node])) if self.new.parents[one] == node]
        named = ", ".join(quoted(self.new.nodes[one].name) for one in children[:SHOWN])
        return f"{named}, ..." if len(children) > SHOWN else named


def differences(old: Taxonomy, new: Taxonomy) -> Differences:
    """Compare two versions of a taxonomy.

    Nodes with the same code are the same node. Where a node has no code, its identity is its path; one that moved is
    recognised by its name, if only one node has that name in each version.

    Example:
        >>> old = read_lines("1 - Food\\n2 - Food > Tea\\n3 - Food > Milk", "old.txt")
        >>> new = read_lines("1 - Food\\n2 - Food > Hot tea\\n3 - Food > Milk", "new.txt")
        >>> differences(old, new).lines()
        ["2 of 3 nodes are unchanged; 1 renamed", "renamed: 'Food > Tea' -> 'Food > Hot tea'"]
    """
    found = match(old, new)
    renamed = [pair for pair in found.pairs.items() if old.nodes[pair[0]].name != new.nodes[pair[1]].name]
    moved = [pair for pair in found.pairs.items() if _moved(old, new, found, *pair)]
    old_leaves, new_leaves = set(old.leaves.tolist()), set(new.leaves.tolist())
    split = [(one, other) for one, other in found.pairs.items() if one in old_leaves and other not in new_leaves]
    changed = {*renamed, *moved, *split}
    known = {*found.pairs.values(), *found.merged.values()}
    return Differences(
        old,
        new,
        unchanged=tuple(pair for pair in found.pairs.items() if pair not in changed),
        renamed=tuple(renamed),
        moved=tuple(moved),
        split=tuple(split),
        merged=tuple(found.merged.items()),
        removed=tuple(one for one in range(len(old.nodes)) if one not in found.pairs and one not in found.merged),
        added=tuple(other for other in range(len(new.nodes)) if other not in known),
    )


def _moved(old: Taxonomy, new: Taxonomy, found: Match, one: int, other: int) -> bool:
    above = old.nodes[one].parent
    return new.nodes[other].parent != (found.pairs.get(above) if above >= 0 else -1)


def _recoded(old: Taxonomy, new: Taxonomy, one: int, other: int) -> bool:
    """Return whether a node has another code; without a code, a path that follows from other nodes is none."""
    was, now = old.nodes[one].code, new.nodes[other].code
    return was != now and not (was == old.label(one) and now == new.label(other))


def _shown(taxonomy: Taxonomy, node: int) -> str:
    """Return a path for a message, with its code if it has one."""
    label, code = taxonomy.label(node), taxonomy.nodes[node].code
    return quoted(label, 200) if code == label else f"{quoted(label, 200)} ({quoted(code)[1:-1]})"


def _listing(kinds: Sequence[tuple[str, Sequence[str]]], most: int) -> Iterator[str]:
    for kind, items in kinds:
        yield from (f"{kind}: {item}" for item in items[:most])
        if len(items) > most:
            yield f"{kind}: {len(items) - most:,} more"
