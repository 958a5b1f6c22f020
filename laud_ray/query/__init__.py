"""Query strategies: which documents to ask about next. Pure NumPy."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from laud_ray.errors import ConfigError
from laud_ray.query.auto import Auto, Choice
from laud_ray.query.mix import Mix
from laud_ray.query.rare import RareClass
from laud_ray.query.spatial.anchors import Anchors
from laud_ray.query.spatial.answerable import Answering
from laud_ray.query.spatial.committee import Disagreement
from laud_ray.query.spatial.contrast import Contrastive
from laud_ray.query.spatial.covering import CoreSet, KMeans, ProbCover, TypiClust
from laud_ray.query.spatial.diverse import Diverse, Method
from laud_ray.query.spatial.gradient import Badge
from laud_ray.query.uncertainty import Entropy, HighConfidence, LeastConfidence, Margin, Random
from laud_ray.types import QueryStrategy

__all__ = [
    "COMPOSED",
    "METHODS",
    "SPREADABLE",
    "STRATEGIES",
    "Anchors",
    "Answering",
    "Auto",
    "Badge",
    "Choice",
    "Contrastive",
    "CoreSet",
    "Disagreement",
    "Diverse",
    "Entropy",
    "HighConfidence",
    "KMeans",
    "LeastConfidence",
    "Margin",
    "Mix",
    "ProbCover",
    "Random",
    "RareClass",
    "TypiClust",
    "build",
]

STRATEGIES: dict[str, type] = {
    "anchors": Anchors,
    "auto": Auto,
    "badge": Badge,
    "contrastive": Contrastive,
    "core_set": CoreSet,
    "disagreement": Disagreement,
    "entropy": Entropy,
    "high_confidence": HighConfidence,
    "kmeans": KMeans,
    "least_confidence": LeastConfidence,
    "margin": Margin,
    "mix": Mix,
    "prob_cover": ProbCover,
    "random": Random,
    "rare_class": RareClass,
    "typiclust": TypiClust,
}
# What ranks one by one, so that the best of a batch may be much the same.
SPREADABLE = ("entropy", "high_confidence", "least_confidence", "margin", "rare_class")
# How `diversity` can spread them.
METHODS: dict[str, Method] = {"badge": "badge", "core_set": "coreset", "kmeans": "kmeans"}
# What is made of other strategies, and cannot be part of a mix.
COMPOSED = ("auto", "mix")
# What is told how many annotations each class has.
COUNTING = ("anchors", "rare_class")


def build(
    name: str,
    *,
    counts: Sequence[int],
    mix: Mapping[str, float] | None = None,
    diversity: str | None = None,
    answerable: bool = False,
    choice: Choice | None = None,
) -> QueryStrategy:
    """Make the query strategy of a name.

    Args:
        name: a name in STRATEGIES.
        counts: annotations of each of the k classes so far.
        mix: for "mix", the share of each strategy by name; None for the others.
        diversity: spread the batch of an uncertainty strategy, or those of a mix's, by this method.
        answerable: avoid what is like documents that got no answer.
        choice: for "auto", how to ask; None in a pass, which comes before the choice.

    Raises:
        ConfigError: if a name is unknown, mix is missing, out of place, or holds a share not above 0, or there is
            nothing that diversity could spread.
    """
    if name != "mix" and mix is not None:
        raise ConfigError(f"query.mix is given, but query.strategy is {name!r}, expected 'mix'")
    if name == "mix" and not mix:
        raise ConfigError("query.mix is missing, expected shares such as {margin: 0.7, random: 0.3}")
    shares = mix or {name: 1.0}
    if diversity is not None and diversity not in METHODS:
        raise ConfigError(f"query.diversity {diversity!r} is unknown, expected one of {', '.join(METHODS)}")
    if diversity is not None and not set(shares) & set(SPREADABLE):
        raise ConfigError(
            f"query.diversity {diversity!r} has nothing to spread, expected one of {', '.join(SPREADABLE)}"
        )
    for part in set(shares) & set(COMPOSED) if name == "mix" else ():
        raise ConfigError(f"query.mix holds {part!r}, expected single strategies")
    parts = {part: _build_single(part, counts, diversity) for part in shares if part not in COMPOSED}
    strategy: QueryStrategy
    if name == "mix":
        strategy = Mix(tuple((_checked_share(part, shares[part]), parts[part]) for part in parts))
    else:
        strategy = Auto(choice) if name == "auto" else parts[name]
    return Answering(strategy) if answerable else strategy


def _build_single(name: str, counts: Sequence[int], diversity: str | None) -> QueryStrategy:
    if name not in STRATEGIES:
        raise ConfigError(_unknown(name))
    strategy: QueryStrategy = STRATEGIES[name](tuple(counts)) if name in COUNTING else STRATEGIES[name]()
    return Diverse(strategy, METHODS[diversity]) if diversity is not None and name in SPREADABLE else strategy


def _checked_share(part: str, share: float) -> float:
    if not 0 < share < float("inf"):
        raise ConfigError(f"query.mix: the share of {part} is {share}, expected above 0")
    return share


def _unknown(name: str) -> str:
    close = get_close_matches(name, STRATEGIES, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"query.strategy {name!r} is unknown, expected one of {', '.join(sorted(STRATEGIES))}{hint}"
