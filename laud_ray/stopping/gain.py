"""Stopping rules over the learning curve: it is flat, it is high enough, or its next gain is not worth the cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.stopping.metric import METRICS, Metric, estimate_of
from laud_ray.stopping.power_law import fit
from laud_ray.types import RoundResult

# The curve has three parameters, and a fit through three points would always be perfect.
LEAST_ROUNDS = 4
# Half-widths of intervals count as at least this; otherwise a figure of exactly 1 would outweigh all others.
NARROWEST = 0.005
NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Plateau:
    """Stop when the last `patience` rounds add at most `gain` to the best estimated macro-F1 before them.

    This is the patience of early stopping, with rounds in place of epochs. In a multilabel task the figure is the
    micro-F1, since labels that are rare in the sample make the macro-F1 jump.
    """

    gain: float = 0.005
    patience: int = 3

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to continue. Round 0 counts as one of the earlier rounds."""
        sets = bool(history) and history[-1].figures.multilabel is not None
        metric: Metric = "micro_f1" if sets else "macro_f1"
        values = [estimate_of(result, metric).value for result in history]
        if len(values) <= self.patience:
            return None
        before, recent = max(values[: -self.patience]), max(values[-self.patience :])
        if recent > before + self.gain:
            return None
        return (
            f"plateau: the best {METRICS[metric]} of the last {self.patience} rounds is {recent:.4f}, "
            f"not more than {self.gain} above {before:.4f} before them"
        )


@dataclass(frozen=True, slots=True)
class Target:
    """Stop when the 95 % interval of the metric begins at or above `value`, for the last accepted model.

    The estimate itself is not used: of many rounds, the first whose estimate reaches the value often does so by chance.
    The lower bound is no strict guarantee either, because it is checked after every round (sequential bias: Lewis, Yang
    and Frieder (2021), "Certifying One-Phase Technology-Assisted Reviews"). But all rounds are measured on the same
    sample, so that this bias is small. For a guarantee, evaluate the final model on an independent sample.
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

    The expected gain is extrapolated with an inverse power law fitted to the trained rounds, each weighted by the width
    of its interval: Figueroa et al. (2012), "Predicting sample size required for classification performance". Round 0
    is left out, because it is another kind of model. With prices, the limit follows from them instead of from `below`:
    stop when a percentage point costs more than it is worth. A single fit may be misleading, so the expected gain must
    be below the limit in `patience` consecutive rounds.

    Attributes:
        metric: the figure to extrapolate.
        per: the number of annotations, at least 1.
        below: the limit of the gain, in (0, 1).
        cost_per_annotation: dollars; None without prices.
        value_per_point: dollars for a percentage point of the metric; None without prices.
        patience: consecutive rounds, at least 1.
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
        """Return the expected gain of the next `per` annotations; None if fewer than LEAST_ROUNDS rounds are known."""
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
        return f"{said} for ${price:,.2f}, more than they are worth at ${self.value_per_point:,.2f} a point"
