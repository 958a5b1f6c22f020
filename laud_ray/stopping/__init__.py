"""Decide when to stop annotating, from the history of rounds alone.

laud_ray.config.stopping checks the parameters of the rules.
"""

from collections.abc import Sequence

from laud_ray.stopping.counts import Budget, PoolExhausted, Rounds
from laud_ray.stopping.gain import Gain, Plateau, Target
from laud_ray.stopping.stability import DeltaF, Kappa
from laud_ray.types import RoundResult, StoppingRule

__all__ = [
    "RULES",
    "Budget",
    "DeltaF",
    "Gain",
    "Kappa",
    "Plateau",
    "PoolExhausted",
    "Rounds",
    "Target",
    "first_verdict",
]

RULES: dict[str, type] = {
    "budget": Budget,
    "delta_f": DeltaF,
    "gain": Gain,
    "kappa": Kappa,
    "plateau": Plateau,
    "pool_exhausted": PoolExhausted,
    "rounds": Rounds,
    "target": Target,
}


def first_verdict(rules: Sequence[StoppingRule], history: Sequence[RoundResult]) -> str | None:
    """Return the reason of the first rule that stops, or None to continue."""
    verdicts = (rule.verdict(history) for rule in rules)
    return next((verdict for verdict in verdicts if verdict is not None), None)
