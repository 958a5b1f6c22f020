"""Figures of nodes, siblings that are confused, and the macro-F1 of all nodes: by hand and by enumeration."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from laud_ray.stats.hierarchy import confused_siblings, hierarchy_figures, node_figures, taxonomy_figures
from laud_ray.taxonomy import Taxonomy, read_lines
from laud_ray.types import ConfusedSiblings, Indices
from tests.trees import Path, every_path, grown
from tests.unit.stats.hierarchy.trees import sampled

# 0 food > 1 tea > (2 green, 3 black), 4 bread; 5 tools
FOOD = read_lines("Food\nFood > Tea\nFood > Tea > Green\nFood > Tea > Black\nFood > Bread\nTools", "t.txt")


def answers(taxonomy: Taxonomy, n: int = 80) -> tuple[Indices, Indices]:
    """Return true nodes, some inner or none of the nodes, and predicted leaves."""
    rng, t = np.random.default_rng(len(taxonomy.nodes)), len(taxonomy.nodes)
    true, guess = rng.integers(t + 1, size=n), rng.choice(taxonomy.leaves, n)
    leaf = np.append(taxonomy.leaves[taxonomy.leaf_starts], t)[true]
    return true, np.where((rng.random(n) < 0.5) & (leaf < t), np.minimum(leaf, t - 1), guess)


def test_by_hand() -> None:
    # Green: twice right, as black, as bread, as tools. Bread as green. One is known to be tea, and called bread.
    true, predicted = np.array([2, 2, 2, 2, 2, 4, 1]), np.array([2, 2, 3, 4, 5, 2, 4])
    found = {one.label: one for one in node_figures(sampled(true, predicted), FOOD)}
    assert list(found) == ["Food", "Food > Tea", "Food > Tea > Green", "Food > Bread", "Tools"]
    food, tea, green, bread, tools = found.values()
    assert [one.support for one in found.values()] == [7, 6, 5, 1, 0]
    assert [one.elsewhere for one in found.values()] == [0, 1, 2, 0, 0]
    assert [(one.level, one.children, one.leaves) for one in (food, tea, green)] == [(1, 2, 3), (2, 2, 2), (3, 0, 1)]
    assert food.confused == (ConfusedSiblings("Food", "Tools", 1, "Food", "Tools"),)
    assert tea.confused == (ConfusedSiblings("Food > Tea", "Food > Bread", 2, "Tea", "Bread"),)
    assert green.confused == (ConfusedSiblings("Food > Tea > Green", "Food > Tea > Black", 1, "Green", "Black"),)
    assert bread.confused == (ConfusedSiblings("Food > Bread", "Food > Tea", 1, "Bread", "Tea"),)
    assert tools.confused == ()
    assert tea.estimates.recall.value == pytest.approx(3 / 6)
    assert tea.estimates.precision.value == pytest.approx(3 / 4)
    assert tea.estimates.prevalence.value == pytest.approx(6 / 7)
    # At the third level six documents count: the true node of the last ends above it.
    assert green.estimates.recall.value == pytest.approx(2 / 5)
    assert green.estimates.precision.value == pytest.approx(2 / 2)
    assert (tools.estimates.recall.value, tools.estimates.recall.high) == (0, 1)


def test_of_more_nodes_those_with_the_most_documents() -> None:
    sample = sampled(np.array([2, 2, 2, 4]), np.array([2, 2, 3, 4]))
    assert [one.label for one in node_figures(sample, FOOD, most=3)] == ["Food", "Food > Tea", "Food > Tea > Green"]
    assert [one.label for one in node_figures(sample, FOOD, most=1)] == ["Food"]


def test_confused_siblings_are_where_paths_part() -> None:
    true, predicted = np.array([2, 2, 3, 2, 1, 2, 6]), np.array([3, 3, 4, 5, 2, 1, 2])
    found = confused_siblings(sampled(true, predicted), FOOD)
    assert [(one.label, one.other, one.documents) for one in found] == [
        ("Food > Tea > Green", "Food > Tea > Black", 2),
        ("Food", "Tools", 1),
        ("Food > Tea", "Food > Bread", 1),
    ]
    assert len(confused_siblings(sampled(true, predicted), FOOD, most=1)) == 1


@settings(deadline=None, max_examples=60)
@given(every_path())
def test_nodes_are_counted_as_one_would(paths: list[Path]) -> None:
    taxonomy = grown(paths)
    true, predicted = answers(taxonomy)
    named = [(*paths, ("none of the nodes",))[node] for node in true]
    guessed = [paths[node] for node in predicted]
    for one in node_figures(sampled(true, predicted), taxonomy):
        path = tuple(one.label.split(taxonomy.separator))
        under = [(a, b) for a, b in zip(named, guessed, strict=True) if a[: len(path)] == path]
        hits = sum(b[: len(path)] == path for _, b in under)
        parts = Counter(b[: len(path)] for _, b in under if b[: len(path) - 1] == path[:-1] and len(b) >= len(path))
        parts.pop(path, None)
        assert one.support == len(under)
        if under:
            assert one.estimates.recall.value == pytest.approx(hits / len(under))
        assert sorted((other.documents for other in one.confused), reverse=True) == [n for _, n in parts.most_common(3)]
    pairs = Counter[tuple[Path, Path]]()
    for a, b in zip(named, guessed, strict=True):
        if a in paths:
            place = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
            if place is not None:
                pairs[a[: place + 1], b[: place + 1]] += 1
    found = confused_siblings(sampled(true, predicted), taxonomy)
    assert [one.documents for one in found] == [n for _, n in pairs.most_common(20)]


@settings(deadline=None, max_examples=30)
@given(every_path(), st.integers(1, 12))
def test_the_macro_average_of_all_nodes_is_scikit_learns(paths: list[Path], least: int) -> None:
    taxonomy = grown(paths)
    rng = np.random.default_rng(len(paths))
    true, predicted = rng.choice(taxonomy.leaves, 60), rng.choice(taxonomy.leaves, 60)
    found = hierarchy_figures(sampled(true, predicted), taxonomy.parents, seed=0, least=least)
    rows = [[taxonomy.label(node) for node in taxonomy.ancestors(leaf)] + [taxonomy.label(leaf)] for leaf in true]
    support = Counter(label for row in rows for label in row)
    enough = sorted(label for label, n in support.items() if n >= least)
    assert found.macro_nodes == len(enough)
    if not enough:
        assert found.macro_f1 is None
        return
    guessed = [[taxonomy.label(node) for node in (*taxonomy.ancestors(leaf), leaf)] for leaf in predicted]
    # A node above the end of the other path is no error at a level that the other does not reach.
    f1 = []
    for label in enough:
        level = label.count(taxonomy.separator)
        known = [i for i, row in enumerate(rows) if len(row) > level]
        f1.append(f1_score([label in rows[i] for i in known], [label in guessed[i] for i in known]))
    assert found.macro_f1 is not None
    assert found.macro_f1.value == pytest.approx(np.mean(f1))
    assert found.macro_f1.low <= found.macro_f1.value <= found.macro_f1.high


def test_levels_have_their_sizes_and_a_sample_without_an_error_an_interval() -> None:
    found = taxonomy_figures(sampled(np.full(12, 2), np.full(12, 2)), FOOD, seed=0)
    assert [(one.level, one.size, one.nodes) for one in found.levels] == [(1, 2, 1), (2, 2, 1), (3, 2, 1)]
    assert (found.macro_nodes, found.least) == (3, 10)
    assert found.macro_f1 is not None
    assert found.macro_f1.value == 1
    assert 0.5 < found.macro_f1.low < 1


def test_a_resample_in_which_no_averaged_node_occurs_is_left_out() -> None:
    """Only one of four documents has a node at all, so that a third of the resamples have none."""
    taxonomy = read_lines("A > a\nB", "t.txt")
    true, predicted = np.array([1, 3, 3, 3]), np.full(4, -1)
    found = hierarchy_figures(sampled(true, predicted), taxonomy.parents, seed=0, least=1)
    assert found.macro_f1 is not None
    assert (found.macro_f1.value, found.macro_f1.low, found.macro_f1.high) == (0, 0, 0)
