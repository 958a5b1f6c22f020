"""Rules that need no labels: consecutive models say the same of the stop set."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from laud_ray.types import RoundResult


@dataclass(frozen=True, slots=True)
class Kappa:
    """Stop when consecutive models agree: mean kappa of the last `window` rounds >= `threshold`.

    Rounds without a kappa do not count. What agreement promises: with kappa >= T > 0 between two models,
    their F-measures on the stop set differ by at most 4 (1 - T) / T: 0.04 at T = 0.99. The trap: a kappa that
    merely stops *changing*, say at 0.5, means that every round still relabels much of the pool. So the level
    decides.

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

    With a, b and c the stop-set documents that both models, only the new one and only the old one give to a class,
    the predicted change is 1 - 2a / (2a + b + c). It needs no labels, but unlike kappa it does not count agreement
    on what neither model gives to the class, which for a rare class is nearly everything. The paper's is for one
    positive class; of several, the history holds the mean over those that either model predicts. Rounds without a
    change known do not count.

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
