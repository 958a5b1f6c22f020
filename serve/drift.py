"""Detect drift: compare served labels and confidences with the same model's on the evaluation sample.

n texts, k classes.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np

from laud_ray.stats.drift import LEAST as LEAST
from laud_ray.stats.drift import THRESHOLD as THRESHOLD
from laud_ray.stats.drift import Baseline as Baseline
from laud_ray.stats.drift import baseline as baseline

# The number of recent texts that are compared.
WINDOW = 5000


class Drift:
    """The recent predictions of one model."""

    def __init__(self, expected: Baseline) -> None:
        self._expected = expected
        self._best: deque[int] = deque(maxlen=WINDOW)
        self._confidences: deque[float] = deque(maxlen=WINDOW)

    def add(self, best: Sequence[int], confidence: Sequence[float]) -> None:
        """Add the label indices and confidences of n served texts."""
        self._best.extend(best)
        self._confidences.extend(confidence)

    def indices(self) -> tuple[float, float] | None:
        """Return the population stability indices of labels and confidences; None before enough texts were served."""
        return self._expected.indices(np.asarray(self._best, np.int64), np.asarray(self._confidences))
