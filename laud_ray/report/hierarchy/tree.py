"""The nodes of a taxonomy as a tree for the page, which folds. Its size is bounded by the figures of nodes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from laud_ray.types import NodeFigures


@dataclass(slots=True)
class Branch:
    """A node on the page.

    Attributes:
        below: its children with figures, those with the most documents first.
        unshown: how many other children it has in the taxonomy.
    """

    node: NodeFigures
    below: list["Branch"] = field(default_factory=list)

    @property
    def unshown(self) -> int:
        return self.node.children - len(self.below)


def branches(nodes: Sequence[NodeFigures]) -> list[Branch]:
    """Return the top nodes, each with what is below it.

    Args:
        nodes: in the order of the taxonomy, parents before their children, as `HierarchyFigures.nodes`.
    """
    top = list[Branch]()
    path = list[Branch]()
    for node in nodes:
        branch = Branch(node)
        del path[node.level - 1 :]
        (path[-1].below if path else top).append(branch)
        path.append(branch)
    _sort(top)
    return top


def _sort(some: list[Branch]) -> None:
    some.sort(key=lambda one: -one.node.support)
    for one in some:
        _sort(one.below)
