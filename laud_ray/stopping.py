"""Decide when to stop annotating, from the history of rounds alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from laud_ray.errors import ConfigError
from laud_ray.types import RoundResult, StoppingRule


@dataclass(frozen=True, slots=True)
class Budget:
    """Stop when the annotations of the budget are spent."""

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to go on."""
        if not history or history[-1].annotations < history[-1].budget:
            return None
        return f"budget: {history[-1].annotations} of {history[-1].budget} annotations are spent"


@dataclass(frozen=True, slots=True)
class Rounds:
    """Stop after `maximum` trained rounds; round 0, zero-shot, is not trained."""

    maximum: int

    def __post_init__(self) -> None:
        _require_at_least_one("rounds", "maximum", self.maximum)

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to go on."""
        if not history or history[-1].number < self.maximum:
            return None
        return f"rounds: {history[-1].number} of {self.maximum} rounds are trained"


@dataclass(frozen=True, slots=True)
class Kappa:
    """Stop when consecutive models agree: mean kappa of the last `window` rounds >= `threshold`.

    Rounds without a kappa do not count. What agreement promises: with kappa >= T > 0 between two models,
    their F-measures on the stop set differ by at most 4 (1 - T) / T: 0.04 at T = 0.99. The trap: a kappa that
    merely stops *changing*, say at 0.5, means that every round still relabels much of the pool. So the level
    decides.

    Bloodgood and Vijay-Shanker (2009), "A Method for Stopping Active Learning Based on Stabilizing
    Predictions and the Need for User-Adjustable Stopping"; the bound is from arXiv 1504.06329.
    """

    threshold: float = 0.99
    window: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"kappa: threshold is {self.threshold}, expected above 0 and at most 1")
        _require_at_least_one("kappa", "window", self.window)

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
class Plateau:
    """Stop when `patience` rounds add no more than `gain` to the best estimated macro-F1 before them."""

    gain: float = 0.005
    patience: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.gain < 1:
            raise ConfigError(f"plateau: gain is {self.gain}, expected at least 0 and below 1")
        _require_at_least_one("plateau", "patience", self.patience)

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
class PoolExhausted:
    """Stop when no document is left to ask about."""

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to go on."""
        if not history or history[-1].pool > 0:
            return None
        return f"pool_exhausted: 0 documents are left to ask about after {history[-1].annotations} annotations"


RULES: dict[str, type] = {
    "budget": Budget,
    "kappa": Kappa,
    "plateau": Plateau,
    "pool_exhausted": PoolExhausted,
    "rounds": Rounds,
}


def first_verdict(rules: Sequence[StoppingRule], history: Sequence[RoundResult]) -> str | None:
    """Return the reason of the first rule that stops, or None to go on."""
    verdicts = (rule.verdict(history) for rule in rules)
    return next((verdict for verdict in verdicts if verdict is not None), None)


def _require_at_least_one(rule: str, name: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"{rule}: {name} is {value}, expected at least 1")
