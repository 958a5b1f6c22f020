"""The nodes of a taxonomy as the page gets them: a bounded number at a time, by search or by unfolding the tree."""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from laud_ray.taxonomy import Taxonomy
from laud_ray.taxonomy.search import NodeSearch
from laud_ray.types import Indices
from serve.schemas import FaultError

# Search results, and nodes below one that are sent at once.
MOST_FOUND, MOST_BELOW = 50, 200
# Nodes of a tree that is sent whole.
SMALL = 40
_LONGEST_DESCRIPTION = 300


class Nodes:
    """Looks up the nodes of one taxonomy. Its methods may be called by any thread."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Look up nodes of a taxonomy, which is indexed for the first search."""
        self.taxonomy = taxonomy
        self._search: NodeSearch | None = None
        self._lock = threading.Lock()

    def tree(self) -> dict[str, Any]:
        """What the page has to know of the tree, with the nodes at the top; of a small one with all nodes, unfolded."""
        taxonomy = self.taxonomy
        size = {"nodes": len(taxonomy.nodes), "leaves": len(taxonomy.leaves), "levels": taxonomy.levels}
        branches = [node for node in range(len(taxonomy.nodes)) if not taxonomy.is_leaf(node)]
        unfolded = map(taxonomy.label, branches) if len(taxonomy.nodes) <= SMALL else ()
        parts = [{"under": label, **self.below(label)} for label in (None, *unfolded)]
        return {"separator": taxonomy.separator, **size, "parts": parts}

    def found(self, query: str) -> dict[str, Any]:
        """The nodes that a query finds, the best first."""
        with self._lock:
            search = self._search = self._search or NodeSearch(self.taxonomy)
        found = search.find(query, MOST_FOUND)
        return {"rows": self.rows(found.nodes), "total": found.total}

    def below(self, label: str | None, start: int = 0) -> dict[str, Any]:
        """The nodes right below one, or at the top, from a place on."""
        return self._part(self._below(None if label is None else self._node(label)), max(start, 0))

    def at(self, label: str) -> dict[str, Any]:
        """For each node above one, and for itself, the nodes right below it; among them those that lead to it."""
        node = self._node(label)
        way = [*self.taxonomy.ancestors(node).tolist(), node]
        levels = []
        for above, lead in zip([None, *way], [*way, None], strict=True):
            places = self._below(above)
            place = 0 if lead is None else int(places.searchsorted(lead))
            part = self._part(places, place - place % MOST_BELOW)
            levels.append({"under": None if above is None else self.taxonomy.label(above), **part})
        return {"levels": levels if levels[-1]["rows"] else levels[:-1]}

    def known(self, labels: Iterable[str]) -> list[dict[str, Any]]:
        """Those of some labels that are nodes."""
        found = (self.find(label) for label in labels)
        return self.rows([node for node in found if node is not None])

    def rows(self, nodes: Sequence[int]) -> list[dict[str, Any]]:
        return [self._row(node) for node in nodes]

    def find(self, label: str) -> int | None:
        """The node with a path; None if there is none."""
        node = self.taxonomy.find_path(label.split(self.taxonomy.separator))
        return node if node is not None and self.taxonomy.label(node) == label else None

    def _node(self, label: str) -> int:
        node = self.find(label)
        if node is None:
            raise FaultError(404, "unknown_node", f"{label[:200]!r} is not a node of the taxonomy; expected its path")
        return node

    def _below(self, node: int | None) -> Indices:
        above = -1 if node is None else node
        first, end = (0, len(self.taxonomy.nodes)) if node is None else (node + 1, int(self.taxonomy.ends[node]))
        places: Indices = first + (self.taxonomy.parents[first:end] == above).nonzero()[0]
        return places

    def _part(self, places: Indices, start: int) -> dict[str, Any]:
        rows = self.rows(places[start : start + MOST_BELOW].tolist())
        return {"from": start, "rows": rows, "total": len(places)}

    def _row(self, node: int) -> dict[str, Any]:
        taxonomy, one, label = self.taxonomy, self.taxonomy.nodes[node], self.taxonomy.label(node)
        return {
            "label": label,
            "name": one.name,
            "above": list(one.path[:-1]),
            "code": one.code if one.code != label else None,
            "description": one.description[:_LONGEST_DESCRIPTION] if one.description else None,
            "leaves": 0 if taxonomy.is_leaf(node) else taxonomy.leaf_count(node),
        }
