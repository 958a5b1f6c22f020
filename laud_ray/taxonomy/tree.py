"""A taxonomy: a tree of labels, its nodes numbered depth-first. Pure NumPy.

Letters in shapes: t nodes, l leaves, n documents. A *node* is an index in [0, t). A *leaf* is an index in [0, l): the
column of a probability matrix; it is the node `leaves[leaf]`.

A *level* is the nodes of one depth: level 1 is the top. Where depth is uneven, a level does not divide all leaves; a
`Taxonomy.cut` does, which also has the leaves above the level.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from laud_ray.labels import SHOWN, typed
from laud_ray.printable import quoted
from laud_ray.taxonomy.lineage import NONE, lineages
from laud_ray.taxonomy.path_text import SEPARATOR, split_path
from laud_ray.texts import normalise_text
from laud_ray.types import Indices


@dataclass(frozen=True, slots=True)
class Node:
    """A label of a taxonomy.

    Attributes:
        code: the identity: the code, or else the whole path as text.
        path: the names from the top to this node.
        parent: the node above; -1 at the top.
        description: a sentence about the node, or None.
        also: other spellings of the name that may occur in data.
    """

    code: str
    path: tuple[str, ...]
    parent: int
    description: str | None = None
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last name of the path. It may stand at several nodes."""
        return self.path[-1]

    @property
    def depth(self) -> int:
        """The number of names in the path, at least 1."""
        return len(self.path)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Nodes, numbered depth-first: a parent stands before its children, and a subtree is a range. Depth may be uneven.

    Two taxonomies are equal if their nodes and separators are.

    Attributes:
        nodes: t nodes.
        separator: between the names of a path in text.
        parents: (t,), the node above; -1 at the top.
        ends: (t,), the subtree of a node is the range [node, ends[node]).
        depths: (t,), from 1.
        leaves: (l,), the nodes without children, in order.
        leaf_starts: (t,), the leaves under a node are the range [leaf_starts[node], leaf_stops[node]).
        leaf_stops: (t,).
        lineages: (t + 1, levels), the ancestor of each node at each level, as `laud_ray.taxonomy.lineage` has it.

    Raises:
        ValueError: if the nodes are not numbered depth-first, or two have the same code.
    """

    nodes: tuple[Node, ...]
    separator: str = SEPARATOR
    parents: Indices = field(init=False, repr=False, compare=False)
    ends: Indices = field(init=False, repr=False, compare=False)
    depths: Indices = field(init=False, repr=False, compare=False)
    leaves: Indices = field(init=False, repr=False, compare=False)
    leaf_starts: Indices = field(init=False, repr=False, compare=False)
    leaf_stops: Indices = field(init=False, repr=False, compare=False)
    lineages: Indices = field(init=False, repr=False, compare=False)
    _codes: dict[str, int] = field(init=False, repr=False, compare=False)
    _typed: dict[str, int] = field(init=False, repr=False, compare=False)
    _below: dict[tuple[int, str], int] = field(init=False, repr=False, compare=False)
    _names: dict[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute the arrays and the lookups."""
        parents = np.array([node.parent for node in self.nodes], np.int64)
        depths = np.array([node.depth for node in self.nodes], np.int64)
        ends = _subtree_ends(parents, depths)
        leaf = ends == np.arange(len(parents)) + 1
        before = np.concatenate([[0], np.cumsum(leaf)]).astype(np.int64)
        arrays = {
            "parents": parents,
            "ends": ends,
            "depths": depths,
            "leaves": np.flatnonzero(leaf).astype(np.int64),
            "leaf_starts": before[:-1],
            "leaf_stops": before[ends],
            "lineages": lineages(parents),
        }
        for name, array in arrays.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        codes = {node.code: i for i, node in enumerate(self.nodes)}
        if len(codes) < len(self.nodes):
            raise ValueError("two nodes have the same code; expected each code once")
        object.__setattr__(self, "_codes", codes)
        object.__setattr__(self, "_typed", _once((typed(code), i) for code, i in codes.items()))
        spelt = {(node.parent, other): i for i, node in enumerate(self.nodes) for other in node.also}
        object.__setattr__(self, "_below", spelt | {(node.parent, node.name): i for i, node in enumerate(self.nodes)})
        object.__setattr__(self, "_names", _by_name(self.nodes))

    def find(self, text: str) -> int | None:
        """Return the node that a text names: by its code, its path, or a name that only one node has.

        White space and invisible characters do not matter. A code precedes a path, and a path precedes a name. Each
        name may be one of the node's other spellings.

        Example:
            With "Food > Tea" in the taxonomy, `find("Food > Tea")` and `find("Tea")` return the same node.

        Raises:
            ValueError: if it is the name of several nodes. The message lists their paths.
        """
        plain = normalise_text(text)
        found = self._codes.get(text, self._codes.get(plain))
        found = self._find_path_text(text) if found is None else found
        found = self._typed.get(typed(plain)) if found is None else found
        if found is not None:
            return found
        named = self._names.get(plain, ())
        if len(named) > 1:
            paths = [quoted(self.label(node), 1000) for node in named[:SHOWN]]
            more = f" or one of {len(named) - SHOWN} more" if len(named) > SHOWN else ""
            raise ValueError(f"{quoted(text)} is not valid; expected the whole path: {' or '.join(paths)}{more}")
        return named[0] if named else None

    def find_one(self, text: str) -> int | None:
        """Return what `find` returns; None also if the text is the name of several nodes."""
        try:
            return self.find(text)
        except ValueError:
            return None

    def find_path(self, names: Sequence[str]) -> int | None:
        """Return the node with these normalised names from the top; None if there is none."""
        node = -1
        for name in names:
            below = self._below.get((node, name))
            if below is None:
                return None
            node = below
        return node if names else None

    def label(self, node: int) -> str:
        """Return the path of a node as text, such as "Food > Tea"."""
        return self.separator.join(self.nodes[node].path)

    def is_leaf(self, node: int) -> bool:
        """Whether no node is below a node."""
        return int(self.ends[node]) == node + 1

    def leaf_count(self, node: int) -> int:
        """Return the number of leaves below a node; 1 for a leaf."""
        return int(self.leaf_stops[node] - self.leaf_starts[node])

    @property
    def levels(self) -> int:
        """The depth of the deepest node."""
        return int(self.depths.max())

    def cut(self, depth: int) -> Indices:
        """Return nodes that divide all leaves, each of which is under one of them: a level, and the leaves above it."""
        leaf = self.ends == np.arange(len(self.ends)) + 1
        return np.flatnonzero((self.depths == depth) | (leaf & (self.depths < depth)))

    def ancestors(self, node: int) -> Indices:
        """Return the nodes above a node, the topmost first; empty at the top."""
        above = []
        while (node := int(self.parents[node])) >= 0:
            above.append(node)
        return np.array(above[::-1], np.int64)

    def at_depth(self, nodes: npt.ArrayLike, depth: int) -> Indices:
        """Return for each of some nodes its ancestor at a depth of at least 1; a node that is not deeper is kept.

        Args:
            nodes: any shape, which the result has too.
        """
        found = np.asarray(nodes, np.int64)
        above: Indices = self.lineages[found, min(depth, self.levels) - 1]
        return np.where(above == NONE, found, above)

    def shared_depth(self, nodes: npt.ArrayLike, others: npt.ArrayLike) -> Indices:
        """Return the depth of the lowest common ancestor of pairs of nodes; 0 where there is none.

        A node is its own ancestor here: with itself it shares its whole depth.

        Args:
            nodes: (n,).
            others: (n,).
        """
        one, other = (self.lineages[np.asarray(some, np.int64)] for some in (nodes, others))
        shared: Indices = ((one == other) & (one != NONE)).sum(axis=-1)
        return shared

    def _find_path_text(self, text: str) -> int | None:
        try:
            return self.find_path(split_path(text, self.separator))
        except ValueError:
            return None


