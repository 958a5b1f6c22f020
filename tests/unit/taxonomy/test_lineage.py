"""Ancestors of nodes, by hand and one at a time."""

import numpy as np
import pytest

from laud_ray.taxonomy.lineage import lineages
from tests.unit.stats.hierarchy.trees import grown


def test_a_small_tree_by_hand() -> None:
    assert lineages(np.array([-1, 0, 0, -1])).tolist() == [[0, -1], [0, 1], [0, 2], [3, -1], [-1, -1]]


def test_flat_labels_are_their_own_lineage() -> None:
    assert lineages(np.array([-1, -1])).tolist() == [[0], [1], [-1]]


@pytest.mark.parametrize("seed", range(5))
def test_each_node_follows_its_parents_lineage(seed: int) -> None:
    parents = grown(np.random.default_rng(seed), k=200, deepest=6)
    found = lineages(parents)
    for node, parent in enumerate(parents.tolist()):
        above = [one for one in found[parent].tolist() if one >= 0] if parent >= 0 else []
        assert [one for one in found[node].tolist() if one >= 0] == [*above, node]


@pytest.mark.parametrize(("parents", "node"), [([0], 0), ([-1, 2, 0], 1), ([-1, -2], 1)])
def test_a_parent_that_does_not_come_before_its_node_is_refused(parents: list[int], node: int) -> None:
    with pytest.raises(
        ValueError, match=f"node {node} has the parent {parents[node]}; expected -1 or a node before it"
    ):
        lineages(np.array(parents))
