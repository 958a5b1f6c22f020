"""Stopping rules that count annotations, rounds, or the documents left."""

from collections.abc import Sequence
from dataclasses import dataclass

from laud_ray.types import RoundResult


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
    """Stop after `maximum` trained rounds; round 0 is zero-shot and does not count."""

    maximum: int

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to go on."""
        if not history or history[-1].number < self.maximum:
            return None
        return f"rounds: {history[-1].number} of {self.maximum} rounds are trained"


@dataclass(frozen=True, slots=True)
class PoolExhausted:
    """Stop when no document is left to annotate."""

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to go on."""
        if not history or history[-1].pool > 0:
            return None
        return f"pool_exhausted: no document is left to annotate after {history[-1].annotations} annotations"