def _subtree_ends(parents: Indices, depths: Indices) -> Indices:
    """Return the end of each subtree, from sizes that are added up from the deepest level."""
    order = np.arange(len(parents))
    above = np.where(parents < 0, 0, parents)
    if not ((parents < order) & (depths == np.where(parents < 0, 1, depths[above] + 1))).all():
        raise ValueError("the nodes are not valid; expected each below its parent, and one name more in its path")
    sizes = np.ones(len(parents), np.int64)
    for depth in range(int(depths.max(initial=1)), 1, -1):
        here = np.flatnonzero(depths == depth)
        np.add.at(sizes, parents[here], sizes[here])
    ends = order + sizes
    if not ((parents < 0) | (order < ends[above])).all():
        raise ValueError("the nodes are not valid; expected each subtree without others between")
    return ends


def _once(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the pairs whose text occurs once."""
    found, twice = dict[str, int](), set[str]()
    for text, node in pairs:
        if found.setdefault(text, node) != node:
            twice.add(text)
    return {text: node for text, node in found.items() if text not in twice} if twice else found


def _by_name(nodes: Sequence[Node]) -> dict[str, tuple[int, ...]]:
    """Return name -> the nodes that have it; where none has it, those that have it as another spelling."""
    names, spelt = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for i, node in enumerate(nodes):
        names[node.name].append(i)
        for other in node.also:
            spelt[other].append(i)
    return {name: tuple(found) for name, found in (spelt | names).items()}
