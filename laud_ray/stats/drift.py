"""Detect drift: compare a model's predictions on new texts with its predictions on the evaluation sample.

Two distributions are compared, each by its population stability index: the predicted labels and the confidences.
n texts, k classes, b bins. Pure NumPy.
"""

from dataclasses import dataclass

import numpy as np

from laud_ray.stats.metrics import stability_index
from laud_ray.types import Floats, Indices

# By convention, a population stability index above 0.2 is a shift to act on, and one below 0.1 is no shift (Siddiqi
# 2006, "Credit Risk Scorecards"). The index is compared after the value expected by chance was subtracted.
THRESHOLD = 0.2
# With fewer texts than this, nothing is compared; a baseline needs a quarter as many.
LEAST = 200
# Labels with a smaller share than this go into one common bin, because alone they would only add noise.
COMMON = 0.05
BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """The distributions of a model's labels and confidences on its evaluation sample.

    Attributes:
        groups: (k,) the label bin of each label.
        labels: (b,) the share of each label bin.
        edges: the inner edges of the confidence bins, ascending.
        confidences: (len(edges) + 1,) the share of each confidence bin.
        n: the number of documents in the sample.
    """

    groups: Indices
    labels: Floats
    edges: Floats
    confidences: Floats
    n: int

    def indices(self, best: Indices, confidence: Floats) -> tuple[float, float] | None:
        """Return the stability indices of (n,) labels and of (n,) confidences; None if n is below LEAST."""
        if len(best) < LEAST:
            return None
        groups = np.bincount(self.groups[best], minlength=len(self.labels))
        binned = np.searchsorted(self.edges, confidence, side="right")
        confidences = np.bincount(binned, minlength=len(self.confidences))
        return (
            stability_index(self.labels, groups, self.n),
            stability_index(self.confidences, confidences, self.n),
        )


def baseline(best: Indices, confidence: Floats, weights: Floats, *, k: int) -> Baseline | None:
    """Make the baseline of a sample; None if it has fewer than LEAST / 4 documents.

    Args:
        best: (n,) predicted labels in [0, k).
        confidence: (n,) probabilities of these labels.
        weights: (n,) the number of documents that each one represents.
        k: the number of classes.
    """
    if len(best) < LEAST / 4:
        return None
    shares = np.bincount(best, weights, minlength=k) / weights.sum()
    common = np.flatnonzero(shares >= COMMON)
    groups = np.full(k, len(common), np.int64)
    groups[common] = np.arange(len(common))
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, BINS + 1)[1:-1]))
    binned = np.searchsorted(edges, confidence, side="right")
    return Baseline(
        groups,
        np.bincount(groups, shares, minlength=len(common) + 1).astype(np.float64),
        edges,
        np.bincount(binned, weights, minlength=len(edges) + 1) / weights.sum(),
        len(best),
    )
