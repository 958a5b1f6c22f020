"""The best mix of trusted and cheap answers: by brute force, and against simulated variances."""

from math import inf

import numpy as np
import pytest

from laud_ray.quality.oracles.split import best_split, correlation
from laud_ray.types import Estimate


def at(rho: float) -> Estimate:
    return Estimate(rho, rho, rho, 100)


def test_the_published_example_halves_the_money() -> None:
    """A correlation of 0.7, a trusted answer for $0.50 and a cheap one for $0.00005: 0.52 of the money."""
    found = best_split(at(0.7), 0.00005, 0.5)
    assert found.worth
    assert found.cost == pytest.approx((0.51**0.5 + 0.7 * 0.01) ** 2)
    assert found.cost == pytest.approx(0.52, abs=0.005)
    assert found.ratio == pytest.approx((0.51 * 0.00005 / (0.49 * 0.5)) ** 0.5)


def test_no_other_mix_of_the_same_variance_costs_less() -> None:
    rho, cheap, trusted = 0.8, 0.02, 0.5
    found = best_split(at(rho), cheap, trusted)
    assert found.of_100 is not None
    few = np.linspace(20, 100, 100_000)
    many = rho**2 / np.maximum(1 / 100 - (1 - rho**2) / few, 1e-12)
    costs = np.where((many >= few), few * trusted + many * cheap, inf)
    best = int(costs.argmin())
    assert found.cost == pytest.approx(costs[best] / (100 * trusted), rel=1e-4)
    assert found.of_100 == (pytest.approx(few[best], abs=1.5), pytest.approx(many[best], abs=3))


@pytest.mark.parametrize("rho", [0.2, 0.6, 0.95])
def test_a_mix_is_worth_it_from_its_break_even_on(rho: float) -> None:
    times = best_split(at(rho), None, 1.0).break_even
    assert best_split(at(rho), 1.0, times * 1.001).worth is True
    assert best_split(at(rho), 1.0, times * 0.999).worth is False


def test_without_correlation_or_prices() -> None:
    assert best_split(at(0.0), 0.1, 0.5).worth is False
    assert best_split(at(0.0), None, None).break_even == inf
    unknown = best_split(at(0.5), 0.1, None)
    assert (unknown.worth, unknown.cost, unknown.ratio) == (None, None, None)
    assert best_split(at(0.9), 0.0, 0.5).cost == pytest.approx(1 - 0.81), "cheap answers for nothing"
    assert best_split(at(0.9), 0.1, 0.0).worth is False, "trusted answers for nothing"


def test_the_correlation_is_pearsons() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(300) < 0.8
    second = np.where(rng.random(300) < 0.7, first, rng.random(300) < 0.8)
    found = correlation(first, second, np.ones(300), seed=1)
    assert found is not None
    assert found.value == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert found.low < found.value < found.high
    assert correlation(np.ones(9, np.bool_), second[:9], np.ones(9), seed=0) is None


def test_a_mean_of_such_a_mix_has_the_variance_of_the_formula() -> None:
    """Two-phase regression: many cheap verdicts, few of them with a trusted one too."""
    rng, few, many, found = np.random.default_rng(5), 60, 600, []
    chance = 0.75
    for _ in range(4000):
        truth = rng.random(many) < chance
        cheap = np.where(rng.random(many) < 0.8, truth, rng.random(many) < chance)
        slope = 0.8  # cov / var of the verdicts
        found.append(truth[:few].mean() - slope * (cheap[:few].mean() - cheap.mean()))
    rho = 0.8
    expected = chance * (1 - chance) * ((1 - rho**2) / few + rho**2 / many)
    assert np.var(found) == pytest.approx(expected, rel=0.08)
