"""Exact bounds of a share against SciPy."""

import pytest
from scipy.stats import binom, binomtest

from laud_ray.stats.bounds import ERROR, lower_bound, most_disagreements, tail


@pytest.mark.parametrize(("agreeing", "n"), [(0, 5), (1, 5), (299, 299), (990, 1000), (3_980, 4_000), (19_850, 20_000)])
def test_the_bound_is_scipys_exact_one(agreeing: int, n: int) -> None:
    expected = binomtest(agreeing, n, alternative="greater").proportion_ci(0.95, "exact").low
    assert lower_bound(agreeing, n) == pytest.approx(expected, rel=1e-9)


def test_299_rows_without_an_error_show_99_percent_and_298_do_not() -> None:
    """The rule of three, exactly: 0.99 ** 299 < 0.05 <= 0.99 ** 298."""
    assert most_disagreements(299, 0.99) == 0
    assert most_disagreements(298, 0.99) == -1


@pytest.mark.parametrize(("n", "target"), [(1000, 0.99), (4000, 0.99), (500, 0.95), (20_000, 0.995)])
def test_the_most_disagreements_are_the_last_that_pass(n: int, target: float) -> None:
    most = most_disagreements(n, target)
    assert lower_bound(n - most, n) >= target > lower_bound(n - most - 1, n)


@pytest.mark.parametrize(("right", "n", "wanted"), [(0, 5, 0.9), (5, 5, 0.9), (95, 100, 0.9), (880, 1000, 0.85)])
def test_the_tail_is_binomial_and_the_bound_is_where_it_is_5_percent(right: int, n: int, wanted: float) -> None:
    assert tail(right, n, wanted) == pytest.approx(binom.sf(right - 1, n, wanted))
    assert (tail(right, n, wanted) <= ERROR) == (lower_bound(right, n) >= wanted)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="agreeing = 6, n = 5"):
        lower_bound(6, 5)
