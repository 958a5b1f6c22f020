"""Has a training learned anything? How a model answers its own training examples, against the most frequent class.

n examples, k classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.types import Indices

# A model has learned if it closes at least this share of the gap between the most frequent class and all.
LEAST_GAIN = 0.1
# The factor between the learning rates that are tried, and their largest number.
FACTOR, ATTEMPTS = 4.0, 3


@dataclass(frozen=True, slots=True)
class Answers:
    """How a model answered its training examples in one epoch, each before the step that it was part of.

    Attributes:
        loss: mean loss; may be infinite or not a number.
        named: (k,) how many examples got each class as their answer.
        right: (k,) how many examples of each class got it as their answer.
        truth: (k,) how many examples each class has.
    """

    loss: float
    named: Indices
    right: Indices
    truth: Indices

    @property
    def n(self) -> int:
        """The number of examples."""
        return int(self.truth.sum())

    @property
    def accuracy(self) -> float:
        """The share of examples that got their class, in [0, 1]."""
        return float(self.right.sum() / self.n)

    @property
    def base_rate(self) -> float:
        """The share of the most frequent class: the accuracy of naming it for every example."""
        return float(self.truth.max() / self.n)

    @property
    def learned(self) -> bool:
        """Whether the model answers its examples better than the base rate.

        A model that names one class for everything does not. Examples of a single class teach nothing that could be
        measured, so they count as learned.
        """
        needed = self.base_rate + LEAST_GAIN * (1 - self.base_rate)
        return math.isfinite(self.loss) and (self.base_rate == 1 or self.accuracy >= needed)

    def failure(self, labels: Sequence[str], rates: Sequence[float]) -> str:
        """Return what went wrong in a training that learned nothing, and what to do, in one line.

        Args:
            labels: the k labels.
            rates: the learning rates that were tried.
        """
        most, n = int(np.argmax(self.named)), self.n
        tried = ", ".join(f"{rate:.1e}" for rate in rates)
        return (
            f"the model has not learned: it names {labels[most]!r} for {self.named[most] / n:.0%} of its {n} training "
            f"examples, and {self.accuracy:.0%} of them right, where the most frequent label alone has "
            f"{self.base_rate:.0%} (learning rates tried: {tried}); expected more annotations, more learner.epochs, "
            "another learner.learning_rate, or learner.kind encoder"
        )


def next_rate(first: float, attempt: int, *, diverged: bool) -> float | None:
    """Return the learning rate of the next attempt, after one that learned nothing; None if no more are worth it.

    If the loss of the first attempt rose, a lower rate is tried before a higher one, else the higher one first.

    Args:
        first: the rate of the first attempt.
        attempt: how many attempts were made, at least 1.
        diverged: whether the loss rose in the first attempt.
    """
    factors = (1 / FACTOR, FACTOR) if diverged else (FACTOR, 1 / FACTOR)
    return first * factors[attempt - 1] if attempt < ATTEMPTS else None
