"""Figures in a taxonomy: by hand, against hiclass, against the flat ones, and intervals on simulated populations."""

import numpy as np
import pytest
from hiclass import metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.stats import Sample, estimate_accuracy, estimate_macro_f1
from laud_ray.stats.hierarchy import hierarchy_figures
from laud_ray.taxonomy.lineage import lineages
from laud_ray.types import Estimate, HierarchyFigures
from tests.unit.stats.hierarchy.trees import answered, grown, sampled

# 0 food > 1 tea > (2 green, 3 black), 4 bread; 5 tools
FOOD = np.array([-1, 0, 1, 1, 0, -1])


def found(true: list[int], predicted: list[int], least: int = 10) -> HierarchyFigures:
    return hierarchy_figures(sampled(np.array(true), np.array(predicted)), FOOD, seed=0, least=least)


def test_a_right_leaf_an_answer_that_backs_off_a_sibling_and_none() -> None:
    figures = found([2, 2, 2, 2], [2, 1, 3, -1])
    assert figures.accuracy.value == 1 / 4
    # Right nodes 3 + 2 + 2 + 0 of the predicted 3 + 2 + 3 + 0 and the true 3 * 4.
    assert figures.precision.value == pytest.approx(7 / 8)
    assert figures.recall.value == pytest.approx(7 / 12)
    assert figures.f1.value == pytest.approx(2 * 7 / (8 + 12))
    assert figures.common_depth.value == pytest.approx(7 / 4)
    assert figures.backed_off.value == 1 / 4
    assert [one.value for one in figures.answered] == [1 / 4, 0, 1 / 4, 2 / 4]
    assert [(one.accuracy.value, one.accuracy.n) for one in figures.levels] == [(1, 3), (1, 3), (1 / 2, 2)]
    assert [one.coverage.value for one in figures.levels] == [3 / 4, 3 / 4, 2 / 4]


def test_a_true_node_counts_at_the_levels_that_it_reaches() -> None:
    # Tools have one level. The second document is known to be tea, not which.
    figures = found([5, 1, 2], [2, 2, 5])
    assert [one.coverage.n for one in figures.levels] == [3, 2, 1]
    assert [one.coverage.value for one in figures.levels] == [1, 1 / 2, 0]
    assert [one.accuracy.value for one in figures.levels] == [1 / 3, 1, 0]
    assert figures.levels[2].accuracy == Estimate(0, 0, 1, 0)
    # The leaf below the known tea is not known to be right.
    assert figures.precision.value == pytest.approx((0 + 2 + 0) / (3 + 3 + 1))


def test_none_of_the_nodes_is_wrong_at_every_level() -> None:
    figures = found([6, 6, 2], [2, -1, 2])
    assert figures.accuracy.value == pytest.approx(1 / 3)
    assert [one.accuracy.value for one in figures.levels] == [1 / 2] * 3
    assert [one.coverage.value for one in figures.levels] == pytest.approx([2 / 3] * 3)
    assert figures.recall.value == 1
    assert figures.precision.value == 1 / 2


def test_the_macro_average_is_over_nodes_with_enough_documents() -> None:
    figures = found([2] * 10 + [3] * 9, [2] * 8 + [3] * 2 + [3] * 9)
    top, middle, leaves = figures.levels
    assert (top.nodes, middle.nodes, leaves.nodes) == (1, 1, 1)
    assert (top.left_out, leaves.left_out) == (0, 1)
    assert leaves.macro_f1 is not None
    assert leaves.macro_f1.value == pytest.approx(2 * 8 / (8 + 10))
    both = found([2] * 10 + [3] * 9, [2] * 8 + [3] * 2 + [3] * 9, least=9).levels[2]
    assert both.macro_f1 is not None
    assert both.macro_f1.value == pytest.approx((2 * 8 / 18 + 2 * 9 / 20) / 2)
    assert found([2], [2]).levels[0].macro_f1 is None


@pytest.mark.parametrize("seed", range(5))
def test_hierarchical_figures_are_hiclass_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parents = grown(rng)
    true, predicted = answered(rng, parents, 300)
    figures, lineage = hierarchy_figures(sampled(true, predicted), parents, seed=0), lineages(parents)
    rows = [[["" if one < 0 else str(one) for one in lineage[node]] for node in nodes] for nodes in (true, predicted)]
    assert figures.precision.value == pytest.approx(reference.precision(*rows))
    assert figures.recall.value == pytest.approx(reference.recall(*rows))
    assert figures.f1.value == pytest.approx(reference.f1(*rows))


