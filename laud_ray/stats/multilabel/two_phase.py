"""Ratios of sums from many cheap answers and few trusted ones: prediction-powered inference. Pure NumPy and SciPy.

Stratum h of H holds N_h documents. n_h of them have a cheap answer, and m_h of these a trusted one too, all drawn at
random. The estimates are unbiased however wrong the cheap answers are.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy

from laud_ray.stats.estimates.powered import TINY
from laud_ray.stats.estimates.powered_figures import Shares
from laud_ray.types import Bools, Estimate, Floats

# (n,) parts and (n,) wholes of documents, such as twice the right pairs of all true and predicted ones.
Ratio: TypeAlias = tuple[Floats, Floats]
_TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Powered:
    """An estimate, and the weight in [0, 1] that the cheap answers had in it."""

    estimate: Estimate
    factor: float


def powered_ratio(shares: Shares, trusted: Ratio, cheap: Ratio) -> Powered:
    """Estimate the ratio of two sums over the population, by the trusted answers, in [0, 1].

    Both sums are estimated by the difference estimator: the mean by the cheap answers, times the factor, plus the mean
    of (trusted - factor * cheap) over the documents that have both. The factor minimises the variance of the ratio
    (Angelopoulos, Duchi and Zrnic 2023, "PPI++", arXiv 2311.01453). The variance is the linearised one of two-phase
    sampling (Cochran 1977, "Sampling Techniques", section 6.11 and chapter 12), and the limits are quantiles of the
    Beta distribution with this mean and variance, as in `powered_limits`; half an event on which the cheap answer is
    wrong is added on either side, spread over the strata.

    Args:
        shares: of the sample; says which documents have a trusted answer.
        trusted: by the trusted answers; only documents that have one are looked at. A part is in [0, whole].
        cheap: by the cheap answers; (0, 0) for a document without one.

    Returns:
        The estimate, with n of all documents. Without any whole: 0 with the interval [0, 1].
    """
    sums = _Sums(shares, trusted, cheap)
    n = len(shares.stratum)
    wholes = trusted[1][shares.asked]
    if not (wholes > 0).any():
        return Powered(Estimate(0.0, 0.0, 1.0, n), 0.0)
    typical = float(wholes[wholes > 0].mean())
    factor = sums.factor(typical)
    part, whole = sums.totals(factor)
    if whole <= TINY * shares.sizes.sum():
        factor = 0.0
        part, whole = sums.totals(factor)
    value = float(np.clip(part / whole, 0, 1))
    # If all is right, or nothing, a whole event is added instead of half of one, as in `share_limits`.
    down, up = ((1.0 if one else 0.5) / len(shares.sizes) for one in (value >= 1 - TINY, value <= TINY))
    low = sums.quantile(factor, (0.0, typical, typical, down), _TAIL)
    high = sums.quantile(factor, (typical, typical, 0.0, up), 1 - _TAIL)
    return Powered(
        Estimate(value, min(low, value) if value > TINY else 0.0, max(high, value) if value < 1 - TINY else 1.0, n),
        factor,
    )


class _Sums:
    """The sums over the sample that the estimates need, by stratum."""

    def __init__(self, shares: Shares, trusted: Ratio, cheap: Ratio) -> None:
        self._stratum, self._asked, self._sizes = shares.stratum, shares.asked, shares.sizes
        self._trusted, self._cheap = trusted, cheap
        self._n = np.bincount(self._stratum, minlength=len(self._sizes)).astype(np.float64)
        self._m = np.bincount(self._stratum, self._asked, minlength=len(self._sizes))

    def _mean(self, values: Floats, among: Bools | None = None) -> Floats:
        """Return (H,) means of values over all documents, or over those with both answers."""
        if among is None:
            return np.bincount(self._stratum, values, minlength=len(self._sizes)) / self._n
        return np.bincount(self._stratum, np.where(among, values, 0.0), minlength=len(self._sizes)) / self._m

    def totals(self, factor: float) -> tuple[float, float]:
        """Return the part and the whole in the population by the difference estimator; at least 0."""
        part, whole = (
            float((self._sizes * (factor * self._mean(b) + self._mean(a - factor * b, self._asked))).sum())
            for a, b in zip(self._trusted, self._cheap, strict=True)
        )
        return max(part, 0.0), max(whole, 0.0)

    def factor(self, typical: float) -> float:
        """Return the weight of the cheap answers that minimises the variance, shrunk towards 0 by one event."""
        part, whole = self.totals(0.0)
        share = (part + 0.5 * typical * self._weight) / (whole + typical * self._weight)
        one, other = (a - share * b for a, b in (self._trusted, self._cheap))
        together = self._mean(one * other, self._asked) - self._mean(one, self._asked) * self._mean(other, self._asked)
        apart = self._mean(other**2, self._asked) - self._mean(other, self._asked) ** 2
        apart = apart + typical**2 * share * (1 - share) / self._m
        gain = self._sizes**2 * (1 / self._m - 1 / self._n)
        return float(np.clip((gain * together).sum() / max((gain * apart).sum(), 1e-12), 0, 1))

    @property
    def _weight(self) -> float:
        return float((self._sizes / self._m).mean())

    def quantile(self, factor: float, event: tuple[float, float, float, float], level: float) -> float:
        """Return a quantile of the Beta distribution with the mean and the variance of the ratio.

        Args:
            factor: the weight of the cheap answers.
            event: the part by the trusted answer, the whole, the part by the cheap answer, and the number, of events
                that are added to the documents with both answers in each stratum.
            level: in (0, 1).
        """
        right, of, said, number = event
        m = self._m + number

        def among(values: Floats, of_event: float) -> Floats:
            return np.asarray((self._mean(values, self._asked) * self._m + number * of_event) / m)

        def corrected(one: Floats, other: Floats, event_one: float, event_other: float) -> Floats:
            everywhere = (self._mean(other) * self._n + number * event_other) / (self._n + number)
            return np.asarray(factor * everywhere + among(one - factor * other, event_one - factor * event_other))

        part, whole = (
            float((self._sizes * corrected(*both)).sum())
            for both in (
                (self._trusted[0], self._cheap[0], right, said),
                (self._trusted[1], self._cheap[1], of, of),
            )
        )
        whole = max(whole, 1e-9)
        mean = float(np.clip(part / whole, 1e-6, 1 - 1e-6))
        one, other = (a - mean * b for a, b in (self._trusted, self._cheap))
        in_event = right - mean * of, said - mean * of
        first = corrected(one, other, *in_event)
        second = corrected(one**2, other**2, in_event[0] ** 2, in_event[1] ** 2)
        apart, event_apart = one - factor * other, in_event[0] - factor * in_event[1]
        differences = among(apart**2, event_apart**2) - among(apart, event_apart) ** 2
        n = self._n + number
        unseen = np.maximum(self._sizes - n, 1) / np.maximum(self._sizes - 1, 1)
        of_sample = unseen * np.maximum(second - first**2, 0) / (n + 1)
        variance = self._sizes**2 * (of_sample + differences * (1 / (m + 1) - 1 / (n + 1)))
        size = max(mean * (1 - mean) / max(float(variance.sum()) / whole**2, 1e-12) - 1, 1e-3)
        return float(scipy.special.betaincinv(mean * size, (1 - mean) * size, level))
