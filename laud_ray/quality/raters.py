"""Whether those who answer agree: Cohen's kappa of two, Krippendorff's alpha of all, and what they confuse. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from laud_ray.quality.settling import MODEL, Opinion
from laud_ray.stats.metrics import cohen_kappa
from laud_ray.types import Figures

MOST_CONFUSED = 5


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """How far two voices agree on the n documents that both gave a label to.

    Attributes:
        share: of the n, in [0, 1].
        kappa: Cohen's: 1 is full agreement, 0 is what chance makes.
    """

    one: str
    other: str
    n: int
    share: float
    kappa: float


@dataclass(frozen=True, slots=True)
class Confused:
    """Two labels that voices gave to the same document, in `count` documents, in either order."""

    label: str
    other: str
    count: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far all voices agree on the documents that two or more gave a label to.

    Attributes:
        alpha: Krippendorff's, nominal; None where all said one and the same label, of which it knows nothing.
        pairs: those with a document in common, the most documents first.
        confused: the labels that are confused most.
    """

    documents: int
    alpha: float | None
    pairs: tuple[PairAgreement, ...]
    confused: tuple[Confused, ...]


@dataclass(frozen=True, slots=True)
class OracleError:
    """How an oracle does on what a trusted one answered of a random sample.

    Attributes:
        figures: measured like a model's; precision and recall of a class say for what it is taken, and what for it.
        kappa: Cohen's, of the two.
        confused: the labels that are confused most.
    """

    figures: Figures
    kappa: float
    confused: tuple[Confused, ...]


def compare(opinions: Sequence[Opinion]) -> Agreement | None:
    """Measure agreement; None where no document has two labels. Abstentions say nothing, and the model is not heard.

    Of a voice that spoke twice of a document, a pair takes the first label, and alpha both.

    Cohen (1960), "A Coefficient of Agreement for Nominal Scales"; Krippendorff (2011), "Computing Krippendorff's
    Alpha-Reliability".
    """
    said: dict[str, list[tuple[str, str]]] = {}
    for one in sorted(opinions, key=lambda opinion: opinion.attempt):
        if one.label is not None and one.who != MODEL:
            said.setdefault(one.document_id, []).append((one.who, one.label))
    several = [answers for answers in said.values() if len(answers) > 1]
    if not several:
        return None
    names = sorted({label for answers in several for _, label in answers})
    return Agreement(len(several), _alpha(several, names), _pairs(several, names), _confused(several))


def _alpha(several: Sequence[Sequence[tuple[str, str]]], names: Sequence[str]) -> float | None:
    if len(names) < 2:
        return None
    import krippendorff

    index = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(several), len(names)), np.int64)
    for row, answers in zip(counts, several, strict=True):
        for _, label in answers:
            row[index[label]] += 1
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def _pairs(several: Sequence[Sequence[tuple[str, str]]], names: Sequence[str]) -> tuple[PairAgreement, ...]:
    index = {name: i for i, name in enumerate(names)}
    both: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for answers in several:
        first = {who: index[label] for who, label in reversed(answers)}
        for one, other in combinations(sorted(first), 2):
            both.setdefault((one, other), []).append((first[one], first[other]))
    found = []
    for (one, other), labels in both.items():
        a, b = np.asarray(labels, np.int64).T
        found.append(PairAgreement(one, other, len(a), float(np.mean(a == b)), cohen_kappa(a, b, len(names))))
    return tuple(sorted(found, key=lambda pair: (-pair.n, pair.one, pair.other)))


def _confused(several: Sequence[Sequence[tuple[str, str]]]) -> tuple[Confused, ...]:
    pairs = Counter(pair for answers in several for pair in combinations(sorted({label for _, label in answers}), 2))
    ranked = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confused(one, other, count) for (one, other), count in ranked[:MOST_CONFUSED])
