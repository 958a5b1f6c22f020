"""The price of a right label, by hand."""

from math import inf

import numpy as np
import pytest

from laud_ray.quality.oracles.worth import effective, information, per_right
from laud_ray.types import Estimate


def test_a_right_label_costs_more_the_fewer_are_right() -> None:
    found = per_right(0.02, Estimate(0.8, 0.5, 1.0, 40))
    assert (found.value, found.low, found.high, found.n) == pytest.approx((0.025, 0.02, 0.04, 40))


def test_where_everything_is_right_a_right_label_costs_what_a_label_does() -> None:
    right = Estimate(1.0, 1.0, 1.0, 100)
    assert per_right(0.3, right) == effective(0.3, right, 7) == Estimate(0.3, 0.3, 0.3, 100)


def test_nothing_bounds_the_price_where_nothing_may_be_right() -> None:
    assert per_right(0.02, Estimate(0.0, 0.0, 0.25, 9)) == Estimate(inf, 0.08, inf, 9)
    found = effective(0.02, Estimate(0.5, 0.4, 0.75, 9), 2)
    assert (found.value, found.low, found.high) == (inf, pytest.approx(0.08), inf)


def test_information_is_that_of_the_formula() -> None:
    """E = 0.1: of two classes (1 - 0.2)² = 0.64, of ten (1 - 0.1 * 10 / 9)²."""
    assert information(0.9, 2) == pytest.approx(0.64)
    assert information(0.9, 10) == pytest.approx((1 - 1 / 9) ** 2)
    assert information(1.0, 5) == 1
    assert information(0.2, 5) == information(0.1, 5) == 0, "chance, and below it"
    with pytest.raises(ValueError, match="classes is 1; expected at least 2"):
        information(0.9, 1)


def test_information_is_what_a_mean_keeps() -> None:
    """A share is estimated from noisy labels by (share - e) / (1 - 2 e); its variance is 1 / f times larger."""
    rng, k, e, n = np.random.default_rng(0), 2, 0.2, 400
    right = rng.random((4000, n)) < 0.5
    noisy = right ^ (rng.random((4000, n)) < e)
    b = 1 - e * k / (k - 1)
    ratio = np.var((noisy.mean(1) - e) / b) / np.var(right.mean(1))
    assert ratio == pytest.approx(1 / information(1 - e, k), rel=0.1)
