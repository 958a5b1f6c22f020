"""The macro-F1 of a multilabel model, with a bootstrap over documents. Pure NumPy. n documents, k labels."""

import numpy as np

from laud_ray.label_sets import APPLIES, NOT_ASKED
from laud_ray.stats.estimates.macro import bootstrap, mean_ratio
from laud_ray.stats.multilabel.sample import MultilabelSample
from laud_ray.types import Bools, Estimate, Indices

_RESAMPLED = 20_000_000  # pairs of a document and a label that a bootstrap looks at, in all its replicates
_REPLICATES = 1000, 100


def estimate_macro(sample: MultilabelSample, averaged: Indices, micro: Estimate, *, seed: int) -> Estimate | None:
    """Return the mean F1 of some labels, those of them that occur; None if none occurs.

    The interval is that of `bootstrap`: whole documents are drawn, with all their labels. Without an error the
    bootstrap has no width, and the lower limit is that of the micro-F1.

    Args:
        sample: annotated documents with the model's predictions.
        averaged: columns of the labels.
        micro: the micro-F1.
        seed: seeds the bootstrap.
    """
    applies = sample.true[:, averaged] == APPLIES
    given = sample.predicted[:, averaged] & (sample.true[:, averaged] != NOT_ASKED)
    pairs = [np.nonzero(one) for one in (applies & given, applies, given)]
    k, n, weights = len(averaged), len(sample), sample.weights

    def mean_f1(rows: Indices) -> float:
        mass = np.bincount(rows, minlength=n) * weights
        hits, true, predicted = (np.bincount(label, mass[row], minlength=k) for row, label in pairs)
        occurs = true + predicted > 0
        return mean_ratio(2 * hits[occurs], (true + predicted)[occurs])

    value = mean_f1(np.arange(n))
    if np.isnan(value):
        return None
    if value == 1:
        return Estimate(value, micro.low, 1.0, n)
    return bootstrap(value, sample.strata, mean_f1, seed=seed, replicates=replicates_for(applies, given))


def replicates_for(applies: Bools, given: Bools) -> int:
    """Return how often to resample, which is less often where documents have many labels."""
    pairs = len(applies) + int(applies.sum()) + int(given.sum())
    most, fewest = _REPLICATES
    return min(most, max(fewest, _RESAMPLED // pairs))
