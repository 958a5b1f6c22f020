"""Paths that a taxonomy lacks, as nodes below those that it has."""

from laud_ray.taxonomy.lineage import NONE
from laud_ray.taxonomy.path_text import split_path
from laud_ray.taxonomy.tree import Taxonomy

# Figures need memory for each level; a text with more names than this is not taken for a path.
DEEPEST = 64


class Outside:
    """Numbers for the true nodes of paths that a taxonomy lacks: below its own t nodes come those that are outside.

    No figure tells nodes apart that are outside and as deep below the same node, since none is ever predicted. So a
    node has at most one child outside, and there are few whatever the number of paths.

    Attributes:
        parents: the parent of the nodes t, t + 1, ...; -1 for one at the top.

    Example:
        With "Food > Tea" as node 1 of 5, "Food > Tea > Oolong > Loose" is the node 6, below 5, below 1.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._child: dict[int, int] = {}
        self.parents: list[int] = []

    def place(self, label: str) -> tuple[int, int] | None:
        """Return the node of an unknown path and the number of its levels that the taxonomy has.

        None if the text is no path of two names or more: then its depth is unknown too.
        """
        try:
            names = split_path(label, self._taxonomy.separator)
        except ValueError:
            return None
        if not 1 < len(names) <= DEEPEST:
            return None
        known, node = 0, NONE
        for length in range(len(names), 0, -1):
            if (found := self._taxonomy.find_path(names[:length])) is not None:
                known, node = length, found
                break
        for _ in range(known, len(names)):
            node = self._below(node)
        return node, known

    def _below(self, node: int) -> int:
        if node not in self._child:
            self._child[node] = len(self._taxonomy.nodes) + len(self.parents)
            self.parents.append(node)
        return self._child[node]
