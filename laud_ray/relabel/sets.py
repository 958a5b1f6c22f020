"""A multilabel model's answers: the labels that apply to each row, and how likely they are.

n rows, k labels, s labels that a set has at most.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from laud_ray.stats.multilabel.rules import Rules, ranked, whole_set
from laud_ray.types import Floats, Indices

# The most labels of a row; of more the likeliest are kept.
MOST = 64
NONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """The sets of n rows.

    Attributes:
        labels: (n, s) the labels of each set, likeliest first, as indices; NONE beyond them.
        probability: (n, s) their probabilities.
        confidence: (n,) the probability that the whole set is right, if labels are independent of each other.
        margin: (n,) the distance of the probability that is nearest to its threshold.
    """

    labels: npt.NDArray[np.int32]
    probability: Floats
    confidence: Floats
    margin: Floats

    @staticmethod
    def empty(n: int, size: int) -> "Sets":
        """Return empty sets, to be filled in."""
        of_labels = np.full((n, size), NONE, np.int32), np.zeros((n, size), np.float32)
        return Sets(*of_labels, np.zeros(n, np.float32), np.zeros(n, np.float32))

    def add(self, start: int, proba: Floats, rules: Rules) -> None:
        """Decide about (m, k) probabilities, the first of which is that of row `start`."""
        rows, applies = slice(start, start + len(proba)), rules.applies(proba)
        of, labels = ranked(proba, applies)
        place = np.arange(len(of)) - np.searchsorted(of, of)
        kept = place < self.labels.shape[1]
        of, labels, place = of[kept], labels[kept], place[kept]
        self.labels[start + of, place], self.probability[start + of, place] = labels, proba[of, labels]
        self.confidence[rows], self.margin[rows] = whole_set(proba, applies), rules.margin(proba)

    def take(self, rows: Indices) -> "Sets":
        """Return the sets of some rows."""
        return Sets(self.labels[rows], self.probability[rows], self.confidence[rows], self.margin[rows])

    def put(self, rows: Indices, other: "Sets") -> None:
        """Enter the sets of m rows that were decided elsewhere; they may have fewer places for labels."""
        size = other.labels.shape[1]
        self.labels[rows, :size], self.probability[rows, :size] = other.labels, other.probability
        self.confidence[rows], self.margin[rows] = other.confidence, other.margin


def size_of(rules: Rules) -> int:
    """Return s, the most labels that a set can have."""
    k = len(rules.thresholds)
    return min(k, MOST if rules.at_most is None else min(rules.at_most, MOST))
