"""What a classifier's errors dilute, and tests of assignments and of several segments."""

import numpy as np
import pytest
from scipy import stats

from laud_ray.stats.uplift import holm, sample_ratio_p, undiluted
from laud_ray.types import Estimate

LIFT = Estimate(0.18, 0.06, 0.31, 5000)


def test_a_known_precision_scales_the_lift() -> None:
    found = undiluted(LIFT, Estimate(0.9, 0.9, 0.9, 0))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.06 / 0.9, 0.31 / 0.9))
    same = undiluted(LIFT, Estimate(1.0, 1.0, 1.0, 0))
    assert (same.low, same.value, same.high) == pytest.approx((0.06, 0.18, 0.31))


@pytest.mark.parametrize(("low", "value", "high"), [(0.06, 0.18, 0.31), (-0.05, 0.1, 0.26), (-0.4, -0.25, -0.1)])
def test_limits_are_those_of_a_simulation(low: float, value: float, high: float) -> None:
    """With symmetric normal estimates, the limits are near the quantiles of the quotient."""
    rng = np.random.default_rng(0)
    half = (high - low) / 2
    value = (high + low) / 2
    p, spread = 0.85, 0.06
    quotients = rng.normal(value, half / 1.96, 400_000) / rng.normal(p, spread / 1.96, 400_000)
    found = undiluted(Estimate(value, low, high, 1), Estimate(p, p - spread, p + spread, 100))
    assert [found.low, found.high] == pytest.approx(np.quantile(quotients, [0.025, 0.975]).tolist(), abs=0.01)


def test_the_sign_of_a_limit_stays() -> None:
    """Whether a lift is shown does not depend on the precision."""
    for low, value, high in ((0.01, 0.2, 0.5), (-0.01, 0.2, 0.5), (-0.5, -0.2, 0.01), (-0.5, -0.2, -0.01)):
        for precision in (Estimate(0.5, 0.0, 1.0, 3), Estimate(0.9, 0.7, 0.98, 30), Estimate(1.0, 0.8, 1.0, 20)):
            found = undiluted(Estimate(value, low, high, 10), precision)
            assert (np.sign(found.low), np.sign(found.high)) == (np.sign(low), np.sign(high))
            assert found.low <= found.value <= found.high


def test_a_precision_outside_its_range_is_refused() -> None:
    for one in (Estimate(0.0, 0.0, 0.1, 1), Estimate(0.5, 0.6, 0.7, 1), Estimate(1.2, 0.9, 1.3, 1)):
        with pytest.raises(ValueError, match="expected 0 <= low"):
            undiluted(LIFT, one)


def test_the_sample_ratio_test_is_the_exact_binomial_one() -> None:
    assert sample_ratio_p(3048, 2952, 0.5) == pytest.approx(0.22002813461807447)  # tea-tasting 2.0.0, method binom
    assert sample_ratio_p(900, 100, 0.1) == 1
    assert sample_ratio_p(0, 12, 0.5) == pytest.approx(2 * 0.5**12)
    large = stats.chisquare([5_003_000, 4_997_000]).pvalue
    assert sample_ratio_p(5_003_000, 4_997_000, 0.5) == pytest.approx(large, rel=0.01)


@pytest.mark.parametrize(("control", "treatment", "share"), [(-1, 5, 0.5), (0, 0, 0.5), (5, 5, 0.0), (5, 5, 1.0)])
def test_a_wrong_assignment_is_refused(control: int, treatment: int, share: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        sample_ratio_p(control, treatment, share)


def test_holm_adjusts_as_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        holm([1.5])
