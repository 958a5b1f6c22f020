"""Whether what is asked now looks like what the model was measured on.

The distribution of served labels and confidences against those of the same model on the evaluation sample.
n texts, k classes, b bins.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.metrics import stability_index
from laud_ray.types import Floats, Indices

# A population stability index above this is a shift to act on; under 0.1 it is none. By convention (Siddiqi 2006,
# "Credit Risk Scorecards"); what chance alone would give is taken off before.
THRESHOLD = 0.2
# The texts that are looked back on, and the fewest that say anything.
WINDOW, LEAST = 5000, 200
# Rarer labels are looked at together: alone they would only be noise.
COMMON = 0.05
BINS = 10


@dataclass(frozen=True, slots=True)
class Baseline:
    """How a model answers on the evaluation sample.

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


def baseline(proba: Floats, weights: Floats) -> Baseline | None:
    """Describe (n, k) probabilities of a sample with (n,) weights; None if it is too small to compare with."""
    if len(proba) < LEAST / 4:
        return None
    k = proba.shape[1]
    best, confidence = proba.argmax(1), proba.max(1)
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
        len(proba),
    )


class Drift:
    """What was served lately by one model."""

    def __init__(self, expected: Baseline) -> None:
        self._expected = expected
        self._groups: deque[int] = deque(maxlen=WINDOW)
        self._confidences: deque[float] = deque(maxlen=WINDOW)

    def add(self, best: Sequence[int], confidence: Sequence[float]) -> None:
        """Take in the label indices and confidences of n served texts."""
        self._groups.extend(self._expected.groups[i] for i in best)
        self._confidences.extend(confidence)

    def indices(self) -> tuple[float, float] | None:
        """The stability indices of labels and confidences; None before enough was served."""
        if len(self._groups) < LEAST:
            return None
        one = self._expected
        groups = np.bincount(np.asarray(self._groups), minlength=len(one.labels))
        binned = np.searchsorted(one.edges, np.asarray(self._confidences), side="right")
        confidences = np.bincount(binned, minlength=len(one.confidences))
        return (
            stability_index(one.labels, groups, one.n),
            stability_index(one.confidences, confidences, one.n),
        )
