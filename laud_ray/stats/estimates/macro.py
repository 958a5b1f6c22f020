"""Macro-F1 with a stratified bootstrap interval. Pure NumPy. n documents, k classes."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from laud_ray.stats.estimates.accuracy import estimate_accuracy
from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.metrics import require_labels
from laud_ray.types import ClassFigures, Estimate, Floats, Indices


def estimate_macro_f1(
    sample: Sample, k: int, *, seed: int, replicates: int = 1000, averaged: int | None = None
) -> Estimate:
    """Estimate the macro-F1 on the population, with a 95 % stratified bootstrap interval.

    The mean is taken over the classes that occur in the sample, as a true or a predicted label. With `averaged`, only
    the first `averaged` of the k classes are in the mean; a document of another class is a wrong answer. Sampling
    loses some rare classes, and resampling loses some more, so that the value and even more the replicates are
    biased low. The percentile interval is therefore moved up by twice the bias that the bootstrap estimates, and
    extended to include the value. Simulated coverage with n = 300: 95 % for 25 classes and 92 % for 77 classes; the
    plain percentile interval covers 92 % and 56 %. Coverage stays low if many classes have less than one expected
    document in the sample: 47 % (plain: 22 %) for 167 Zipfian classes.

    Efron (1979), "Bootstrap Methods: Another Look at the Jackknife"; Efron and Tibshirani (1993), "An
    Introduction to the Bootstrap", chapter 10 for the bias.

    Raises:
        ValueError: if a label is outside [0, k), or replicates is less than 1.
    """
    if replicates < 1:
        raise ValueError(f"replicates is {replicates}; expected at least 1")
    for labels in (sample.true, sample.predicted):
        require_labels(labels, k)
    weights = sample.weights  # equal within a stratum, so that resampling within strata does not change them
    value = _macro_f1_of(sample.true, sample.predicted, k, weights, averaged)
    if value == 1:  # without an error every replicate would be 1, so the limit of the accuracy is used
        return Estimate(value, estimate_accuracy(sample).low, 1.0, len(sample))

    def resampled(rows: Indices) -> float:
        return _macro_f1_of(sample.true[rows], sample.predicted[rows], k, weights[rows], averaged)

    return bootstrap(value, sample.strata, resampled, seed=seed, replicates=replicates)


def widened_to_classes(found: Estimate, per_class: Sequence[ClassFigures], k: int) -> Estimate:
    """Widen the interval of a macro-F1 to at least the one that follows from the intervals of the classes' F1.

    The bootstrap cannot produce an error that is not in the sample: a rare class without an error would contribute no
    width at all. The classes' intervals are combined as independent errors: the root of the sum of squared half-widths.
    This applies to two classes, or if no error was seen. With more classes and some errors, the bootstrap interval
    stays, because combining the intervals of classes with a handful of documents each would be far too wide.
    """
    measured = [row.estimates.f1 for row in per_class if row.estimates and (row.support or row.predicted)]
    if not measured or (k > 2 and found.value < 1):
        return found
    below, above = (
        float(np.sqrt(np.square(margins).sum())) / len(measured)
        for margins in ([one.value - one.low for one in measured], [one.high - one.value for one in measured])
    )
    low, high = max(0.0, found.value - below), min(1.0, found.value + above)
    return Estimate(found.value, min(found.low, low), max(found.high, high), found.n)


def widened_to(found: Estimate, other: Estimate) -> Estimate:
    """Widen an interval to extend at least as far from its value, on either side, as another does from its own."""
    low, high = max(0.0, found.value - other.value + other.low), min(1.0, found.value + other.high - other.value)
    return Estimate(found.value, min(found.low, low), max(found.high, high), found.n)


def mean_ratio(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> float:
    """Return the mean of (c,) ratios; NaN without any, as in a resample in which none of the classes occurs."""
    return float((above / below).mean()) if len(below) else math.nan


def bootstrap(
    value: float, groups: Indices, resampled: Callable[[Indices], float], *, seed: int, replicates: int = 1000
) -> Estimate:
    """Return a statistic with its bootstrap interval: the 95 % percentile interval, moved up by twice the bias.

    Args:
        value: the statistic on the whole sample, in [0, 1].
        groups: (n,) the group of each document. From each group, as many documents as it has are drawn with
            replacement.
        resampled: maps (n,) drawn rows to the statistic on them; NaN where it has none. Such a resample is left out.
        seed: seeds the draws.
        replicates: the number of resamples, at least 1.
    """
    rng, n = np.random.default_rng(seed), len(groups)
    by_group = np.argsort(groups, kind="stable")
    _, first, group, size = np.unique(groups[by_group], return_index=True, return_inverse=True, return_counts=True)
    start, room = first[group], size[group]
    values = np.array([resampled(by_group[start + (rng.random(n) * room).astype(np.int64)]) for _ in range(replicates)])
    values = values[~np.isnan(values)]
    if not len(values):
        return Estimate(value, 0.0, 1.0, n)
    unbiased = np.quantile(values, [0.025, 0.975]) + 2 * (value - values.mean())
    low, high = np.clip(unbiased, 0, 1).tolist()
    return Estimate(value, min(low, value), max(high, value), n)


def _macro_f1_of(true: Indices, predicted: Indices, k: int, weights: Floats, averaged: int | None) -> float:
    """Return what `laud_ray.stats.metrics.macro_f1` returns, without a (k, k) confusion matrix."""
    hits = np.bincount(true, weights * (true == predicted), minlength=k)
    occurrences = np.bincount(true, weights, minlength=k) + np.bincount(predicted, weights, minlength=k)
    occurs = np.flatnonzero(occurrences[:averaged] > 0)
    return mean_ratio(2 * hits[occurs], occurrences[occurs])
