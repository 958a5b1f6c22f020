"""Classes in groups: a column for each group where one for each class would be too many. Pure NumPy.

n documents, k classes, g groups.
"""

from dataclasses import dataclass, field

import numpy as np

from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.types import Floats, Indices, Task

# An (n, g) matrix of a shortlist of 50,000 documents takes 200 MB with as many groups.
MOST = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The k classes of a task in g groups, each a range of classes; or each class a group of its own.

    Attributes:
        names: the g names: those of the classes, or the paths of the nodes that the groups are.
        starts: (g,) the first class of each group.
        classes: k.
        places: name of a class, or path of a node -> its group. A node that spans several groups has none.
        independent: whether each class applies or not by itself, in a multilabel task, so that probabilities of
            documents need not sum to 1.
    """

    names: tuple[str, ...]
    starts: Indices
    classes: int
    places: dict[str, int] = field(repr=False)
    independent: bool = False

    @property
    def single(self) -> bool:
        """Whether each class is a group of its own."""
        return len(self.names) == self.classes

    def sums(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities of the classes to (n, g) of the groups."""
        if self.single:
            return proba
        summed: Floats = np.add.reduceat(proba, self.starts, axis=1)
        return summed

    @property
    def labels(self) -> frozenset[str]:
        """The names of the groups that are one class each."""
        return frozenset(name for name, size in zip(self.names, self.sizes.tolist(), strict=True) if size == 1)

    @property
    def sizes(self) -> Indices:
        """(g,) the number of classes of each group."""
        return np.diff(np.append(self.starts, self.classes))

    def spread(self, values: Indices) -> Indices:
        """Map (g,) values of the groups to (k,) of their classes."""
        return np.repeat(values, self.sizes)

    def name_of(self, label: str | None) -> str | None:
        """Return the name of the group that a label is in; None for no label, or one that is in no single group."""
        place = None if label is None else self.places.get(label)
        return None if place is None else self.names[place]


def single(names: tuple[str, ...], *, independent: bool = False) -> Groups:
    """Return k classes, each a group of its own."""
    places = {name: i for i, name in enumerate(names)}
    return Groups(names, np.arange(len(names), dtype=np.int64), len(names), places, independent)


def groups_of(task: Task, most: int = MOST) -> Groups:
    """Return the groups of a task: of a taxonomy the nodes of its deepest level with at most `most` nodes.

    A leaf above that level is a group of its own. A level of one node says nothing, so the first level with two is the
    highest. The classes of other tasks are not grouped.
    """
    tree = task.taxonomy
    if tree is None or len(task.labels) <= most:
        return single(task.names, independent=task.multilabel)
    nodes = _level(tree, most)
    starts = tree.leaf_starts[nodes]
    first = np.searchsorted(starts, tree.leaf_starts, side="right") - 1
    last = np.searchsorted(starts, tree.leaf_stops - 1, side="right") - 1
    places = {tree.label(node): int(first[node]) for node in np.flatnonzero(first == last).tolist()}
    return Groups(tuple(tree.label(int(node)) for node in nodes), starts, len(task.labels), places)


def _level(tree: Taxonomy, most: int) -> Indices:
    nodes = tree.cut(1)
    for depth in range(2, tree.levels + 1):
        deeper = tree.cut(depth)
        if len(deeper) > most and len(nodes) > 1:
            break
        nodes = deeper
    return nodes
