"""Flat figures over the leaves of a taxonomy, and answers at inner nodes."""

from dataclasses import replace

import numpy as np
import pytest

from laud_ray.stats import Sample, figures
from laud_ray.stats.hierarchy import leaf_figures, taxonomy_figures
from laud_ray.taxonomy import read_lines
from laud_ray.taxonomy.task import task_of
from tests.unit.stats.hierarchy.trees import sampled

# 0 food > 1 tea > (2 green, 3 black), 4 bread; 5 tools. The leaves are 2, 3, 4 and 5.
FOOD = read_lines("Food\nFood > Tea\nFood > Tea > Green\nFood > Tea > Black\nFood > Bread\nTools", "t.txt")
LEAF, ANY = task_of("food", FOOD), task_of("food", FOOD, inner=True)
TRUE, PREDICTED = np.array([2, 2, 4, 5, 1, 1, 6]), np.array([2, 3, 4, 5, 2, 4, 2])


def test_leaves_alone_have_the_flat_figures() -> None:
    sample = sampled(TRUE[:4], PREDICTED[:4])
    flat = figures(sampled(TRUE[:4] - 2, PREDICTED[:4] - 2), LEAF.names, seed=0)
    tree = taxonomy_figures(sample, FOOD, seed=0)
    found = leaf_figures(sample, LEAF, seed=0)
    assert replace(found, hierarchy=None) == flat
    assert found.hierarchy == replace(tree, accuracy=flat.accuracy)
    assert tree.accuracy == flat.accuracy


def test_where_no_leaf_is_known_the_leaf_is_left_out() -> None:
    found = leaf_figures(sampled(TRUE, PREDICTED), LEAF, seed=0)
    tree = found.hierarchy
    assert tree is not None
    # Of seven documents two are known to be tea only. The last is none of the nodes, and so wrong.
    assert (found.n, tree.n, found.accuracy.value) == (5, 7, pytest.approx(3 / 5))
    assert tree.accuracy == found.accuracy
    assert [(one.accuracy.n, one.accuracy.value) for one in tree.levels] == [
        (7, pytest.approx(6 / 7)),
        (6, pytest.approx(4 / 6)),  # the second tea is called bread
        (3, pytest.approx(1 / 3)),
    ]


def test_where_an_inner_node_is_an_answer_a_leaf_is_wrong() -> None:
    found = leaf_figures(sampled(TRUE, PREDICTED), ANY, seed=0)
    assert (found.n, found.accuracy.value) == (7, pytest.approx(3 / 7))


def test_macro_f1_is_of_all_nodes_with_enough_documents() -> None:
    sample = sampled(np.tile(TRUE, 10), np.tile(PREDICTED, 10))
    found = leaf_figures(sample, LEAF, seed=0)
    assert found.hierarchy is not None
    assert found.macro_f1 == found.hierarchy.macro_f1
    # Food, tea, green, bread and tools.
    assert found.hierarchy.macro_nodes == 5


def test_answers_that_back_off_are_not_in_the_flat_figures() -> None:
    found = leaf_figures(sampled(np.array([2, 2, 2]), np.array([2, 1, -1])), LEAF, seed=0)
    assert found.hierarchy is not None
    assert (found.n, found.accuracy.value) == (1, 1)
    assert [one.coverage.value for one in found.hierarchy.levels] == pytest.approx([2 / 3, 2 / 3, 1 / 3])


def test_without_a_leaf_nothing_is_known_of_leaves() -> None:
    found = leaf_figures(sampled(np.array([1, 0]), np.array([2, 3])), LEAF, seed=0)
    assert (found.n, found.accuracy.low, found.accuracy.high, found.per_class) == (0, 0, 1, ())
    assert found.hierarchy is not None
    assert found.hierarchy.levels[0].accuracy.value == 1


def test_a_stratum_that_loses_its_documents_joins_the_nearest() -> None:
    strata, sizes = np.array([0, 0, 1, 3]), {0: 100, 1: 40, 3: 7}
    sample = Sample(np.array([2, 2, 2, 1]), np.array([2, 3, 2, 2]), np.ones(4), strata, sizes)
    part = sample.part(np.array([True, True, False, True]))
    assert part.sizes == {0: 140, 3: 7}
    assert part.strata.tolist() == [0, 0, 3]
    assert sample.part(sample.true == 2).sizes == {0: 100, 1: 47}
    found = leaf_figures(sample, LEAF, seed=0)
    assert found.accuracy.value == pytest.approx((50 + 47) / 147)
