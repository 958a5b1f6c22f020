"""Thresholds by brute force, and their promise in simulations."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from laud_ray.quality.oracles.thresholds import calibrate, curve, reach_alone, reach_followed
from laud_ray.stats.bounds import lower_bound, tail
from laud_ray.types import Bools, Floats


def sure(rng: np.random.Generator, n: int, spread: float = 0.5) -> tuple[Floats, Bools]:
    """Calibrated answers: each is right with the probability of its confidence."""
    confidence = 1 - spread * rng.random(n) ** 2
    return confidence, rng.random(n) < confidence


def test_the_tail_is_that_of_the_binomial_distribution() -> None:
    for right, n, wanted in ((0, 5, 0.9), (58, 60, 0.95), (60, 60, 0.95), (100, 200, 0.5)):
        assert tail(right, n, wanted) == pytest.approx(binom.sf(right - 1, n, wanted))


def test_a_cascades_threshold_is_the_lowest_that_is_proven() -> None:
    for seed in range(20):
        confidence, right = sure(np.random.default_rng(seed), 300)
        found = reach_followed(confidence, right, 0.9)
        passed = [
            one
            for one in (0.0, *sorted(set(confidence)))
            if lower_bound(300 - int(((confidence >= one) & ~right).sum()), 300) >= 0.9
        ]
        assert (None if found is None else found.threshold) == min(passed, default=None)


def test_an_oracles_own_threshold_is_the_lowest_that_is_rejected() -> None:
    """The closed test by which the procedure is defined: of 10 thresholds, 3 have a third of the error probability."""
    known = 0
    for seed in range(40):
        confidence, right = sure(np.random.default_rng(seed), 400, spread=0.3)
        found = reach_alone(confidence, right, 0.9)
        cuts = [float(np.sort(confidence)[::-1][40 * i - 1]) for i in range(1, 11)]
        p = [
            binomtest(int(right[confidence >= cut].sum()), int((confidence >= cut).sum()), 0.9, "greater").pvalue
            for cut in cuts
        ]
        weights = [1 / 3, 0, 0, 0, 0, 1 / 3, 0, 0, 0, 1 / 3]
        rejected = [cut for i, cut in enumerate(cuts) if all(_rejects(one, p, weights) for one in _sets_with(i))]
        assert (None if found is None else found.threshold) == min(rejected, default=None)
        if found is not None:
            known += 1
            kept = confidence >= found.threshold
            assert (found.share, found.accuracy) == (pytest.approx(kept.mean()), pytest.approx(right[kept].mean()))
    assert known > 20


def _sets_with(i: int) -> list[tuple[int, ...]]:
    """All sets of the ten hypotheses with one of them."""
    return [one for one in product((0, 1), repeat=10) if one[i]]


def _rejects(some: tuple[int, ...], p: list[float], weights: list[float]) -> bool:
    """Whether the intersection of hypotheses is rejected: each has its weight, and those of the ones missing before it.

    It is a weighted Bonferroni test, since the weights are at most 1 in all.
    """
    carried = 0.0
    for inside, one, weight in zip(some, p, weights, strict=True):
        carried += weight
        if inside:
            if one <= 0.05 * carried:
                return True
            carried = 0.0
    return False


def test_the_promises_hold() -> None:
    """Of calibrated answers the accuracy above a threshold is their mean confidence, which is known here."""
    rng, broken, given = np.random.default_rng(0), {"alone": 0, "followed": 0}, {"alone": 0, "followed": 0}
    many = 1 - 0.5 * np.random.default_rng(1).random(100_000) ** 2
    for _ in range(500):
        confidence, right = sure(rng, 250)
        alone, followed = reach_alone(confidence, right, 0.9), reach_followed(confidence, right, 0.9)
        if alone is not None:
            given["alone"] += 1
            broken["alone"] += many[many >= alone.threshold].mean() < 0.9
        if followed is not None:
            given["followed"] += 1
            broken["followed"] += 1 - np.where(many >= followed.threshold, 1 - many, 0).mean() < 0.9
    assert min(given.values()) > 250
    assert max(broken.values()) <= 0.07 * 500


def test_too_few_answers_prove_nothing() -> None:
    """With 58 right answers of 58 the exact lower bound is below 95 %, with 59 it is above."""
    for n, known in ((58, False), (59, True)):
        right = np.ones(n, np.bool_)
        assert (reach_alone(np.full(n, 0.9), right, 0.95) is not None) is known
        assert (reach_followed(np.full(n, 0.9), right, 0.95) is not None) is known
    assert reach_followed(np.full(100, 0.9), np.zeros(100, np.bool_), 0.95) is None


def test_calibration_of_known_answers() -> None:
    """Two confidences: 0.9, of which 3 of 4 are right, and 0.5, of which 1 of 4 is."""
    confidence = np.array([0.9] * 4 + [0.5] * 4)
    right = np.array([True, True, True, False, True, False, False, False])
    found = calibrate(confidence, right, 0.95)
    assert found.error == pytest.approx(0.5 * 0.15 + 0.5 * 0.25)
    assert found.auc == pytest.approx((3 * 3 + 0.5 * (3 * 1 + 1 * 3)) / 16)
    assert [(one.n, one.accuracy) for one in found.curve] == [(8, 0.5), (4, 0.75)]
    assert (found.alone, found.followed) == (None, None)
    with pytest.raises(ValueError, match="wanted is 1; expected an accuracy above 0 and below 1"):
        calibrate(confidence, right, 1)


def test_weights_count_in_the_curve() -> None:
    found = curve(np.array([0.9, 0.8]), np.array([True, False]), np.array([3.0, 1.0]), (1.0, 0.5))
    assert [(one.share, one.accuracy) for one in found] == [(1.0, 0.75), (0.75, 1.0)]
