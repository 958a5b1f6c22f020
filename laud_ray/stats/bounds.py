"""Exact one-sided 95 % bounds of a share, from n documents of which some are right. SciPy."""

from functools import lru_cache

import scipy

ERROR = 0.05


def lower_bound(agreeing: int, n: int) -> float:
    """Return the exact one-sided 95 % lower bound of a share, given `agreeing` of n sampled rows.

    It is the share at which `agreeing` or more of n rows agree with a probability of 5 %. Whatever the true share is,
    the bound exceeds it with a probability of 5 % at most.

    Clopper and Pearson (1934), "The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial".

    Raises:
        ValueError: unless 0 <= agreeing <= n and n >= 1.
    """
    if not 0 <= agreeing <= n or n < 1:
        raise ValueError(f"agreeing = {agreeing}, n = {n}; expected 0 <= agreeing <= n and n >= 1")
    # scipy.stats.binomtest gives the same bound, but its import takes 1.2 s, and that of scipy.special 0.2 s.
    return float(scipy.special.betaincinv(agreeing, n - agreeing + 1, ERROR)) if agreeing else 0.0


@lru_cache(maxsize=64)
def most_disagreements(n: int, agreement: float) -> int:
    """Return the most disagreements in n rows at which the lower bound still reaches `agreement`; -1 if none."""
    low, high = -1, int(n * (1 - agreement)) + 2  # the bound is below the measured share, so that it cannot be more
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if lower_bound(n - middle, n) >= agreement else (low, middle)
    return low


def tail(right: float, n: float, wanted: float) -> float:
    """Return the probability of at least `right` right ones of n, where each is right with the probability `wanted`.

    It is the p-value of the hypothesis that the share is at most `wanted`; at 5 % or less, `lower_bound` reaches it.
    Documents of unequal weight count as fewer ones, which need not be a whole number.
    """
    return 1.0 if right <= 0 else float(scipy.special.betainc(right, n - right + 1, wanted))