def test_a_stratum_counts_by_its_size() -> None:
    rng = np.random.default_rng(0)
    parents = grown(rng)
    true, predicted = answered(rng, parents, 60)
    strata = np.repeat([0, 1], 30)
    weighted = hierarchy_figures(sampled(true, predicted, strata, np.array([900, 300])), parents, seed=0)
    times = np.where(strata == 0, 3, 1)
    repeated = hierarchy_figures(sampled(np.repeat(true, times), np.repeat(predicted, times)), parents, seed=0)
    for name in ("accuracy", "precision", "recall", "f1", "common_depth", "backed_off"):
        assert getattr(weighted, name).value == pytest.approx(getattr(repeated, name).value)
    for one, other in zip(weighted.levels, repeated.levels, strict=True):
        assert one.accuracy.value == pytest.approx(other.accuracy.value)
        assert one.coverage.value == pytest.approx(other.coverage.value)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_a_flat_taxonomy_has_the_flat_figures(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    true = np.concatenate([np.repeat(np.arange(k), 10), rng.integers(k, size=40)])
    predicted = np.where(rng.random(len(true)) < 0.7, true, rng.integers(k, size=len(true)))
    sample = sampled(true, predicted, np.arange(len(true)) % 2, np.array([5000, 900]))
    figures = hierarchy_figures(sample, np.full(k, -1), seed=seed)
    plain = estimate_accuracy(sample)
    assert figures.accuracy == plain
    for one in (figures.precision, figures.recall, figures.f1, figures.common_depth, figures.levels[0].accuracy):
        assert one.value == pytest.approx(plain.value)
        assert (one.low, one.high) == pytest.approx((plain.low, plain.high), abs=0.02)
    assert figures.levels[0].macro_f1 == estimate_macro_f1(sample, k + 1, seed=seed, averaged=k)
    assert (figures.levels[0].nodes, figures.levels[0].left_out) == (k, 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_documents_does_not_matter_and_all_shares_add_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parents = grown(rng)
    true, predicted = answered(rng, parents, 80)
    strata, sizes, order = rng.integers(2, size=80), np.array([4000, 700]), rng.permutation(80)
    figures = hierarchy_figures(sampled(true, predicted, strata, sizes), parents, seed=0, least=1000)
    mixed = hierarchy_figures(sampled(true[order], predicted[order], strata[order], sizes), parents, seed=0, least=1000)
    for one, other in zip(every(figures), every(mixed), strict=True):
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))
        assert one.low <= one.value <= one.high
    assert sum(one.value for one in figures.answered) == pytest.approx(1)
    assert figures.accuracy.value <= figures.recall.value + 1e-9 or not figures.common_depth.value


def every(figures: HierarchyFigures) -> list[Estimate]:
    plain = [figures.accuracy, figures.precision, figures.recall, figures.f1, figures.common_depth, figures.backed_off]
    return [*plain, *figures.answered, *(one for level in figures.levels for one in (level.accuracy, level.coverage))]


