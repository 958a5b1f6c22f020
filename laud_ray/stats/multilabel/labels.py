"""Prevalence, precision, recall and F1 of each label, with 95 % intervals. Pure NumPy. k labels, H strata."""

from collections.abc import Sequence

import numpy as np

from laud_ray.label_sets import APPLIES, NOT_ASKED
from laud_ray.stats.estimates.classes import estimates_of
from laud_ray.stats.estimates.rows import Occurring, class_rows
from laud_ray.stats.multilabel.sample import MultilabelSample
from laud_ray.types import Bools, ClassFigures, Floats, Indices


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
    support, said = (one.sum(axis=-1).astype(np.int64).tolist() for one in (true, predicted))
    return [
        ClassFigures("", of, one.precision.value, one.recall.value, one.f1.value, given, one)
        for of, given, one in zip(
            support, said, estimates_of(hits, true, predicted, known, design, len(sample)), strict=True
        )
    ]
