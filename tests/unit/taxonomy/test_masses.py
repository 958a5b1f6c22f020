"""Probabilities of nodes: sums over leaves, dense and from the likeliest leaves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.taxonomy import Taxonomy, listed_mass, node_mass, read_lines
from laud_ray.types import Floats, Indices
from tests.trees import Path, every_path, grown

FOOD = read_lines("Food > Tea\nFood > Milk > Cow\nFood > Milk > Goat\nTools", "t.txt")


def by_definition(taxonomy: Taxonomy, proba: Floats) -> Floats:
    """Return (n, t): for each node, the sum over the leaves whose path begins with the node's."""
    paths = [node.path for node in taxonomy.nodes]
    columns = []
    for path in paths:
        under = [k for k, leaf in enumerate(taxonomy.leaves) if paths[leaf][: len(path)] == path]
        columns.append(proba[:, under].astype(np.float64).sum(axis=1))
    return np.stack(columns, axis=1)


def drawn(taxonomy: Taxonomy, seed: int, n: int = 4, peak: float = 3.0) -> Floats:
    logits = np.random.default_rng(seed).normal(scale=peak, size=(n, len(taxonomy.leaves)))
    odds: Floats = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


def spread(taxonomy: Taxonomy, leaves: Indices, proba: Floats, rest: Floats) -> Floats:
    """Return (n, l): the listed probabilities, and the rest of each top node spread evenly over its other leaves."""
    n, l = len(leaves), len(taxonomy.leaves)  # noqa: E741
    tops = np.flatnonzero(taxonomy.parents < 0)
    dense = np.zeros((n, l))
    for row in range(n):
        dense[row, leaves[row]] = proba[row]
        for k, top in enumerate(tops):
            under = range(taxonomy.leaf_starts[top], taxonomy.leaf_stops[top])
            others = [leaf for leaf in under if leaf not in leaves[row]]
            dense[row, others] = rest[row, k] / max(len(others), 1)
    return dense


def test_by_hand() -> None:
    found = node_mass(FOOD, np.array([[0.5, 0.25, 0.125, 0.125]], np.float32))
    assert found.tolist() == [[0.875, 0.5, 0.375, 0.25, 0.125, 0.125]]
    assert found.dtype == np.float64


@settings(deadline=None)
@given(every_path(), st.integers(0, 2**32 - 1))
def test_a_node_has_the_sum_of_its_leaves(paths: list[Path], seed: int) -> None:
    taxonomy = grown(paths)
    proba = drawn(taxonomy, seed)
    found = node_mass(taxonomy, proba)
    np.testing.assert_allclose(found, by_definition(taxonomy, proba), rtol=1e-12)
    np.testing.assert_array_equal(found[:, taxonomy.leaves], proba)
    for depth in range(1, taxonomy.levels + 1):
        np.testing.assert_allclose(found[:, taxonomy.cut(depth)].sum(axis=1), 1, atol=1e-12)


def test_small_probabilities_keep_their_digits() -> None:
    found = node_mass(FOOD, np.array([[1.0, 1e-30, 2e-30, 0.0]]))
    assert found[0, 2] == pytest.approx(3e-30)


@pytest.mark.parametrize("row", [[1.5, -0.5, 0, 0], [0.1, 0.2, 0.1, 0.1], [4.0, -1, 2, 0], [np.nan, 0.5, 0.5, 0]])
def test_what_is_no_probability_is_refused(row: list[float]) -> None:
    with pytest.raises(ValueError, match="are not valid; expected probabilities that sum to 1"):
        node_mass(FOOD, np.array([[0.25, 0.25, 0.25, 0.25], row]))


def test_no_rows() -> None:
    assert node_mass(FOOD, np.zeros((0, 4))).shape == (0, 6)
    none = np.zeros((0, 2), np.int64)
    assert listed_mass(FOOD, np.array([0, 1]), none, none, np.zeros(0)).shape == (0, 2)


def test_listed_by_hand() -> None:
    # Of the rest 0.3, each of the two other leaves has 0.15.
    found = listed_mass(FOOD, np.arange(6), np.array([[2, 0]]), np.array([[0.2, 0.5]]), np.array([0.3]))
    np.testing.assert_allclose(found, [[0.85, 0.5, 0.35, 0.15, 0.2, 0.15]])
    # Of the rest below Food, the one other leaf has all.
    found = listed_mass(FOOD, np.arange(6), np.array([[2, 0]]), np.array([[0.2, 0.5]]), np.array([[0.1, 0.2]]))
    np.testing.assert_allclose(found, [[0.8, 0.5, 0.3, 0.1, 0.2, 0.2]])


@settings(deadline=None)
@given(every_path(), st.integers(0, 2**32 - 1), st.data())
def test_listed_leaves_are_as_the_dense_matrix(paths: list[Path], seed: int, data: st.DataObject) -> None:
    taxonomy = grown(paths)
    m = data.draw(st.integers(1, len(taxonomy.leaves)))
    dense = drawn(taxonomy, seed)
    leaves = np.argsort(-dense, axis=1)[:, :m]
    proba = np.take_along_axis(dense, leaves, axis=1)
    nodes = np.random.default_rng(seed).permutation(len(paths))[: 1 + seed % len(paths)]
    tops = np.flatnonzero(taxonomy.parents < 0)
    listed = np.zeros_like(dense)
    np.put_along_axis(listed, leaves, proba, axis=1)
    rest = by_definition(taxonomy, dense)[:, tops] - by_definition(taxonomy, listed)[:, tops]
    found = listed_mass(taxonomy, nodes, leaves, proba, rest)
    np.testing.assert_allclose(
        found, by_definition(taxonomy, spread(taxonomy, leaves, proba, rest))[:, nodes], atol=1e-12
    )
    whole = rest.sum(axis=1)
    evenly = np.where(listed > 0, listed, (whole / max(len(taxonomy.leaves) - m, 1))[:, None])
    found = listed_mass(taxonomy, nodes, leaves, proba, whole)
    np.testing.assert_allclose(found, by_definition(taxonomy, evenly)[:, nodes], atol=1e-12)
    if m == len(taxonomy.leaves):
        np.testing.assert_allclose(found, node_mass(taxonomy, dense)[:, nodes], atol=1e-12)


def test_a_leaf_that_is_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="a row lists a leaf twice"):
        listed_mass(FOOD, np.array([0]), np.array([[1, 1]]), np.array([[0.2, 0.2]]), np.array([0.6]))
