"""Prevalence, precision, recall and F1 of each label, with 95 % intervals. Pure NumPy. k labels, H strata."""

from collections.abc import Sequence

import numpy as np

from laud_ray.label_sets import APPLIES, NOT_ASKED
from laud_ray.stats.estimates.rows import Occurring, class_rows
from laud_ray.stats.estimates.shares import share_limits
from laud_ray.stats.multilabel.sample import MultilabelSample
from laud_ray.types import Bools, ClassEstimates, ClassFigures, Estimate, Floats, Indices


def label_rows(sample: MultilabelSample, labels: Sequence[str]) -> tuple[ClassFigures, ...]:
    """Return the figures of each label, in the order of the k labels; of many labels only those that occur.

    Documents that the oracle was not asked about for a label are left out of its figures.
    """
    asked, applies = sample.true != NOT_ASKED, sample.true == APPLIES
    given = sample.predicted & asked
    occurs = np.flatnonzero(applies.any(axis=0) | given.any(axis=0))
    occurring = Occurring.of(len(labels), occurs)
    both, applies, given = (_with_empty(one, occurs) for one in (applies & given, applies, given))
    asked = np.column_stack([asked[:, occurs], np.ones(len(sample), np.bool_)])
    found = _measured(sample, both, applies, given, asked)
    return class_rows(found, labels, occurring)


def _with_empty(marks: Bools, occurs: Indices) -> Bools:
    """Return the columns of the labels that occur, and last an empty one for those that do not."""
    return np.column_stack([marks[:, occurs], np.zeros(len(marks), np.bool_)])


def _measured(sample: MultilabelSample, both: Bools, applies: Bools, given: Bools, asked: Bools) -> list[ClassFigures]:
    """Return the figures of some labels, without names, from (n, m) marks of pairs."""
    stratum = np.unique(sample.strata, return_inverse=True)[1]
    design = sample.by_exactness.design
    strata = len(design[0])

    def counted(marks: Bools) -> Floats:
        return np.stack([marks[stratum == h].sum(axis=0) for h in range(strata)], axis=-1).astype(np.float64)

    hits, true, predicted, known = (counted(one) for one in (both, applies, given, asked))
    somewhere, elsewhere, anything = predicted > 0, predicted < known, np.ones(true.shape, np.bool_)
    prevalence = share_limits(true, known - true, *design, anything, anything)
    precision = share_limits(hits, predicted - hits, *design, somewhere, somewhere)
    recall = share_limits(hits, true - hits, *design, somewhere, elsewhere)
    jaccard = share_limits(hits, true + predicted - 2 * hits, *design, somewhere, anything)
    f1 = tuple(2 * one / (1 + one) for one in jaccard)
    support, said = true.sum(axis=-1), predicted.sum(axis=-1)
    found = []
    for c in range(both.shape[1]):
        estimates = ClassEstimates(*(_estimate(one, c, len(sample)) for one in (prevalence, precision, recall, f1)))
        rates = (estimates.precision.value, estimates.recall.value, estimates.f1.value)
        found.append(ClassFigures("", int(support[c]), *rates, int(said[c]), estimates))
    return found


def _estimate(limits: tuple[Floats, ...], c: int, n: int) -> Estimate:
    value, low, high = (float(one[c]) for one in limits)
    return Estimate(0.0 if np.isnan(value) else value, low, high, n)
