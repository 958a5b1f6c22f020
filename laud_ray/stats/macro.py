"""Macro-F1 with a stratified bootstrap interval. Pure NumPy. n documents, k classes."""

from collections.abc import Callable, Sequence

import numpy as np

from laud_ray.stats.accuracy import estimate_accuracy
from laud_ray.stats.metrics import confusion, macro_f1
from laud_ray.stats.sample import Sample
from laud_ray.types import ClassFigures, Estimate, Floats, Indices


def estimate_macro_f1(sample: Sample, k: int, *, seed: int, replicates: int = 1000) -> Estimate:
    """Estimate the macro-F1 on the population, with a stratified bootstrap interval.

    The mean is over the classes that occur in the sample's truth or predictions. Resampling loses rare
    classes, as sampling has lost some already, so both come out low: the percentile interval is moved up by
    twice the bootstrap's estimate of this bias, and widened to the value. Simulated coverage with n = 300 for
    25 and 77 classes: 95 and 92 %, where the plain percentile interval has 92 and 56 %. Nothing helps when
    many classes have less than one document in the sample: 47 % (plain: 22 %) for 167 Zipfian classes.

    Efron (1979), "Bootstrap Methods: Another Look at the Jackknife"; Efron and Tibshirani (1993), "An
    Introduction to the Bootstrap", chapter 10 for the bias.

    Raises:
        ValueError: if a label is outside [0, k), or replicates is less than 1.
    """
    if replicates < 1:
        raise ValueError(f"replicates is {replicates}, expected at least 1")
    value = macro_f1(confusion(sample.true, sample.predicted, k, sample.weights))
    if value == 1:  # nothing to resample: without an error, every replicate is 1
        return Estimate(value, estimate_accuracy(sample).low, 1.0, len(sample))
    weights = sample.weights  # the same throughout a stratum, so resampling does not move them

    def resampled(rows: Indices) -> float:
        return _macro_f1_of(sample.true[rows], sample.predicted[rows], k, weights[rows])

    return bootstrap(value, sample.strata, resampled, seed=seed, replicates=replicates)


def no_narrower(found: Estimate, per_class: Sequence[ClassFigures]) -> Estimate:
    """Widen a macro-F1 to what the intervals of its classes' F1 say together, their errors being independent.

    Resampling makes no error that nobody has seen: a rare class of which all is right would have no interval at all.
    For two classes, or where nothing was wrong; of many classes the bootstrap sees enough, and handfuls' intervals
    together would be far too wide.
    """
    measured = [row.estimates.f1 for row in per_class if row.estimates and (row.support or row.predicted)]
    if not measured or (len(per_class) > 2 and found.value < 1):
        return found
    below, above = (
        float(np.sqrt(np.square(margins).sum())) / len(measured)
        for margins in ([one.value - one.low for one in measured], [one.high - one.value for one in measured])
    )
    low, high = max(0.0, found.value - below), min(1.0, found.value + above)
    return Estimate(found.value, min(found.low, low), max(found.high, high), found.n)


def bootstrap(
    value: float, groups: Indices, resampled: Callable[[Indices], float], *, seed: int, replicates: int = 1000
) -> Estimate:
    """Give a mean of shares its interval: percentiles of resampling within groups, moved up by twice the bias.

    Args:
        groups: (n,) the group of each document, from which as many are drawn with replacement.
        resampled: maps (n,) rows to the value.
    """
    rng, n = np.random.default_rng(seed), len(groups)
    by_group = np.argsort(groups, kind="stable")
    _, first, group, size = np.unique(groups[by_group], return_index=True, return_inverse=True, return_counts=True)
    start, room = first[group], size[group]
    values = np.array([resampled(by_group[start + (rng.random(n) * room).astype(np.int64)]) for _ in range(replicates)])
    unbiased = np.quantile(values, [0.025, 0.975]) + 2 * (value - values.mean())
    low, high = np.clip(unbiased, 0, 1).tolist()
    return Estimate(value, min(low, value), max(high, value), n)


def _macro_f1_of(true: Indices, predicted: Indices, k: int, weights: Floats) -> float:
    """Return macro_f1 without the (k, k) confusion: it is needed a thousand times."""
    hits = np.bincount(true, weights * (true == predicted), minlength=k)
    occurrences = np.bincount(true, weights, minlength=k) + np.bincount(predicted, weights, minlength=k)
    occurs = occurrences > 0
    return float((2 * hits[occurs] / occurrences[occurs]).mean())
