"""Query strategies: choose the documents to annotate next. Pure NumPy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from laud_ray.query.auto import Auto, Choice
from laud_ray.query.mix import Mix
from laud_ray.query.multilabel import Cardinality, Cvirs, LabelEntropy
from laud_ray.query.rare import RareClass
from laud_ray.query.spatial.anchors import Anchors
from laud_ray.query.spatial.answerable import Answering
from laud_ray.query.spatial.committee import Disagreement
from laud_ray.query.spatial.contrast import Contrastive
from laud_ray.query.spatial.covering import CoreSet, KMeans, ProbCover, TypiClust
from laud_ray.query.spatial.diverse import Diverse, Method
from laud_ray.query.spatial.gradient import Badge
from laud_ray.query.uncertainty import Entropy, HighConfidence, LeastConfidence, Margin, Random
from laud_ray.stats.multilabel.thresholds import UNFITTED
from laud_ray.types import Floats, QueryStrategy

__all__ = [
    "COMPOSED",
    "METHODS",
    "MULTILABEL",
    "OF_SETS",
    "SPREADABLE",
    "STRATEGIES",
    "Anchors",
    "Answering",
    "Auto",
    "Badge",
    "Cardinality",
    "Choice",
    "Contrastive",
    "CoreSet",
    "Cvirs",
    "Disagreement",
    "Diverse",
    "Entropy",
    "HighConfidence",
    "KMeans",
    "LabelEntropy",
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
    "cardinality": Cardinality,
    "contrastive": Contrastive,
    "core_set": CoreSet,
    "cvirs": Cvirs,
    "disagreement": Disagreement,
    "entropy": Entropy,
    "high_confidence": HighConfidence,
    "kmeans": KMeans,
    "label_entropy": LabelEntropy,
    "least_confidence": LeastConfidence,
    "margin": Margin,
    "mix": Mix,
    "prob_cover": ProbCover,
    "random": Random,
    "rare_class": RareClass,
    "typiclust": TypiClust,
}
# Strategies that read the probabilities of a multilabel task, and no others.
OF_SETS = ("cardinality", "cvirs", "label_entropy")
# Strategies that score each document alone, so that a batch may consist of similar documents; `diversity` applies here.
SPREADABLE = ("entropy", "high_confidence", "least_confidence", "margin", "rare_class", *OF_SETS)
# Strategies of a multilabel task: the others read class probabilities that sum to 1. The configuration replaces `auto`.
MULTILABEL = ("auto", "core_set", "kmeans", "mix", "random", "typiclust", *OF_SETS)
# Values of `diversity`, with the method of Diverse.
METHODS: dict[str, Method] = {"badge": "badge", "core_set": "coreset", "kmeans": "kmeans"}
# Strategies that are composed of other strategies; they cannot be part of a mix.
COMPOSED = ("auto", "mix")
# Strategies that need the number of annotations of each class.
COUNTING = ("anchors", "label_entropy", "rare_class")


def build(
    name: str,
    *,
    counts: Sequence[int],
    mix: Mapping[str, float] | None = None,
    diversity: str | None = None,
    answerable: bool = False,
    choice: Choice | None = None,
    answers: npt.NDArray[np.int8] | None = None,
    thresholds: Floats | None = None,
) -> QueryStrategy:
    """Build a query strategy from its configuration, which laud_ray.config.asking has checked.

    Example:
        build("mix", counts=(12, 3), mix={"margin": 0.7, "random": 0.3}, diversity="kmeans")

    Args:
        name: a name in STRATEGIES.
        counts: the number of annotations of each of the k classes so far; in a multilabel task, of documents to which
            each label applies.
        mix: for "mix", the share of each strategy by name, all above 0; None for other strategies.
        diversity: a name in METHODS: make the batches of the strategies in SPREADABLE diverse; None to leave them.
        answerable: avoid documents that are similar to those on which the oracle abstained.
        choice: for "auto", the decision of `choose`; None in a pass, which runs before the decision.
        answers: of a multilabel task, (m, k) 1 or 0 for each label of m annotated documents; None: there are none.
        thresholds: of a multilabel task, (k,) of the round's model; None where utilities are not needed.
    """
    strategy: QueryStrategy
    known = _Known(tuple(counts), answers, thresholds)
    if name == "mix":
        assert mix, "the configuration requires parts for a mix"
        strategy = Mix(tuple((share, _build_single(part, known, diversity)) for part, share in mix.items()))
    else:
        strategy = Auto(choice) if name == "auto" else _build_single(name, known, diversity)
    return Answering(strategy) if answerable else strategy


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What strategies are built from; the attributes are arguments of `build`."""

    counts: tuple[int, ...]
    answers: npt.NDArray[np.int8] | None
    thresholds: Floats | None

    def of_sets(self, name: str) -> QueryStrategy:
        """Build a strategy of OF_SETS that reads thresholds."""
        k = len(self.counts)
        answers = np.zeros((0, k), np.int8) if self.answers is None else self.answers
        thresholds = np.full(k, UNFITTED) if self.thresholds is None else self.thresholds
        if name == "cvirs":
            return Cvirs(answers, thresholds)
        return Cardinality(float((answers == 1).sum(axis=1).mean()) if len(answers) else 1.0, thresholds)


def _build_single(name: str, known: _Known, diversity: str | None) -> QueryStrategy:
    strategy: QueryStrategy
    if name in COUNTING:
        strategy = STRATEGIES[name](known.counts)
    else:
        strategy = known.of_sets(name) if name in OF_SETS else STRATEGIES[name]()
    return Diverse(strategy, METHODS[diversity]) if diversity is not None and name in SPREADABLE else strategy
