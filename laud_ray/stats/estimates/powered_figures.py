"""All figures of a model from many answers of a cheap oracle and few of a trusted one. Pure NumPy.

n documents have a cheap answer, and m of them also a trusted one; k classes, H strata.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from laud_ray.stats.estimates.macro import bootstrap, widened_to, widened_to_classes
from laud_ray.stats.estimates.powered import (
    HIT,
    MISS,
    NEITHER,
    TINY,
    Share,
    powered_factor,
    powered_limits,
    unseen_events,
)
from laud_ray.stats.estimates.rows import Occurring, class_rows
from laud_ray.stats.metrics import calibration_error
from laud_ray.types import Bools, ClassEstimates, ClassFigures, Estimate, Figures, Floats, Indices

Pair: TypeAlias = tuple[Bools, Bools]  # by the trusted oracle's answers, then by the cheap oracle's

_NONE = -1
_AT_ONCE = 256  # classes whose documents are counted at once


@dataclass(frozen=True, slots=True, eq=False)
class PoweredSample:
    """Documents drawn at random from each stratum, with the answers of two oracles and the predictions of a model.

    Attributes:
        cheap: (n,) labels; -1 where the cheap oracle abstained.
        trusted: (n,) labels; -1 where the trusted oracle was not asked, or abstained. The documents about which it was
            asked were chosen at random within each stratum.
        predicted: (n,) labels from the model.
        confidence: (n,) probability, in [0, 1], that the model gives to its label.
        strata: (n,) the stratum of each document.
        sizes: the number N_h of documents in each stratum of the population.

    Raises:
        ValueError: if the arrays differ in length, or a stratum of sizes has no trusted answer.
    """

    cheap: Indices
    trusted: Indices
    predicted: Indices
    confidence: Floats
    strata: Indices
    sizes: Mapping[int, int]

    def __post_init__(self) -> None:
        lengths = [len(one) for one in (self.cheap, self.trusted, self.predicted, self.confidence, self.strata)]
        known = set(self.strata[self.asked].tolist()) if len(set(lengths)) == 1 else set()
        if not known or {*self.strata.tolist(), *self.sizes} != known:
            raise ValueError(
                f"cheap, trusted, predicted, confidence and strata have {lengths} documents, and trusted answers are "
                f"in {sorted(known)} of the strata {sorted(self.sizes)}; expected equal lengths, and a trusted answer "
                "in every stratum"
            )

    @property
    def asked(self) -> Bools:
        """(n,) whether a document has a trusted answer."""
        return np.asarray(self.trusted != _NONE)

    def __len__(self) -> int:
        return len(self.cheap)


def powered_figures(sample: PoweredSample, labels: Sequence[str], *, seed: int, replicates: int = 1000) -> Figures:
    """Return all figures of a model, measured against the trusted oracle's labels.

    Intervals come from `powered_limits`; that of macro-F1 comes from a bootstrap. The calibration error is measured
    on the documents with a trusted answer.

    Args:
        sample: documents with both oracles' answers and the model's predictions.
        labels: the k label names, in the order of the integer labels.
        seed: seeds the bootstrap.
        replicates: the number of bootstrap replicates, at least 1.

    Raises:
        ValueError: if a label is outside [0, k), or a confidence outside [0, 1].
    """
    for answers, least in ((sample.cheap, _NONE), (sample.trusted, _NONE), (sample.predicted, 0)):
        if answers.min() < least or answers.max() >= len(labels):
            raise ValueError(
                f"labels range from {answers.min()} to {answers.max()}; expected {least} to {len(labels) - 1}"
            )
    shares = Shares(sample.strata, sample.asked, sample.sizes)
    right = (sample.trusted == sample.predicted, sample.cheap == sample.predicted)
    anywhere = np.ones((1, len(shares.sizes)), np.bool_)
    limits, (factor,) = shares.estimate(right, shares.all, unseen_events("prevalence", anywhere, anywhere))
    value, low, high = (float(one[0]) for one in limits)
    accuracy = Estimate(value, low, high, len(sample))
    asked, k = sample.asked, len(labels)
    occurring = Occurring.of(k, sample.cheap, sample.trusted, sample.predicted)
    few = replace(
        sample,
        cheap=occurring.place(sample.cheap),
        trusted=occurring.place(sample.trusted),
        predicted=occurring.place(sample.predicted),
    )
    per_class = class_rows(_measured(few, shares, occurring.count), labels, occurring)
    macro = _macro_f1(few, shares, occurring.count, float(factor), accuracy, seed, replicates)
    return Figures(
        n=len(sample),
        accuracy=accuracy,
        macro_f1=widened_to_classes(macro, per_class, k),
        calibration_error=calibration_error(sample.confidence[asked], right[0][asked], shares.weight_asked[asked]),
        per_class=per_class,
        trusted=int(asked.sum()),
        absent=k - len(per_class),
    )


class Shares:
    """Estimates shares of a sample from both oracles' answers. Arrays of documents are (n,), or (s, n) for s shares.

    Args:
        strata: (n,) the stratum of each document.
        asked: (n,) whether a document has a trusted answer.
        sizes: the number N_h of documents in each stratum of the population.
    """

    def __init__(self, strata: Indices, asked: Bools, sizes: Mapping[int, int]) -> None:
        present, self.stratum = np.unique(strata, return_inverse=True)
        self.asked, self.sizes = asked, np.array([float(sizes[int(h)]) for h in present])
        drawn, trusted = np.bincount(self.stratum), np.bincount(self.stratum, asked)
        self.weight = (self.sizes / drawn)[self.stratum]
        self.weight_asked = np.where(asked, (self.sizes / trusted)[self.stratum], 0.0)
        everyone = np.ones(len(strata), np.bool_)
        self.all: Pair = (everyone, everyone)

    def estimate(self, hit: Pair, part: Pair, events: tuple[Floats, Floats]) -> tuple[tuple[Floats, ...], Floats]:
        """Return the three (s,) arrays of `powered_limits` for s shares, and their (s,) factors.

        Args:
            hit: which documents are hits; those outside of `part` do not count.
            part: which documents the share is taken of.
            events: the unseen events that lower and raise the share, from `unseen_events`.
        """
        trusted, cheap = (
            np.atleast_2d(np.where(inside, np.where(yes, HIT, MISS), NEITHER))
            for yes, inside in zip(hit, part, strict=True)
        )
        table = self._count(3 * trusted + cheap, self.asked, 9).reshape(len(cheap), len(self.sizes), 3, 3)
        rest = self._count(cheap, ~self.asked, 3)
        factor = powered_factor(table, rest, self.sizes)
        return powered_limits(table, rest, self.sizes, factor, *events), factor

    def strata_of(self, some: Bools) -> Bools:
        """Map (s, n) marks of documents to (s, H): whether a stratum has a marked document."""
        return self._count(some.astype(np.int64), self.all[0], 2)[..., 1] > 0

    def _count(self, kinds: Indices, use: Bools, of: int) -> Floats:
        """Count the documents in `use` by share, stratum and kind: (s, n) kinds in [0, of) -> (s, H, of)."""
        rows, strata = len(kinds), len(self.sizes)
        cell = (np.arange(rows)[:, None] * strata + self.stratum[use]) * of + kinds[:, use]
        return np.bincount(cell.ravel(), minlength=rows * strata * of).reshape(rows, strata, of).astype(np.float64)


def _measured(sample: PoweredSample, shares: Shares, m: int) -> list[ClassFigures]:
    """Return the figures, without names, of m classes, and last those of a class that does not occur."""
    best = np.where(sample.asked, sample.trusted, sample.cheap)
    support, predicted = (np.bincount(one[one >= 0], minlength=m + 1).tolist() for one in (best, sample.predicted))
    found = []
    for first in range(0, m + 1, _AT_ONCE):
        some = range(first, min(first + _AT_ONCE, m + 1))
        for c, estimates in zip(some, _estimates(sample, shares, np.array(some)), strict=True):
            values = (estimates.precision.value, estimates.recall.value, estimates.f1.value)
            found.append(ClassFigures("", support[c], *values, predicted[c], estimates))
    return found


def _estimates(sample: PoweredSample, shares: Shares, some: Indices) -> list[ClassEstimates]:
    """Return the estimates of (s,) classes; arrays here are (s, n)."""
    classes = some[:, None]
    given = sample.predicted == classes
    return class_estimates(shares, (sample.trusted == classes, sample.cheap == classes), (given, given), shares.all)


def class_estimates(shares: Shares, of: Pair, given: Pair, known: Pair) -> list[ClassEstimates]:
    """Return the estimates of s classes.

    Args:
        shares: of the sample.
        of: (s, n) which documents are of a class.
        given: (s, n) to which of the known documents the model gives a class.
        known: (n,) or (s, n) for which documents an oracle knows whether they are of a class.
    """
    both = of[0] & given[0], of[1] & given[1]
    either = of[0] | given[0], of[1] | given[1]
    predicted = given[0] | given[1]
    places = shares.strata_of(predicted), shares.strata_of(~predicted)
    kinds: tuple[tuple[Share, Pair, Pair], ...] = (
        ("prevalence", of, known),
        ("precision", both, given),
        ("recall", both, of),
        ("jaccard", both, either),
    )
    *rates, jaccard = (shares.estimate(hit, part, unseen_events(kind, *places))[0] for kind, hit, part in kinds)
    f1 = tuple(2 * one / (1 + one) for one in jaccard)
    found, n = [], len(shares.stratum)
    for c in range(len(predicted)):
        figures = [[float(one[c]) for one in limits] for limits in (*rates, f1)]
        estimates = ClassEstimates(*(Estimate(0.0 if np.isnan(v) else v, a, b, n) for v, a, b in figures))
        middle = _between(estimates.f1, estimates.precision.value, estimates.recall.value)
        found.append(replace(estimates, f1=middle))
    return found


def _between(f1: Estimate, precision: float, recall: float) -> Estimate:
    """Replace F1's value by the harmonic mean of precision and recall, and extend its interval to include it.

    Each share is estimated with its own factor, so that the F1 from the Jaccard index differs slightly from that mean.
    """
    value = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Estimate(value, min(f1.low, value), max(f1.high, value), f1.n)


def _macro_f1(
    sample: PoweredSample, shares: Shares, k: int, factor: float, accuracy: Estimate, seed: int, replicates: int
) -> Estimate:
    """Estimate the mean F1 of the classes that occur, with a bootstrap interval and one factor for all classes.

    The factor is the one of accuracy, because a class with a handful of trusted answers gives no stable factor of its
    own. In a simulation with 200 trusted answers for 77 classes the interval covers 92 %; with a factor for each class
    it covers 75 %. The bootstrap cannot produce an error of the cheap oracle that is not in the sample, while the
    interval of accuracy allows for one. So this interval extends at least as far from its value on either side.
    """
    value = _mean_f1(sample, shares, k, factor, np.arange(len(sample)))
    groups = 2 * shares.stratum + shares.asked

    def resampled(rows: Indices) -> float:
        return _mean_f1(sample, shares, k, factor, rows)

    return widened_to(bootstrap(value, groups, resampled, seed=seed, replicates=replicates), accuracy)


def _mean_f1(sample: PoweredSample, shares: Shares, k: int, factor: float, rows: Indices) -> float:
    """Return the macro-F1 of these rows of the sample by the difference estimator."""
    predicted = sample.predicted[rows]

    def masses(answers: Indices, weight: Floats) -> tuple[Floats, Floats]:
        """Return (k,) weights of true positives, and of true plus predicted documents (true positives count twice)."""
        told = answers >= 0
        hits = np.bincount(predicted, weight * (answers == predicted), minlength=k)
        of = np.bincount(answers[told], weight[told], minlength=k)
        return np.asarray(hits, np.float64), np.asarray(of + np.bincount(predicted, weight, minlength=k), np.float64)

    cheap, asked = sample.cheap[rows], shares.weight_asked[rows]
    every, those, trusted = (
        masses(cheap, shares.weight[rows]),
        masses(cheap, asked),
        masses(sample.trusted[rows], asked),
    )
    hits, twice = (factor * (a - b) + c for a, b, c in zip(every, those, trusted, strict=True))
    hits, misses = hits.clip(0), (twice - 2 * hits).clip(0)
    occurs = hits + misses > TINY * shares.sizes.sum()
    return float((2 * hits[occurs] / (2 * hits + misses)[occurs]).mean()) if occurs.any() else 0.0
