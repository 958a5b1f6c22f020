"""Query strategies: which documents to ask about next. Pure NumPy."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from laud_ray.errors import ConfigError
from laud_ray.query.mix import Mix
from laud_ray.query.rare import RareClass
from laud_ray.query.uncertainty import Entropy, HighConfidence, LeastConfidence, Margin, Random
from laud_ray.types import QueryStrategy

__all__ = [
    "STRATEGIES",
    "Entropy",
    "HighConfidence",
    "LeastConfidence",
    "Margin",
    "Mix",
    "Random",
    "RareClass",
    "build",
]

STRATEGIES: dict[str, type] = {
    "entropy": Entropy,
    "high_confidence": HighConfidence,
    "least_confidence": LeastConfidence,
    "margin": Margin,
    "mix": Mix,
    "random": Random,
    "rare_class": RareClass,
}


def build(name: str, *, counts: Sequence[int], mix: Mapping[str, float] | None = None) -> QueryStrategy:
    """Make the query strategy of a name.

    Args:
        name: a name in STRATEGIES.
        counts: annotations of each of the k classes so far.
        mix: for "mix", the share of each strategy by name; None for the others.

    Raises:
        ConfigError: if a name is unknown, or mix is missing, out of place, or holds a share not above 0.
    """
    if name != "mix":
        if mix is not None:
            raise ConfigError(f"query.mix is given, but query.strategy is {name!r}, expected 'mix'")
        return _build_single(name, counts)
    if not mix:
        raise ConfigError("query.mix is missing, expected shares such as {margin: 0.7, random: 0.3}")
    return Mix(tuple((_checked_share(part, share), _build_single(part, counts)) for part, share in mix.items()))


def _build_single(name: str, counts: Sequence[int]) -> QueryStrategy:
    if name == "mix":
        raise ConfigError("query.mix holds 'mix', expected single strategies")
    if name not in STRATEGIES:
        raise ConfigError(_unknown(name))
    strategy: QueryStrategy = RareClass(tuple(counts)) if name == "rare_class" else STRATEGIES[name]()
    return strategy


def _checked_share(part: str, share: float) -> float:
    if not 0 < share < float("inf"):
        raise ConfigError(f"query.mix: the share of {part} is {share}, expected above 0")
    return share


def _unknown(name: str) -> str:
    close = get_close_matches(name, STRATEGIES, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"query.strategy {name!r} is unknown, expected one of {', '.join(sorted(STRATEGIES))}{hint}"
