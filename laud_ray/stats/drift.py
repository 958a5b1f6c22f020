"""Whether a model's answers look like those on the sample it was measured on.

The distributions of labels and of confidences against those of the same model on another sample.
n texts, k classes, b bins. Pure NumPy.
"""

from dataclasses import dataclass

import numpy as np

from laud_ray.stats.metrics import stability_index
from laud_ray.types import Floats, Indices

# A population stability index above this is a shift to act on; under 0.1 it is none. By convention (Siddiqi 2006,
# "Credit Risk Scorecards"); what chance alone would give is taken off before.
THRESHOLD = 0.2
# The fewest texts that say anything; the baseline may be a quarter of that.
LEAST = 200
# Rarer labels are looked at together: alone they would only be noise.
COMMON = 0.05
BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """How a model answers on the sample that it was measured on.

    Attributes:
        groups: (k,) the bin of each label.
        labels: (b,) share of each bin of labels.
        edges: the inner edges of the bins of confidence.
        confidences: shares of these.
        n: documents in the sample.
    """

    groups: Indices
    labels: Floats
    edges: Floats
    confidences: Floats
    n: int

    def indices(self, best: Indices, confidence: Floats) -> tuple[float, float] | None:
        """The stability indices of (n,) labels and of (n,) confidences; None if there are too few to say."""
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
    """Describe (n,) labels in [0, k), confidences and weights of a sample; None if it is too small to compare with."""
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
