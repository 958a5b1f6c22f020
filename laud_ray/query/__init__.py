"""Query strategies: choose the documents to annotate next. Pure NumPy."""

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
# Strategies that score each document alone, so that a batch may consist of similar documents; `diversity` applies here.
SPREADABLE = ("entropy", "high_confidence", "least_confidence", "margin", "rare_class")
# Values of `diversity`, with the method of Diverse.
METHODS: dict[str, Method] = {"badge": "badge", "core_set": "coreset", "kmeans": "kmeans"}
# Strategies that are composed of other strategies; they cannot be part of a mix.
COMPOSED = ("auto", "mix")
# Strategies that need the number of annotations of each class.
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
    """Build a query strategy from its configuration.

    Example:
        build("mix", counts=(12, 3), mix={"margin": 0.7, "random": 0.3}, diversity="kmeans")

    Args:
        name: a name in STRATEGIES.
        counts: the number of annotations of each of the k classes so far.
        mix: for "mix", the share of each strategy by name; None for other strategies.
        diversity: a name in METHODS: make the batches of the strategies in SPREADABLE diverse; None to leave them.
        answerable: avoid documents that are similar to those on which the oracle abstained.
        choice: for "auto", the decision of `choose`; None in a pass, which runs before the decision.

    Raises:
        ConfigError: if a name is unknown, if mix is missing, is given for another strategy, or has a share that is
            not above 0, or if diversity applies to none of the strategies.
    """
    if name != "mix" and mix is not None:
        raise ConfigError(f"query.mix: it is given while query.strategy is {name!r}; expected query.strategy: mix")
    if name == "mix" and not mix:
        raise ConfigError("query.mix: it is missing; expected shares such as {margin: 0.7, random: 0.3}")
    shares = mix or {name: 1.0}
    if diversity is not None and diversity not in METHODS:
        raise ConfigError(f"query.diversity: {diversity!r} is not valid; expected one of {', '.join(METHODS)}")
    if diversity is not None and not set(shares) & set(SPREADABLE):
        raise ConfigError(
            f"query.diversity: {diversity!r} does not apply to query.strategy {name!r}; expected one of "
            f"{', '.join(SPREADABLE)}"
        )
    for part in set(shares) & set(COMPOSED) if name == "mix" else ():
        raise ConfigError(f"query.mix: {part!r} is not valid; expected strategies other than {' and '.join(COMPOSED)}")
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
        raise ConfigError(f"query.mix.{part}: {share} is not valid; expected a share above 0")
    return share


def _unknown(name: str) -> str:
    close = get_close_matches(name, STRATEGIES, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"query.strategy: {name!r} is not valid; expected one of {', '.join(sorted(STRATEGIES))}{hint}"
