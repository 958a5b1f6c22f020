"""Estimates against hand-computed values, SciPy, and simulated populations."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from laud_ray.stats import Sample, estimate_accuracy, estimate_macro_f1, figures
from laud_ray.stats.metrics import confusion, macro_f1
from laud_ray.types import Estimate


def counted(correct: Sequence[int], sampled: Sequence[int], sizes: Mapping[int, int] | None = None) -> Sample:
    """Return a sample with so many correct documents of those sampled from each stratum."""
    right = np.concatenate([np.arange(n) < c for c, n in zip(correct, sampled, strict=True)])
    strata = np.repeat(np.arange(len(sampled)), sampled)
    return Sample(np.ones(len(right), int), right.astype(int), np.full(len(right), 0.5), strata, sizes)


def labelled(n: int, k: int, sizes: Mapping[int, int] | None = None, seed: int = 0) -> Sample:
    """Return a sample of k classes, about 70 % of it correct, dealt out evenly to the strata."""
    rng = np.random.default_rng(seed)
    true = rng.integers(k, size=n)
    predicted = np.where(rng.random(n) < 0.7, true, rng.integers(k, size=n))
    return Sample(true, predicted, rng.random(n), np.arange(n) % len(sizes or [0]), sizes)


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (7, 10), (10, 10), (1, 1), (281, 300)])
def test_one_stratum_without_end_has_wilsons_interval(correct: int, n: int) -> None:
    expected = binomtest(correct, n).proportion_ci(method="wilson")
    estimate = estimate_accuracy(counted([correct], [n]))
    assert estimate.value == correct / n
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    assert estimate.n == n


def test_a_sample_that_is_most_of_the_corpus_is_surer() -> None:
    # 60 of 80 from 101 documents: the correction (101 - 80) / 100 makes 80 count as 80 / 0.21.
    estimate = estimate_accuracy(counted([60], [80], {0: 101}))
    n, z = 80 / 0.21, 1.959964
    centre = (0.75 + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(0.75 * 0.25 / n + z**2 / (4 * n**2))
    assert (estimate.low, estimate.high) == pytest.approx((centre - half, centre + half))


def test_strata_count_by_their_size_in_the_corpus() -> None:
    estimate = estimate_accuracy(counted([45, 10], [50, 50], {0: 900, 1: 100}))
    assert estimate.value == pytest.approx(0.9 * 45 / 50 + 0.1 * 10 / 50)


def test_large_strata_have_cochrans_standard_error() -> None:
    estimate = estimate_accuracy(counted([2700, 800], [3000, 2000], {0: 900_000, 1: 100_000}))
    variance = 0.9**2 * 0.9 * 0.1 / 3000 + 0.1**2 * 0.4 * 0.6 / 2000
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.02)


@pytest.mark.parametrize(
    "sample",
    [
        counted([5], [5], {0: 5}),
        counted([0], [5], {0: 5}),
        counted([1], [1], {0: 1}),
        counted([30, 5], [30, 5], {0: 5000, 1: 5}),
        counted([0, 0], [1, 1], {0: 5000, 1: 1}),
        counted([2, 0], [2, 2], {0: 9, 1: 9}),
    ],
)
def test_no_interval_is_empty_or_leaves_the_range(sample: Sample) -> None:
    estimate = estimate_accuracy(sample)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.low < estimate.high


POPULATIONS = [
    ([10_000], [300], [0.8]),
    ([10_000], [300], [0.98]),
    ([400], [300], [0.8]),
    ([9_000, 1_000], [200, 100], [0.95, 0.5]),
    ([9_000, 1_000], [250, 50], [0.7, 0.99]),
    ([9_900, 100], [250, 50], [0.9, 0.3]),
    ([5_000, 3_000, 1_500, 400, 100], [60] * 5, [0.95, 0.9, 0.8, 0.6, 0.3]),
]


@pytest.mark.parametrize(("sizes", "sampled", "shares"), POPULATIONS)
def test_the_accuracy_interval_covers_the_truth_and_the_value_is_unbiased(
    sizes: list[int], sampled: list[int], shares: list[float]
) -> None:
    rng = np.random.default_rng(1)
    correct = [round(size * share) for size, share in zip(sizes, shares, strict=True)]
    truth = sum(correct) / sum(sizes)
    wrong = np.subtract(sizes, correct)
    estimates = [
        estimate_accuracy(
            counted(rng.hypergeometric(correct, wrong, sampled).tolist(), sampled, dict(enumerate(sizes)))
        )
        for _ in range(1000)
    ]
    coverage = np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])
    values = np.array([estimate.value for estimate in estimates])
    assert 0.93 <= coverage <= 0.98
    assert abs(values.mean() - truth) < 3.5 * values.std() / np.sqrt(len(values))


def test_macro_f1_is_the_weighted_one() -> None:
    sample = labelled(300, 20, {0: 1000, 1: 100, 2: 3000})
    expected = f1_score(sample.true, sample.predicted, average="macro", sample_weight=sample.weights, zero_division=0)
    assert sample.weights[:3] == pytest.approx([10, 1, 30])
    assert estimate_macro_f1(sample, 20, seed=0).value == pytest.approx(expected)


def test_macro_f1_depends_on_the_seed_alone() -> None:
    sample = labelled(100, 5)
    first, again, other = (estimate_macro_f1(sample, 5, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.low == pytest.approx(other.low, abs=0.03)


@pytest.mark.parametrize(("n", "k"), [(1, 2), (3, 2), (20, 100), (300, 167), (300, 2)])
@pytest.mark.parametrize("seed", range(5))
def test_the_macro_f1_interval_holds_the_value(n: int, k: int, seed: int) -> None:
    estimate = estimate_macro_f1(labelled(n, k, seed=seed), k, seed=seed, replicates=100)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_the_macro_f1_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    k, strata = 10, np.repeat([0, 1], [200, 100])
    true = rng.choice(k, 20_000, p=np.arange(1, k + 1) / 55)
    predicted = np.where(rng.random(20_000) < 0.8, true, rng.integers(k, size=20_000))
    rare = np.flatnonzero(true < 3)
    parts = [np.setdiff1d(np.arange(20_000), rare), rare]
    truth = macro_f1(confusion(true, predicted, k))
    covered = []
    for seed in range(100):
        rows = np.concatenate([rng.choice(parts[0], 200), rng.choice(parts[1], 100)])
        sizes = {0: len(parts[0]), 1: len(parts[1])}
        sample = Sample(true[rows], predicted[rows], np.ones(300), strata, sizes)
        estimate = estimate_macro_f1(sample, k, seed=seed, replicates=200)
        covered.append(estimate.low <= truth <= estimate.high)
    assert 0.9 <= np.mean(covered) <= 0.99


def test_the_macro_f1_interval_narrows_with_the_sample() -> None:
    small, large = (estimate_macro_f1(labelled(n, 5), 5, seed=0) for n in (100, 1600))
    assert large.high - large.low == pytest.approx((small.high - small.low) / 4, rel=0.3)


def test_a_sample_without_an_error_does_not_prove_perfection() -> None:
    labels = np.array([0, 1, 2, 2])
    sample = Sample(labels, labels, np.ones(4), np.zeros(4, int), None)
    assert estimate_macro_f1(sample, 3, seed=0) == Estimate(1.0, estimate_accuracy(sample).low, 1.0, 4)


def test_a_rare_class_of_which_all_is_right_leaves_the_macro_f1_open() -> None:
    true = (np.arange(100) < 5).astype(int)
    found = figures(Sample(true, true, np.full(100, 0.9), np.zeros(100, int), None), ["other", "rare"], seed=0)
    rare = found.per_class[1].estimates
    assert rare is not None
    assert found.macro_f1.low <= 1 - (1 - rare.f1.low) / 2 < found.accuracy.low
    assert found.macro_f1.high == 1


def test_macro_f1_of_many_classes_is_fast() -> None:
    sample = labelled(300, 167)
    started = time.perf_counter()
    estimate_macro_f1(sample, 167, seed=0)
    assert time.perf_counter() - started < 1


def test_figures_hold_the_weighted_table() -> None:
    sample = labelled(200, 4, {0: 1000, 1: 200})
    found = figures(sample, ["a", "b", "c", "d", "never"], seed=3)
    expected = precision_recall_fscore_support(
        sample.true, sample.predicted, labels=range(5), sample_weight=sample.weights, zero_division=0
    )
    table = [(row.precision, row.recall, row.f1) for row in found.per_class]
    assert np.array(table) == pytest.approx(np.array(expected[:3]).T)
    assert [row.label for row in found.per_class] == ["a", "b", "c", "d", "never"]
    assert [row.support for row in found.per_class] == np.bincount(sample.true, minlength=5).tolist()
    assert found.n == 200
    assert found.accuracy == estimate_accuracy(sample)
    assert found.macro_f1 == estimate_macro_f1(sample, 5, seed=3)


def test_figures_weigh_the_calibration_error() -> None:
    # Correct at confidence 0.9 in the stratum of 90, wrong at 0.4 in the stratum of 10.
    sample = Sample(np.array([0, 0]), np.array([0, 1]), np.array([0.9, 0.4]), np.array([7, 8]), {7: 90, 8: 10})
    assert figures(sample, ["a", "b"], seed=0).calibration_error == pytest.approx(0.9 * 0.1 + 0.1 * 0.4)


def test_bad_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="stratum 0 has 5 documents in the sample; expected at most 4"):
        counted([1], [5], {0: 4})
    with pytest.raises(ValueError, match="stratum 1 has 5 documents in the sample; expected at most 0"):
        counted([1, 1], [5, 5], {0: 9})
    with pytest.raises(ValueError, match="stratum 1 holds 9 documents; expected at least 1 of them"):
        counted([1], [5], {0: 9, 1: 9})
    with pytest.raises(ValueError, match="the sample has 2 strata and no sizes"):
        counted([1, 1], [5, 5])
    with pytest.raises(ValueError, match=r"have \[2, 1, 2, 2\] documents; expected the same number"):
        Sample(np.array([0, 0]), np.array([0]), np.ones(2), np.zeros(2, int), None)
    with pytest.raises(ValueError, match="at least 1"):
        counted([0], [0])


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"label 4 is outside \[0, 4\)"):
        figures(labelled(100, 5), ["a", "b", "c", "d"], seed=0)
    with pytest.raises(ValueError, match="replicates is 0; expected at least 1"):
        estimate_macro_f1(labelled(10, 2), 2, seed=0, replicates=0)


def test_a_stratum_without_documents_needs_no_sample() -> None:
    assert estimate_accuracy(counted([4], [5], {0: 50, 1: 0})).value == pytest.approx(0.8)
