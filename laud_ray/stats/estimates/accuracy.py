"""Accuracy and simple shares, with Wilson score intervals. Pure NumPy."""

from math import sqrt

import numpy as np

from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.metrics import accuracy
from laud_ray.types import Estimate, Floats, Indices

_Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution


def estimate_accuracy(sample: Sample) -> Estimate:
    """Estimate the accuracy on the population, with a Wilson score interval.

    The interval is Wilson's for the effective sample size: the size of a simple random sample that has the same
    variance as this stratified one. With one stratum it equals Wilson's interval with the finite population
    correction. For the variance only, each stratum's accuracy is shrunk towards the pooled accuracy; otherwise a
    small stratum without an error would contribute a variance of zero.

    Wilson (1927), "Probable Inference, the Law of Succession, and Statistical Inference"; Cochran (1977),
    "Sampling Techniques", sections 2.6 and 5.4; Korn and Graubard (1998) for the effective size.
    """
    weights = sample.weights
    value = accuracy(sample.true, sample.predicted, weights)
    low, high = wilson(value, _effective_size(sample, weights, value))
    return Estimate(value, low, high, len(sample))


def estimate_share(hits: int, n: int) -> Estimate:
    """Estimate the share hits / n from a simple random sample of size n, with a 95 % Wilson score interval.

    Raises:
        ValueError: if n is less than 1, or hits is outside [0, n].
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"hits = {hits}, n = {n}; expected n of at least 1 and hits in [0, n]")
    low, high = wilson(hits / n, n)
    return Estimate(hits / n, low, high, n)


def _effective_size(sample: Sample, weights: Floats, value: float) -> float:
    """Return the size of a simple random sample with the same variance of the accuracy as this stratified one."""
    _, stratum, sampled = np.unique(sample.strata, return_inverse=True, return_counts=True)
    correct = np.bincount(stratum, sample.true == sample.predicted)
    share = np.bincount(stratum, weights) / weights.sum()
    spread = share**2 * sample.unseen / sampled  # a stratum's part of the variance, over p (1 - p)
    pooled = float(shrunk(value, 1 / spread.sum(), 0.5))
    within = shrunk(correct / sampled, sampled, pooled)
    overall = (share * within).sum()
    return float(overall * (1 - overall) / (spread * within * (1 - within)).sum())


def shrunk(value: Floats | float, n: Floats | Indices | float, centre: float) -> Floats:
    """Shrink shares, each measured on n documents, towards a centre that counts as z² documents, as Wilson does."""
    return np.asarray((n * value + _Z**2 * centre) / (n + _Z**2))


def wilson(value: float, n: float) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share that is seen on n documents; n may be an effective size."""
    # scipy.stats.binomtest has this interval too, but takes whole counts only; the effective size is fractional.
    centre = float(shrunk(value, n, 0.5))
    half = _Z / (n + _Z**2) * sqrt(n * value * (1 - value) + _Z**2 / 4)
    # At 0 and 1, rounding could put the value just outside the interval.
    return max(0.0, min(centre - half, value)), min(1.0, max(centre + half, value))
