"""Match the nodes of two versions of a taxonomy: which are the same, and which old ones became part of another.

The order in which the nodes are listed does not matter.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from laud_ray.taxonomy.tree import Node, Taxonomy

# A name that more nodes have, such as "Other", does not tell which of them took in one that is gone.
MOST_NAMESAKES = 2


@dataclass(slots=True)
class Match:
    """The matched nodes, old -> new.

    Attributes:
        pairs: the same node in both versions; no two old nodes have the same new one.
        merged: old nodes without a pair -> the new node that took them in.
    """

    pairs: dict[int, int] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)


def match(old: Taxonomy, new: Taxonomy) -> Match:
    """Match two versions: by code, by path, by names that one node has, and by the nodes below."""
    return _Matching(old, new).match()


class _Matching:
    def __init__(self, old: Taxonomy, new: Taxonomy) -> None:
        self.old, self.new = old, new
        self.pairs: dict[int, int] = {}
        self.taken: set[int] = set()
        self.old_names, self.new_names = _by_name(old), _by_name(new)
        self.spelt = defaultdict[str, list[int]](list)
        for j, node in enumerate(new.nodes):
            for other in node.also:
                self.spelt[other].append(j)

    def match(self) -> Match:
        codes = {node.code: j for j, node in enumerate(self.new.nodes)}
        for i, node in enumerate(self.old.nodes):
            self._pair(i, codes.get(node.code))
        self._by_path()
        self._by_name()
        self._by_children()
        self._by_path()
        self._by_spelling()
        self._by_path()
        return Match(dict(sorted(self.pairs.items())), self._merged())

    def _pair(self, i: int, j: int | None) -> None:
        if j is not None and i not in self.pairs and j not in self.taken:
            self.pairs[i] = j
            self.taken.add(j)

    def _beside(self, i: int) -> int | None:
        """Return the parent, in the new version, that the old node's name is looked for below; None if there is none.

        -1 is the top.
        """
        parent = self.old.nodes[i].parent
        return -1 if parent < 0 else self.pairs.get(parent)

    def _by_path(self) -> None:
        """Pair nodes of the same name below the same node, from the top."""
        below = {(node.parent, node.name): j for j, node in enumerate(self.new.nodes)}
        for i, node in enumerate(self.old.nodes):
            parent = self._beside(i)
            if parent is not None:
                self._pair(i, below.get((parent, node.name)))

    def _by_name(self) -> None:
        """Pair nodes that moved, by a name that no other node has, where an identity is a path."""
        for name, nodes in self.old_names.items():
            others = self.new_names.get(name, [])
            if len(nodes) == len(others) == 1 and self._without_codes(nodes[0], others[0]):
                self._pair(nodes[0], others[0])

    def _by_children(self) -> None:
        """Pair nodes with another name whose matched children are the same, the deepest first."""
        sources = {j: i for i, j in self.pairs.items()}
        for i in reversed(range(len(self.old.nodes))):
            if i in self.pairs:
                continue
            children = [self.pairs[one] for one in _children(self.old, i) if one in self.pairs]
            above = {self.new.nodes[one].parent for one in children}
            j = above.pop() if len(above) == 1 else -1
            if j < 0 or j in self.taken or not self._without_codes(i, j):
                continue
            if all(self.old.nodes[sources[one]].parent == i for one in _children(self.new, j) if one in sources):
                self._pair(i, j)
                sources[j] = i

    def _by_spelling(self) -> None:
        """Pair nodes that were renamed below the same node, where the new one has the old name as another spelling."""
        below = {(node.parent, other): j for j, node in enumerate(self.new.nodes) for other in node.also}
        claims = defaultdict[int, list[int]](list)
        for i, node in enumerate(self.old.nodes):
            parent = self._beside(i)
            if i not in self.pairs and parent is not None and (j := below.get((parent, node.name))) is not None:
                claims[j].append(i)
        for j, nodes in claims.items():
            if len(nodes) == 1 and self._without_codes(nodes[0], j):
                self._pair(nodes[0], j)

    def _merged(self) -> dict[int, int]:
        """Return the old nodes without a pair that became part of a new node."""
        below = {(node.parent, name): j for j, node in enumerate(self.new.nodes) for name in _spellings(node)}
        leaves = set(self.new.leaves.tolist())
        merged: dict[int, int] = {}
        for i, node in enumerate(self.old.nodes):
            if i in self.pairs:
                continue
            parent = self._beside(i)
            beside = None if parent is None else below.get((parent, node.name))
            above = merged.get(node.parent, self.pairs.get(node.parent))
            candidates = [beside, _only(self.spelt.get(node.name)), above if above in leaves else None]
            if len(self.old_names[node.name]) <= MOST_NAMESAKES:
                candidates.append(_only(self.new_names.get(node.name)))
            found = next((one for one in candidates if one is not None), None)
            if found is not None:
                merged[i] = found
        return merged

    def _without_codes(self, i: int, j: int) -> bool:
        """Return whether the path is the identity of at least one of two nodes."""
        return self.old.nodes[i].code == self.old.label(i) or self.new.nodes[j].code == self.new.label(j)


def _by_name(taxonomy: Taxonomy) -> dict[str, list[int]]:
    names = defaultdict[str, list[int]](list)
    for i, node in enumerate(taxonomy.nodes):
        names[node.name].append(i)
    return dict(names)


def _children(taxonomy: Taxonomy, node: int) -> Iterator[int]:
    child = node + 1
    while child < taxonomy.ends[node]:
        yield child
        child = int(taxonomy.ends[child])


def _spellings(node: Node) -> tuple[str, ...]:
    return (*node.also, node.name)


def _only(nodes: list[int] | None) -> int | None:
    return nodes[0] if nodes is not None and len(nodes) == 1 else None
