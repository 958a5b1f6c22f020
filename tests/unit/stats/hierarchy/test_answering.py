"""The node that is answered: by hand, by its definition, and never shallower for a lower threshold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.stats.hierarchy import LEAF, NOTHING, Depth, answer, upward
from laud_ray.taxonomy import Taxonomy, node_mass, read_lines
from laud_ray.types import Floats, Indices
from tests.trees import Path, every_path, grown

FOOD = read_lines("Food > Tea\nFood > Milk > Cow\nFood > Milk > Goat\nTools", "t.txt")
COW, TOOLS = 1, 3  # leaves
NAN = np.nan


def confidences(taxonomy: Taxonomy, proba: Floats, leaves: Indices) -> Floats:
    """Return (n, D) by their definition: the masses of the leaf's ancestors and of itself, from the top."""
    masses = node_mass(taxonomy, proba)
    found = np.full((len(proba), taxonomy.levels), NAN, np.float32)
    for row, leaf in enumerate(taxonomy.leaves[leaves].tolist()):
        path = [*taxonomy.ancestors(leaf).tolist(), leaf]
        found[row, : len(path)] = masses[row, path]
    return found


def drawn(taxonomy: Taxonomy, seed: int, n: int = 6) -> tuple[Floats, Indices]:
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(len(taxonomy.leaves), 0.3), n)
    return proba, proba.argmax(1)


def labels(taxonomy: Taxonomy, leaves: list[int], given: Floats, depth: Depth) -> list[str | None]:
    found = answer(taxonomy, np.array(leaves), given, depth)
    return [None if node == NOTHING else taxonomy.label(int(node)) for node in found.node]


def test_masses_from_the_leaf_upward() -> None:
    found = upward(np.array([[0.9, 0.5, 0.25], [0.75, NAN, NAN], [NAN, NAN, NAN]]))
    np.testing.assert_array_equal(found, [[0.25, 0.5, 0.9], [0.75, NAN, NAN], [NAN, NAN, NAN]])


def test_by_hand() -> None:
    known = np.array([[0.9, 0.6, 0.4], [0.5, NAN, NAN]], np.float32)
    at_leaf = labels(FOOD, [COW, TOOLS], known, LEAF)
    assert at_leaf == ["Food > Milk > Cow", "Tools"]
    assert labels(FOOD, [COW, TOOLS], known, Depth(level=1)) == ["Food", "Tools"]
    assert labels(FOOD, [COW, TOOLS], known, Depth(level=2)) == ["Food > Milk", "Tools"]
    # Steps up: the leaf needs 0.5, its parent 0.7, the next 0.8. A leaf at the top has one step only.
    assert labels(FOOD, [COW, TOOLS], known, Depth((0.5, 0.7, 0.8))) == ["Food", "Tools"]
    assert labels(FOOD, [COW, TOOLS], known, Depth((0.6, 0.6, 0.8))) == ["Food > Milk", None]
    nothing = answer(FOOD, np.array([COW]), known[:1], Depth((np.inf,) * 3))
    assert (nothing.node[0], nothing.depth[0], nothing.backed_off[0]) == (NOTHING, 0, False)
    assert np.isnan(nothing.confidence[0])
    inner = answer(FOOD, np.array([COW]), known[:1], Depth(level=2))
    assert (inner.depth[0], inner.backed_off[0], inner.confidence[0]) == (2, True, np.float32(0.6))


def test_without_documents() -> None:
    found = answer(FOOD, np.zeros(0, np.int64), np.zeros((0, 3), np.float32), Depth((0.5, 0.5, 0.5)))
    assert [len(found.node), len(found.depth), len(found.confidence), len(found.backed_off)] == [0] * 4


def test_as_many_thresholds_as_levels() -> None:
    with pytest.raises(ValueError, match=r"thresholds \(2,\); expected"):
        answer(FOOD, np.array([COW]), np.array([[0.9, 0.6, 0.4]]), Depth((0.5, 0.5)))


@settings(deadline=None)
@given(every_path(), st.integers(0, 2**32 - 1), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_answers_are_on_the_path_and_have_its_mass(paths: list[Path], seed: int, cuts: list[float]) -> None:
    taxonomy = grown(paths)
    proba, leaves = drawn(taxonomy, seed)
    known, masses = confidences(taxonomy, proba, leaves), node_mass(taxonomy, proba)
    for depth in (LEAF, Depth(level=1), Depth(level=2), Depth(tuple(cuts[: taxonomy.levels]))):
        found = answer(taxonomy, leaves, known, depth)
        for row, leaf in enumerate(taxonomy.leaves[leaves].tolist()):
            path = [*taxonomy.ancestors(leaf).tolist(), leaf]
            node, level = int(found.node[row]), int(found.depth[row])
            assert (node == NOTHING) == (level == 0)
            if level:
                assert path[level - 1] == node
                assert found.confidence[row] == pytest.approx(masses[row, node], abs=1e-6)
            assert found.backed_off[row] == (0 < level < len(path))
            if depth.level is not None:
                assert level == min(len(path), depth.level)


@settings(deadline=None)
@given(every_path(), st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1))
def test_a_lower_threshold_never_answers_higher(paths: list[Path], seed: int, one: float, other: float) -> None:
    taxonomy = grown(paths)
    proba, leaves = drawn(taxonomy, seed)
    known = confidences(taxonomy, proba, leaves)
    low, high = (Depth((cut,) * taxonomy.levels) for cut in sorted((one, other)))
    deeper, higher = (answer(taxonomy, leaves, known, depth).depth for depth in (low, high))
    assert (deeper >= higher).all()
    cut = answer(taxonomy, leaves, known, replace(low, level=1)).depth
    np.testing.assert_array_equal(cut, np.minimum(deeper, 1))
