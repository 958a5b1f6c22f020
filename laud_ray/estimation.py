"""Unbiased figures with 95 % intervals from a stratified random sample. Pure NumPy.

n annotated documents, k classes. Stratum h holds N_h documents of the corpus, of which n_h are in the
sample: each stands for N_h / n_h documents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from laud_ray.metrics import accuracy, calibration_error, confusion, macro_f1, precision_recall_f1
from laud_ray.types import ClassFigures, Estimate, Figures, Floats, Indices

_Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Documents drawn uniformly without replacement from each stratum, and what a model says about them.

    Attributes:
        true: (n,) labels from the oracle.
        predicted: (n,) labels from the model.
        confidence: (n,) probability, in [0, 1], that the model gives to its label.
        strata: (n,) the stratum of each document.
        sizes: the number N_h of documents in each stratum of the population; None if the documents are a
            simple random sample of a population without end, such as a labelled test file.

    Raises:
        ValueError: if the arrays are empty or differ in length, or a stratum is not sampled, not in sizes, or
            smaller than its sample.
    """

    true: Indices
    predicted: Indices
    confidence: Floats
    strata: Indices
    sizes: Mapping[int, int] | None

    def __post_init__(self) -> None:
        lengths = [len(self.true), len(self.predicted), len(self.confidence), len(self.strata)]
        if len(set(lengths)) > 1 or not lengths[0]:
            raise ValueError(
                f"true, predicted, confidence and strata have {lengths} documents, expected the same number, at least 1"
            )
        if self.sizes is None:
            _require_one_stratum(self.strata)
        else:
            _require_sampled_strata(self.strata, self.sizes)

    def __len__(self) -> int:
        return len(self.true)

    @property
    def weights(self) -> Floats:
        """(n,) the number of documents N_h / n_h that each document stands for; 1 without sizes."""
        if self.sizes is None:
            return np.ones(len(self))
        present, stratum, sampled = np.unique(self.strata, return_inverse=True, return_counts=True)
        sizes = np.array([self.sizes[int(h)] for h in present])
        return (sizes / sampled)[stratum]


def estimate_accuracy(sample: Sample) -> Estimate:
    """Estimate the accuracy on the population, with a Wilson score interval.

    The interval is Wilson's on the effective sample size: the size at which a simple random sample would have
    the variance of this stratified one. With one stratum that is Wilson's interval with the finite population
    correction. Each stratum's accuracy is drawn towards the pooled one for the variance only, so that a small
    stratum without an error does not claim certainty.

    Wilson (1927), "Probable Inference, the Law of Succession, and Statistical Inference"; Cochran (1977),
    "Sampling Techniques", sections 2.6 and 5.4; Korn and Graubard (1998) for the effective size.
    """
    weights = sample.weights
    value = accuracy(sample.true, sample.predicted, weights)
    low, high = _wilson(value, _effective_size(sample, weights, value))
    return Estimate(value, low, high, len(sample))


def estimate_share(hits: int, n: int) -> Estimate:
    """Estimate a share from a simple random sample of n in which `hits` have it, with a Wilson score interval.

    Raises:
        ValueError: if n is less than 1, or hits is outside [0, n].
    """
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n}, expected at least 0 of at least 1, and no more than all")
    low, high = _wilson(hits / n, n)
    return Estimate(hits / n, low, high, n)


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


def figures(sample: Sample, labels: Sequence[str], *, seed: int) -> Figures:
    """Return every figure of a model; labels are the k names in the order of the integer labels.

    Raises:
        ValueError: if a label is outside [0, k), or a confidence outside [0, 1].
    """
    k = len(labels)
    correct = sample.true == sample.predicted
    return Figures(
        n=len(sample),
        accuracy=estimate_accuracy(sample),
        macro_f1=estimate_macro_f1(sample, k, seed=seed),
        calibration_error=calibration_error(sample.confidence, correct, sample.weights),
        per_class=_per_class(sample, labels),
    )


def _per_class(sample: Sample, labels: Sequence[str]) -> tuple[ClassFigures, ...]:
    k = len(labels)
    support = np.bincount(sample.true, minlength=k).tolist()
    scores = precision_recall_f1(confusion(sample.true, sample.predicted, k, sample.weights))
    predicted = np.bincount(sample.predicted, minlength=k).tolist()
    rows = zip(labels, support, *(score.tolist() for score in scores), predicted, strict=True)
    return tuple(ClassFigures(*row) for row in rows)


def _effective_size(sample: Sample, weights: Floats, value: float) -> float:
    """Return the size of the simple random sample that has the variance of this one."""
    _, stratum, sampled = np.unique(sample.strata, return_inverse=True, return_counts=True)
    correct = np.bincount(stratum, sample.true == sample.predicted)
    share = np.bincount(stratum, weights) / weights.sum()
    spread = share**2 * _unseen(sample) / sampled  # a stratum's part of the variance, over p (1 - p)
    pooled = float(_toward(value, 1 / spread.sum(), 0.5))
    within = _toward(correct / sampled, sampled, pooled)
    overall = (share * within).sum()
    return float(overall * (1 - overall) / (spread * within * (1 - within)).sum())


def _unseen(sample: Sample) -> Floats:
    """Return each stratum's finite population correction (N_h - n_h) / (N_h - 1).

    At least one document counts as unseen: even a census does not claim an interval of width zero.
    """
    present, sampled = np.unique(sample.strata, return_counts=True)
    if sample.sizes is None:
        return np.ones(len(present))
    sizes = np.array([sample.sizes[int(h)] for h in present])
    unseen: Floats = np.maximum(sizes - sampled, 1) / np.maximum(sizes - 1, 1)
    return unseen


def _toward(value: Floats | float, n: Floats | Indices | float, centre: float) -> Floats:
    """Draw shares from n documents towards a centre with the weight of z² more, as Wilson's interval does."""
    return np.asarray((n * value + _Z**2 * centre) / (n + _Z**2))


def _wilson(value: float, n: float) -> tuple[float, float]:
    centre = float(_toward(value, n, 0.5))
    half = _Z / (n + _Z**2) * sqrt(n * value * (1 - value) + _Z**2 / 4)
    # At 0 and 1 rounding could leave the value just outside.
    return max(0.0, min(centre - half, value)), min(1.0, max(centre + half, value))


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


def _require_one_stratum(strata: Indices) -> None:
    present = len(np.unique(strata))
    if present > 1:
        raise ValueError(f"the sample has {present} strata and no sizes, expected the size of each")


def _require_sampled_strata(strata: Indices, sizes: Mapping[int, int]) -> None:
    present, counts = np.unique(strata, return_counts=True)
    sampled = dict(zip(present.tolist(), counts.tolist(), strict=True))
    for stratum in sampled.keys() | sizes.keys():
        drawn, size = sampled.get(stratum, 0), sizes.get(stratum, 0)
        if drawn > size:
            raise ValueError(f"stratum {stratum} has {drawn} documents in the sample, expected at most {size}")
        if size and not drawn:
            raise ValueError(f"stratum {stratum} holds {size} documents, expected at least 1 of them in the sample")
