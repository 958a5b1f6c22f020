"""Agreement of annotators: Cohen's kappa of pairs, Krippendorff's alpha of all, and the labels they confuse. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from laud_ray.quality.aggregation import MODEL, Opinion
from laud_ray.stats.metrics import cohen_kappa
from laud_ray.types import Figures

MOST_CONFUSED = 5


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """The agreement of two annotators on the n documents that both labelled.

    Attributes:
        one, other: the names of the annotators.
        n: the number of documents.
        share: the share of the n documents with the same label, in [0, 1].
        kappa: Cohen's kappa, in [-1, 1]: 1 is full agreement, 0 is chance.
    """

    one: str
    other: str
    n: int
    share: float
    kappa: float


@dataclass(frozen=True, slots=True)
class Confused:
    """Two labels that annotators gave to the same document, in either order, and the number of these documents."""

    label: str
    other: str
    count: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of all annotators on the documents with two or more labels.

    Attributes:
        documents: the number of these documents.
        alpha: Krippendorff's nominal alpha; None if all labels are the same, for which it is undefined.
        pairs: the pairs of annotators with a document in common, those with the most documents first.
        confused: the labels that are confused most often.
    """

    documents: int
    alpha: float | None
    pairs: tuple[PairAgreement, ...]
    confused: tuple[Confused, ...]


@dataclass(frozen=True, slots=True)
class OracleError:
    """The quality of an oracle, measured against a trusted oracle on a random sample.

    Attributes:
        figures: as for a model, with the trusted oracle's answers as the truth.
        kappa: Cohen's kappa of the two oracles.
        confused: the labels that are confused most often.
    """

    figures: Figures
    kappa: float
    confused: tuple[Confused, ...]


def compare(opinions: Sequence[Opinion]) -> Agreement | None:
    """Measure the agreement of annotators; None if no document has two labels.

    Abstentions and the model's opinions are ignored. If an annotator labelled a document twice, pairs use the first
    label, and alpha uses both.

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
    return Agreement(len(several), _alpha(several), _pairs(several, names), _confused(several))


def _alpha(several: Sequence[Sequence[tuple[str, str]]]) -> float | None:
    """Return Krippendorff's nominal alpha: 1 - observed / expected disagreement. It builds no matrix of labels.

    Of a document with m answers, the pairs of answers that differ count 1 / (m - 1) each.
    """
    total: Counter[str] = Counter()
    observed = 0.0
    for answers in several:
        given = Counter(label for _, label in answers)
        m = len(answers)
        observed += (m * m - sum(count * count for count in given.values())) / (m - 1)
        total += given
    n = total.total()
    expected = (n * n - sum(count * count for count in total.values())) / (n - 1)
    return None if len(total) < 2 else 1 - observed / expected


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
    return most_confused(
        pair for answers in several for pair in combinations(sorted({label for _, label in answers}), 2)
    )


def most_confused(pairs: Iterable[tuple[str, str]]) -> tuple[Confused, ...]:
    """Return the most frequent pairs of labels that differ, with their numbers.

    Example:
        most_confused([("Tea", "Coffee"), ("Tea", "Tea"), ("Tea", "Coffee")]) is (Confused("Tea", "Coffee", 2),).
    """
    counts = Counter(pair for pair in pairs if pair[0] != pair[1])
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confused(one, other, count) for (one, other), count in ranked[:MOST_CONFUSED])
