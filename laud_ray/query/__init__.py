"""Query strategies: choose the documents to annotate next. Pure NumPy."""

from collections.abc import Mapping, Sequence

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
    """Build a query strategy from its configuration, which laud_ray.config.asking has checked.

    Example:
        build("mix", counts=(12, 3), mix={"margin": 0.7, "random": 0.3}, diversity="kmeans")

    Args:
        name: a name in STRATEGIES.
        counts: the number of annotations of each of the k classes so far.
        mix: for "mix", the share of each strategy by name, all above 0; None for other strategies.
        diversity: a name in METHODS: make the batches of the strategies in SPREADABLE diverse; None to leave them.
        answerable: avoid documents that are similar to those on which the oracle abstained.
        choice: for "auto", the decision of `choose`; None in a pass, which runs before the decision.
    """
    strategy: QueryStrategy
    if name == "mix":
        assert mix, "the configuration requires parts for a mix"
        strategy = Mix(tuple((share, _build_single(part, counts, diversity)) for part, share in mix.items()))
    else:
        strategy = Auto(choice) if name == "auto" else _build_single(name, counts, diversity)
    return Answering(strategy) if answerable else strategy


def _build_single(name: str, counts: Sequence[int], diversity: str | None) -> QueryStrategy:
    strategy: QueryStrategy = STRATEGIES[name](tuple(counts)) if name in COUNTING else STRATEGIES[name]()
    return Diverse(strategy, METHODS[diversity]) if diversity is not None and name in SPREADABLE else strategy
