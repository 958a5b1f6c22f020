"""Whether what is asked now looks like what the model was measured on.

The distribution of served labels and confidences against those of the same model on the evaluation sample.
n texts, k classes, b bins.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np

from laud_ray.stats import drift
from laud_ray.stats.drift import LEAST as LEAST
from laud_ray.stats.drift import THRESHOLD as THRESHOLD
from laud_ray.stats.drift import Baseline as Baseline
from laud_ray.types import Floats

# The texts that are looked back on.
WINDOW = 5000


def baseline(proba: Floats, weights: Floats) -> Baseline | None:
    """Describe (n, k) probabilities of a sample with (n,) weights; None if it is too small to compare with."""
    return drift.baseline(proba.argmax(1), proba.max(1), weights, k=proba.shape[1])


class Drift:
    """What was served lately by one model."""

    def __init__(self, expected: Baseline) -> None:
        self._expected = expected
        self._best: deque[int] = deque(maxlen=WINDOW)
        self._confidences: deque[float] = deque(maxlen=WINDOW)

    def add(self, best: Sequence[int], confidence: Sequence[float]) -> None:
        """Take in the label indices and confidences of n served texts."""
        self._best.extend(best)
        self._confidences.extend(confidence)

    def indices(self) -> tuple[float, float] | None:
        """The stability indices of labels and confidences; None before enough was served."""
        return self._expected.indices(np.asarray(self._best, np.int64), np.asarray(self._confidences))
