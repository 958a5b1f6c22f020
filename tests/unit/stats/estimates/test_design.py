"""Designs of a sample against closed forms and SciPy."""

import math

import pytest
from scipy.stats import binomtest

from laud_ray.stats.estimates.design import best_ratio, best_split, exact_interval, relative_cost, split


@pytest.mark.parametrize(("hits", "n"), [(255, 300), (0, 20), (20, 20), (1, 1), (7, 50)])
def test_the_exact_interval_is_that_of_clopper_and_pearson(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(method="exact")
    assert exact_interval(hits / n, n) == pytest.approx((expected.low, expected.high))


def test_without_an_error_the_upper_limit_is_one_and_the_lower_has_a_closed_form() -> None:
    low, high = exact_interval(1.0, 100)
    assert high == 1.0
    assert low == pytest.approx(0.025 ** (1 / 100))


@pytest.mark.parametrize(("accuracy", "n"), [(1.1, 10), (-0.1, 10), (0.5, 0)])
def test_an_impossible_sample_is_refused(accuracy: float, n: float) -> None:
    with pytest.raises(ValueError, match="expected an accuracy"):
        exact_interval(accuracy, n)


def test_half_the_money_with_a_cheap_oracle_that_correlates_by_seven_tenths() -> None:
    cheap, trusted, rho = 0.00005, 0.5, 0.7
    found = best_split(300, cheap, trusted, rho, most=10**9)
    share = found.dollars(cheap, trusted) / (300 * trusted)
    assert share == pytest.approx((math.sqrt(0.51 * 0.5) + 0.7 * math.sqrt(0.00005)) ** 2 / 0.5)
    assert share == pytest.approx(relative_cost(cheap, trusted, rho))
    assert share == pytest.approx(0.52, abs=0.001)
    assert found.trusted / found.cheap == pytest.approx(math.sqrt(0.51 * cheap / (0.49 * trusted)))
    assert split(found.trusted, found.cheap, rho).effective == pytest.approx(300)


def test_no_other_split_with_that_variance_costs_less() -> None:
    cheap, trusted, rho = 0.01, 0.2, 0.8
    best = best_split(200, cheap, trusted, rho, most=10**9)
    for factor in (0.5, 0.8, 1.25, 2.0):
        documents = best.cheap * factor
        needed = (1 - rho**2) / (1 / 200 - rho**2 / documents)
        assert split(needed, documents, rho).effective == pytest.approx(200)
        assert documents * cheap + needed * trusted >= best.dollars(cheap, trusted)


def test_a_small_corpus_needs_more_trusted_answers() -> None:
    found = best_split(300, 0.00005, 0.5, 0.7, most=3000)
    assert found.cheap == 3000
    assert found.trusted == pytest.approx(0.51 / (1 / 300 - 0.49 / 3000))
    assert found.effective == 300


def test_free_answers_are_asked_about_every_document() -> None:
    found = best_split(300, 0.0, 0.5, 0.7, most=6000)
    assert found.cheap == 6000
    assert best_ratio(0.0, 0.5, 0.7) == 0


def test_a_cheap_oracle_that_is_dear_or_says_nothing_is_not_asked() -> None:
    assert relative_cost(0.4, 0.5, 0.3) > 1
    assert best_split(300, 0.4, 0.5, 0.3, most=6000).trusted == 300
    assert best_split(300, 0.0001, 0.5, 0.0, most=6000).trusted == 300


def test_a_split_with_more_trusted_than_cheap_answers_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 < n <= N"):
        split(20, 10, 0.5)
