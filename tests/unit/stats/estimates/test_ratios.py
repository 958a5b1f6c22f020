"""Ratios of sums against shares, closed forms and simulated samples."""

import numpy as np
import pytest

from laud_ray.stats import Sample
from laud_ray.stats.estimates.shares import estimate_ratio, share_limits
from laud_ray.types import Estimate, Floats, Indices


def drawn(strata: Indices, sizes: dict[int, int] | None = None) -> Sample:
    n = len(strata)
    return Sample(np.zeros(n, int), np.zeros(n, int), np.ones(n), strata, sizes)


@pytest.mark.parametrize("right", [0.0, 0.02, 0.6, 1.0])
def test_where_wholes_are_0_or_1_it_is_a_share(right: float) -> None:
    rng = np.random.default_rng(0)
    strata, sizes = np.repeat([0, 1, 2], [50, 40, 30]), {0: 900, 1: 100, 2: 30}
    whole = (rng.random(120) < 0.7).astype(float)
    part = whole * (rng.random(120) < right)
    hits, inside, n = (np.bincount(strata, one) for one in (part, whole, np.ones(120)))
    unseen, anywhere = drawn(strata, sizes).unseen, np.ones(3, np.bool_)
    expected = share_limits(hits, inside - hits, np.array([900.0, 100, 30]), n, unseen, anywhere, anywhere)
    found = estimate_ratio(drawn(strata, sizes), part, whole)
    assert (found.value, found.low, found.high) == pytest.approx(tuple(float(one) for one in expected))
    assert found.n == whole.sum()


def test_large_samples_have_the_delta_methods_standard_error() -> None:
    rng = np.random.default_rng(1)
    whole = rng.integers(1, 6, 20_000).astype(float)
    part = rng.binomial(whole.astype(int), 0.7).astype(float)
    found = estimate_ratio(drawn(np.zeros(20_000, int)), part, whole)
    ratio = part.sum() / whole.sum()
    deviation = np.std(part - ratio * whole) / whole.mean() / np.sqrt(20_000)
    assert found.value == pytest.approx(ratio)
    assert found.high - found.low == pytest.approx(2 * 1.96 * deviation, rel=0.01)


def test_a_ratio_depends_on_no_unit() -> None:
    rng = np.random.default_rng(2)
    whole: Floats = rng.random(50) + 0.1
    part, sample = whole * rng.random(50), drawn(np.zeros(50, int))
    one, other = estimate_ratio(sample, part, whole), estimate_ratio(sample, 7 * part, 7 * whole)
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_the_interval_covers_the_ratio_of_a_population(share: float) -> None:
    rng, size = np.random.default_rng(3), 10_000
    whole = rng.integers(0, 5, size)
    part = rng.binomial(whole, share)
    truth, covered = part.sum() / whole.sum(), list[bool]()
    for _ in range(600):
        rows = rng.choice(size, 100, replace=False)
        found = estimate_ratio(drawn(np.zeros(100, int), {0: size}), part[rows] * 1.0, whole[rows] * 1.0)
        covered.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.98


def test_nothing_to_measure_leaves_the_ratio_open() -> None:
    sample = drawn(np.zeros(3, int))
    assert estimate_ratio(sample, np.zeros(3), np.zeros(3)) == Estimate(0.0, 0.0, 1.0, 0)
    assert estimate_ratio(sample, np.zeros(3), np.ones(3)).low == 0
    assert estimate_ratio(sample, np.ones(3), np.ones(3)).high == 1


def test_bad_parts_are_refused() -> None:
    sample = drawn(np.zeros(2, int))
    for part, whole in (([2.0, 0], [1.0, 1]), ([-1.0, 0], [1.0, 1]), ([0.0], [1.0, 1])):
        with pytest.raises(ValueError, match="each part in"):
            estimate_ratio(sample, np.array(part), np.array(whole))
