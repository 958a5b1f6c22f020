"""Prevalence, precision, recall and F1 of each class, with 95 % intervals. k classes, H strata."""

import numpy as np

from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.estimates.shares import share_limits
from laud_ray.stats.metrics import require_labels
from laud_ray.types import Bools, ClassEstimates, Estimate, Floats, Indices


def estimate_classes(sample: Sample, k: int) -> tuple[ClassEstimates, ...]:
    """Estimate prevalence, precision, recall and F1 of each of k classes on the population, in class order.

    A figure that is undefined in the sample, such as the recall of a class that has no document in it, is 0 with the
    interval [0, 1]. The limits come from `share_limits`. F1 has no direct limits there; it is computed as
    2 J / (1 + J) from the Jaccard index J, which is a share: true positives among all documents whose true or
    predicted label is the class.

    Raises:
        ValueError: if a label is outside [0, k).
    """
    for labels in (sample.true, sample.predicted):
        require_labels(labels, k)
    stratum = np.unique(sample.strata, return_inverse=True)[1]
    design = sample.design
    strata = len(design[1])

    def count(labels: Indices, where: Bools) -> Floats:
        cells = labels[where] * strata + stratum[where]
        return np.bincount(cells, minlength=k * strata).reshape(k, strata).astype(np.float64)

    everything = np.ones(len(sample), np.bool_)
    both = count(sample.true, sample.true == sample.predicted)
    true, predicted = count(sample.true, everything), count(sample.predicted, everything)
    return estimates_of(both, true, predicted, design[1], design, len(sample))


def estimates_of(
    both: Floats, true: Floats, predicted: Floats, known: Floats, design: tuple[Floats, Floats, Floats], n: int
) -> tuple[ClassEstimates, ...]:
    """Return the estimates of k classes from counts of documents in each stratum.

    Args:
        both: (k, H) documents of a class for which it is predicted.
        true: (k, H) documents of a class.
        predicted: (k, H) documents for which a class is predicted.
        known: (k, H) or (H,) documents of which it is known whether they are of a class.
        design: that of the sample.
        n: the number of documents in the sample.
    """
    given, not_given, anything = predicted > 0, predicted < known, np.ones(true.shape, np.bool_)
    prevalence = share_limits(true, known - true, *design, anything, anything)
    precision = share_limits(both, predicted - both, *design, given, given)
    recall = share_limits(both, true - both, *design, given, not_given)
    jaccard = share_limits(both, true + predicted - 2 * both, *design, given, anything)
    f1 = tuple(2 * one / (1 + one) for one in jaccard)
    figures = (prevalence, precision, recall, f1)
    return tuple(ClassEstimates(*(_estimate(one, c, n) for one in figures)) for c in range(len(true)))


def _estimate(limits: tuple[Floats, ...], c: int, n: int) -> Estimate:
    value, low, high = (float(one[c]) for one in limits)
    return Estimate(0.0 if np.isnan(value) else value, low, high, n)
