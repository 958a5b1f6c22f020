"""Rules over the learning curve: it is flat, high enough, or no longer worth its price."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.stopping.metric import METRICS, Metric, estimate_of
from laud_ray.stopping.saturation import fit
from laud_ray.types import RoundResult

# A curve of three parameters; one point more than that, and it can be wrong.
LEAST_ROUNDS = 4
# The least half-width of an interval that counts: a figure of exactly 1 would else outweigh all the others.
NARROWEST = 0.005
NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Plateau:
    """Stop when `patience` rounds add no more than `gain` to the best estimated macro-F1 before them.

    The patience of early stopping, over rounds in the place of epochs.
    """

    gain: float = 0.005
    patience: int = 3

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to go on. Round 0 counts among the rounds before."""
        values = [result.figures.macro_f1.value for result in history]
        if len(values) <= self.patience:
            return None
        before, recent = max(values[: -self.patience]), max(values[-self.patience :])
        if recent > before + self.gain:
            return None
        return (
            f"plateau: the best macro-F1 of the last {self.patience} rounds is {recent:.4f}, "
            f"not more than {self.gain} above {before:.4f} before them"
        )


@dataclass(frozen=True, slots=True)
class Target:
    """Stop when the 95 % interval of the metric begins at or above `value`, for the last accepted model.

    Not when the estimate reaches it: of many rounds, the first one above a value is above it by luck. The lower
    bound is no guarantee either, since it is looked at after every round (the sequential bias of Lewis, Yang and
    Frieder (2021), "Certifying One-Phase Technology-Assisted Reviews"), but all looks are at one sample, so that it
    is nearly that of one look. Where it must be sure, evaluate the model on documents of its own.
    """

    metric: Metric = "accuracy"
    value: float = 0.9

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to go on."""
        accepted = [result for result in history if result.accepted]
        if not accepted:
            return None
        found = estimate_of(accepted[-1], self.metric)
        if not found.low >= self.value:
            return None
        return (
            f"target: {METRICS[self.metric]} of {accepted[-1].model} is {found.value:.4f}, 95 % interval "
            f"[{found.low:.4f}, {found.high:.4f}], n = {found.n}: at least {self.value}"
        )


@dataclass(frozen=True, slots=True)
class Gain:
    """Stop when the next `per` annotations are expected to add less than `below` to the metric.

    What they will add is read off an inverse power law through the trained rounds, each weighted by the width of its
    interval: Figueroa et al. (2012), "Predicting sample size required for classification performance". Round 0 is
    another kind of model and no point of it. With prices, the limit is what they say in the place of `below`: stop
    when a percentage point costs more than it is worth. One fit may be luck: `patience` rounds in a row must say so.

    Attributes:
        cost_per_annotation, value_per_point: dollars; both or neither.
    """

    metric: Metric = "macro_f1"
    per: int = 100
    below: float = 0.005
    cost_per_annotation: float | None = None
    value_per_point: float | None = None
    patience: int = 2

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to go on."""
        looks = [self.expected(history[: len(history) - left_out]) for left_out in range(self.patience)]
        small = [expected for expected in looks if expected is not None and expected < self._limit]
        return self._reason(small[0]) if len(small) == self.patience else None

    def expected(self, history: Sequence[RoundResult]) -> float | None:
        """Return what the next `per` annotations are expected to add; None while too few rounds are known."""
        points = [
            (result.annotations, found.value, max(found.high - found.low, 2 * NARROWEST) / (2 * NORMAL_95))
            for result in history
            if result.number > 0 and result.annotations > 0
            for found in (estimate_of(result, self.metric),)
            if np.isfinite([found.value, found.low, found.high]).all()
        ]
        if len({annotations for annotations, _, _ in points}) < LEAST_ROUNDS:
            return None
        annotations, values, deviations = np.asarray(points, np.float64).T
        return fit(annotations, values, deviations).gain(float(annotations[-1]), self.per)

    @property
    def _limit(self) -> float:
        if self.cost_per_annotation is None or self.value_per_point is None:
            return self.below
        return self.per * self.cost_per_annotation / self.value_per_point / 100

    def _reason(self, expected: float) -> str:
        said = f"gain: {self.per} more annotations are expected to add {100 * expected:.2f} points of "
        said += METRICS[self.metric]
        if self.cost_per_annotation is None or self.value_per_point is None:
            return f"{said}, less than {100 * self.below:.2f}"
        price = self.per * self.cost_per_annotation
        return f"{said} for ${price:,.2f}; at ${self.value_per_point:,.2f} a point they are not worth it"