@pytest.mark.parametrize("right", [0.4, 0.97])
def test_intervals_cover_the_population(right: float) -> None:
    """400 samples of 200 documents from two strata of 20,000: an interval covers in about 95 % of them."""
    rng, size = np.random.default_rng(1), 20_000
    parents = grown(rng, k=60)
    true, predicted = answered(rng, parents, size, none=0.05)
    predicted = np.where(rng.random(size) < right, true, predicted)
    hard = ((true % 7 == 0) | (rng.random(size) < 0.05)).astype(int)
    groups = [np.flatnonzero(hard == h) for h in (0, 1)]
    sizes = np.array([len(one) for one in groups])
    truth = every(hierarchy_figures(sampled(true, predicted), parents, seed=0, least=size))
    strata, covered = np.repeat([0, 1], [120, 80]), np.zeros(len(truth))
    for _ in range(400):
        rows = np.concatenate([rng.choice(one, n, replace=False) for one, n in zip(groups, (120, 80), strict=True)])
        drawn = hierarchy_figures(sampled(true[rows], predicted[rows], strata, sizes), parents, seed=0, least=size)
        covered += [
            one.low - 1e-9 <= other.value <= one.high + 1e-9 for one, other in zip(every(drawn), truth, strict=True)
        ]
    # The first is accuracy, whose interval has tests of its own. Of one figure, 400 samples tell 2 % of coverage.
    assert 0.94 <= (covered[1:] / 400).mean() <= 0.975
    assert (covered[1:] / 400).min() >= 0.91


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([7], [0], "true nodes range from 7 to 7; expected 0 to 6"),
        ([-1], [0], "true nodes range from -1 to -1; expected 0 to 6"),
        ([0], [6], "predicted nodes range from 6 to 6; expected -1 to 5"),
        ([0], [-2], "predicted nodes range from -2 to -2; expected -1 to 5"),
    ],
)
def test_nodes_outside_the_taxonomy_are_refused(true: list[int], predicted: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        found(true, predicted)


def test_no_nodes_and_no_documents_for_a_node_are_refused() -> None:
    nothing = Sample(np.zeros(1, int), np.zeros(1, int), np.ones(1), np.zeros(1, int), None)
    with pytest.raises(ValueError, match="0 nodes, least = 10"):
        hierarchy_figures(nothing, np.zeros(0, int), seed=0)
    with pytest.raises(ValueError, match="6 nodes, least = 0"):
        hierarchy_figures(nothing, FOOD, seed=0, least=0)


def test_a_path_that_ends_outside_is_right_at_the_levels_that_the_taxonomy_has() -> None:
    # 0 food > 1 tea > (2 green, 3 black), and outside: 6 below tea, 7 below that; 8 > 9 at the top; 10 is no path.
    parents = np.array([*FOOD, 1, 6, -1, 8])
    true, predicted = [6, 7, 6, 9, 10, 2], [2, 3, 5, 5, 2, 2]
    figures = hierarchy_figures(sampled(np.array(true), np.array(predicted)), parents, seed=0, outside=4)
    # Of the true 3 + 4 + 3 + 2 + 0 + 3 nodes and the predicted 3 + 3 + 1 + 1 + 3 + 3, 2 + 2 + 0 + 0 + 0 + 3 are right.
    assert figures.recall.value == pytest.approx(7 / 15)
    assert figures.precision.value == pytest.approx(7 / 14)
    assert figures.f1.value == pytest.approx(2 * 7 / (15 + 14))
    assert figures.common_depth.value == pytest.approx(7 / 6)
    assert figures.accuracy.value == pytest.approx(1 / 6)
    assert figures.backed_off.value == 0
    assert [(one.accuracy.n, one.accuracy.value) for one in figures.levels] == [
        (6, pytest.approx(3 / 6)),
        (4, pytest.approx(3 / 4)),  # two are answered as tools, which end at level 1
        (4, pytest.approx(1 / 4)),
    ]
    assert len(figures.answered) == 4


def test_nodes_outside_are_in_no_macro_average() -> None:
    parents = np.array([*FOOD, 1])
    true, predicted = np.array([2] * 10 + [6] * 10), np.array([2] * 20)
    figures = hierarchy_figures(sampled(true, predicted), parents, seed=0, outside=1)
    leaves = figures.levels[2]
    assert leaves.macro_f1 is not None
    assert (leaves.nodes, leaves.left_out, leaves.macro_f1.value) == (1, 0, pytest.approx(2 * 10 / (10 + 20)))
    assert figures.macro_nodes == 3
    with pytest.raises(ValueError, match="predicted nodes range from 2 to 6; expected -1 to 5"):
        hierarchy_figures(sampled(true, np.array([2] * 19 + [6])), parents, seed=0, outside=1)


@pytest.mark.parametrize("seed", range(3))
def test_figures_with_nodes_outside_are_hiclass_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parents = grown(rng)
    outside = rng.integers(-1, len(parents), 15)
    every = np.concatenate([parents, outside, len(parents) + np.arange(5)])
    true, predicted = rng.integers(len(every), size=300), rng.integers(len(parents), size=300)
    found, lineage = hierarchy_figures(sampled(true, predicted), every, seed=0, outside=20), lineages(every)
    rows = [[["" if one < 0 else str(one) for one in lineage[node]] for node in nodes] for nodes in (true, predicted)]
    assert found.precision.value == pytest.approx(reference.precision(*rows))
    assert found.recall.value == pytest.approx(reference.recall(*rows))
    assert found.f1.value == pytest.approx(reference.f1(*rows))
