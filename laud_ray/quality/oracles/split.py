"""Trusted and cheap answers for an evaluation: how many of each, and whether a mix is worth it. Pure NumPy.

n documents have an answer of both oracles. By each, a model's prediction is right or wrong; rho is the correlation of
the two. A mix of n trusted and N cheap answers, those n among them, has the variance s² ((1 - rho²) / n + rho² / N).
"""

from dataclasses import dataclass
from math import ceil, inf, sqrt

import numpy as np

from laud_ray.stats.estimates.design import best_ratio, relative_cost
from laud_ray.types import Bools, Estimate, Floats

_REPLICATES = 2000


@dataclass(frozen=True, slots=True)
class Split:
    """The cheapest mix of two oracles for the same interval.

    Attributes:
        rho: the correlation.
        ratio: trusted answers for each cheap one, n / N; None if a mix is not worth it, or a price is unknown.
        cost: what the mix costs for each dollar that trusted answers alone would; None if a price is unknown.
        worth: whether it costs less; None if a price is unknown.
        of_100: the trusted and the cheap answers of the mix with the interval of 100 trusted answers alone; None if a
            mix is not worth it, or a price is unknown.
        break_even: how many times the price of a cheap answer a trusted one must cost for a mix to be worth it;
            infinity if none is at this correlation.
    """

    rho: Estimate
    ratio: float | None
    cost: float | None
    worth: bool | None
    break_even: float
    of_100: tuple[int, int] | None = None


def correlation(by_trusted: Bools, by_cheap: Bools, weights: Floats, *, seed: int) -> Estimate | None:
    """Return the correlation of a model's being right by two oracles, with a 95 % bootstrap interval.

    Args:
        by_trusted, by_cheap: (n,) whether the model's label is that of the oracle.
        weights: (n,) documents that each represents.

    Returns:
        None if by either oracle all are right, or all wrong.
    """
    cells = 2 * by_trusted.astype(np.int64) + by_cheap
    mean = [float(weights[cells == i].mean()) if (cells == i).any() else 0.0 for i in range(4)]
    counts = np.bincount(cells, minlength=4)
    value = _phi(counts * np.array(mean))
    if not np.isfinite(value):
        return None
    drawn = np.random.default_rng(seed).multinomial(len(cells), counts / len(cells), _REPLICATES)
    replicates = _phi(drawn * np.array(mean))
    low, high = np.quantile(replicates[np.isfinite(replicates)], [0.025, 0.975]).tolist()
    return Estimate(float(value), min(low, float(value)), max(high, float(value)), len(cells))


def best_split(rho: Estimate, cheap: float | None, trusted: float | None) -> Split:
    """Return the mix that costs least for the same variance.

    The formulas are in laud_ray.stats.estimates.design; the cheap oracle also answers the n documents.

    Args:
        cheap, trusted: the prices c and C of an answer; None if unknown.
    """
    r = min(abs(rho.value), 1.0)
    alone = sqrt(max(1 - r * r, 0.0))
    # The largest c / C at which sqrt(1 - rho²) + |rho| sqrt(c / C) is 1.
    break_even = inf if r == 0 else 1 / ((1 - alone) / r) ** 2
    if cheap is None or trusted is None:
        return Split(rho, None, None, None, break_even)
    if trusted <= 0:
        return Split(rho, None, None, False, break_even)
    cost = relative_cost(cheap, trusted, r)
    if cost >= 1:
        return Split(rho, None, 1.0, False, break_even)
    of_100 = None
    if cheap:
        few, many = (100 * sqrt(cost) * part for part in (alone, r / sqrt(cheap / trusted)))
        of_100 = (ceil(round(few, 6)), ceil(round(many, 6)))
    return Split(rho, best_ratio(cheap, trusted, r), cost, True, break_even, of_100)


def _phi(cells: Floats) -> Floats:
    """Return the correlation of two yes-or-no figures from (..., 4) masses: neither, the second, the first, both."""
    neither, second, first, both = np.moveaxis(np.asarray(cells, np.float64), -1, 0)
    spread = (first + both) * (neither + second) * (second + both) * (neither + first)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((both * neither - first * second) / np.sqrt(spread))
