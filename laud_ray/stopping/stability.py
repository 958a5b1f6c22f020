"""Stopping rules without labels: consecutive models agree on the stop set."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from laud_ray.types import RoundResult


@dataclass(frozen=True, slots=True)
class Kappa:
    """Stop when consecutive models agree: the mean kappa of the last `window` rounds is at least `threshold`.

    Rounds without a kappa do not count. If kappa between two models is at least T > 0, their F-measures on the stop
    set differ by at most 4 (1 - T) / T, which is 0.04 at T = 0.99. The rule uses the level of kappa, not its change: a
    kappa that stays constant at 0.5 means that every round still relabels much of the pool.

    Bloodgood and Vijay-Shanker (2009), "A Method for Stopping Active Learning Based on Stabilizing
    Predictions and the Need for User-Adjustable Stopping", with the paper's cutoff of 0.99 and window of three;
    the bound is from arXiv 1504.06329.
    """

    threshold: float = 0.99
    window: int = 3

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to go on."""
        kappas = [result.kappa for result in history if result.kappa is not None]
        if len(kappas) < self.window:
            return None
        agreement = mean(kappas[-self.window :])
        if agreement < self.threshold:
            return None
        return (
            f"kappa: the mean agreement of the last {self.window} rounds is {agreement:.4f}, at least {self.threshold}"
        )


@dataclass(frozen=True, slots=True)
class DeltaF:
    """Stop when the F-measure is predicted to change by at most `epsilon` in each of the last `window` rounds.

    Let a, b and c be the numbers of stop-set documents that both models, only the new one, and only the old one assign
    to a class. The predicted change is 1 - 2a / (2a + b + c). Unlike kappa, it ignores documents that neither model
    assigns to the class, which for a rare class are nearly all. The paper has one positive class; with several classes,
    the history holds the mean over those that either model predicts. Rounds without a predicted change do not count.

    Altschuler and Bloodgood (2019), "Stopping Active Learning based on Predicted Change of F Measure for
    Text Classification".
    """

    epsilon: float = 0.005
    window: int = 3

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to go on."""
        changes = [result.delta_f for result in history if result.delta_f is not None]
        if len(changes) < self.window:
            return None
        largest = max(changes[-self.window :])
        if not largest <= self.epsilon:
            return None
        return (
            f"delta_f: the largest predicted change of F1 in the last {self.window} rounds is {largest:.4f}, "
            f"at most {self.epsilon}"
        )
