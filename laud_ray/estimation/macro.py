"""Macro-F1 with a stratified bootstrap interval. Pure NumPy. n documents, k classes."""

import numpy as np

from laud_ray.estimation.accuracy import estimate_accuracy
from laud_ray.estimation.sample import Sample
from laud_ray.metrics import confusion, macro_f1
from laud_ray.types import Estimate, Floats, Indices


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
    resampled = _resampled_macro_f1(sample, k, replicates, np.random.default_rng(seed))
    unbiased = np.quantile(resampled, [0.025, 0.975]) + 2 * (value - resampled.mean())
    low, high = np.clip(unbiased, 0, 1).tolist()
    return Estimate(value, min(low, value), max(high, value), len(sample))


def _resampled_macro_f1(sample: Sample, k: int, replicates: int, rng: np.random.Generator) -> Floats:
    """Return (replicates,) macro-F1s of samples drawn with replacement within each stratum."""
    by_stratum = np.argsort(sample.strata, kind="stable")
    _, first, stratum, sampled = np.unique(
        sample.strata[by_stratum], return_index=True, return_inverse=True, return_counts=True
    )
    start, room = first[stratum], sampled[stratum]
    true, predicted = sample.true[by_stratum], sample.predicted[by_stratum]
    weights = sample.weights[by_stratum]  # the same throughout a stratum, so resampling does not move them
    scores = np.empty(replicates)
    for replicate in range(replicates):
        drawn = start + (rng.random(len(sample)) * room).astype(np.int64)
        scores[replicate] = _macro_f1_of(true[drawn], predicted[drawn], k, weights)
    return scores


def _macro_f1_of(true: Indices, predicted: Indices, k: int, weights: Floats) -> float:
    """Return macro_f1 without the (k, k) confusion: it is needed a thousand times."""
    hits = np.bincount(true, weights * (true == predicted), minlength=k)
    occurrences = np.bincount(true, weights, minlength=k) + np.bincount(predicted, weights, minlength=k)
    occurs = occurrences > 0
    return float((2 * hits[occurs] / occurrences[occurs]).mean())
