"""Agreement of annotators: Cohen's kappa of pairs, Krippendorff's alpha of all, and the labels they confuse. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from laud_ray.quality.aggregation import MODEL, Opinion
from laud_ray.quality.sets import distances, replaced
from laud_ray.stats.metrics import cohen_kappa
from laud_ray.types import Figures, Indices

MOST_CONFUSED = 5
# Distinct sets that are compared with all others at once.
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """The agreement of two annotators on the n documents that both labelled.

    Attributes:
        one, other: the names of the annotators.
        n: the number of documents.
        share: the share of the n documents with the same label, in [0, 1].
        kappa: Cohen's kappa, in [-1, 1]: 1 is full agreement, 0 is chance. Of sets of labels, it is weighted by their
            Jaccard distances.
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
        alpha: Krippendorff's nominal alpha, or that of sets of labels by their Jaccard distances; None if all labels
            are the same, for which it is undefined.
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


def compare(opinions: Sequence[Opinion], *, multilabel: bool = False) -> Agreement | None:
    """Measure the agreement of annotators; None if no document has two labels.

    Abstentions and the model's opinions are ignored. If an annotator labelled a document twice, pairs use the first
    label, and alpha uses both.

    Sets of labels agree in part: they differ by their Jaccard distance, from 0 for equal sets to 1 for sets without a
    label in common. Sets of one label each have the same figures as labels.

    Cohen (1960), "A Coefficient of Agreement for Nominal Scales"; Cohen (1968), "Weighted Kappa"; Krippendorff (2011),
    "Computing Krippendorff's Alpha-Reliability"; Passonneau (2006), "Measuring Agreement on Set-valued Items (MASI)".

    Args:
        multilabel: whether labels are text forms of sets of labels.
    """
    said: dict[str, list[tuple[str, str]]] = {}
    for one in sorted(opinions, key=lambda opinion: opinion.attempt):
        if one.label is not None and one.who != MODEL:
            said.setdefault(one.document_id, []).append((one.who, one.label))
    several = [answers for answers in said.values() if len(answers) > 1]
    if not several:
        return None
    names = sorted({label for answers in several for _, label in answers})
    alpha = (_alpha_of_sets if multilabel else _alpha)(several)
    return Agreement(len(several), alpha, _pairs(several, names, multilabel), _confused(several, multilabel))


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


def _alpha_of_sets(several: Sequence[Sequence[tuple[str, str]]]) -> float | None:
    """Do the same with the distances of sets; chunk by chunk of the d distinct sets."""
    total = Counter(label for answers in several for _, label in answers)
    if len(total) < 2:
        return None
    observed = 0.0
    for answers in several:
        labels = [label for _, label in answers]
        observed += float(distances(labels, labels).sum()) / (len(labels) - 1)
    names, n = list(total), total.total()
    counts = np.array([total[name] for name in names], np.float64)
    starts = range(0, len(names), _CHUNK)
    sums = [float(counts[i : i + _CHUNK] @ distances(names[i : i + _CHUNK], names) @ counts) for i in starts]
    return 1 - observed / (sum(sums) / (n - 1))


def _pairs(
    several: Sequence[Sequence[tuple[str, str]]], names: Sequence[str], multilabel: bool
) -> tuple[PairAgreement, ...]:
    index = {name: i for i, name in enumerate(names)}
    both: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for answers in several:
        first = {who: index[label] for who, label in reversed(answers)}
        for one, other in combinations(sorted(first), 2):
            both.setdefault((one, other), []).append((first[one], first[other]))
    found = []
    for (one, other), labels in both.items():
        a, b = np.asarray(labels, np.int64).T
        kappa = _kappa_of_sets(a, b, names) if multilabel else cohen_kappa(a, b, len(names))
        found.append(PairAgreement(one, other, len(a), float(np.mean(a == b)), kappa))
    return tuple(sorted(found, key=lambda pair: (-pair.n, pair.one, pair.other)))


def _kappa_of_sets(one: Indices, other: Indices, names: Sequence[str]) -> float:
    """Return Cohen's kappa of two annotators' n sets, weighted by distance; 1 if all are the same set."""
    mine, a = np.unique(one, return_inverse=True)
    theirs, b = np.unique(other, return_inverse=True)
    far = distances([names[i] for i in mine], [names[i] for i in theirs])
    shares = [np.bincount(each) / len(each) for each in (a, b)]
    expected = float(shares[0] @ far @ shares[1])
    return 1.0 if expected == 0 else 1 - float(far[a, b].mean()) / expected


def _confused(several: Sequence[Sequence[tuple[str, str]]], multilabel: bool) -> tuple[Confused, ...]:
    pairs = [pair for answers in several for pair in combinations(sorted({label for _, label in answers}), 2)]
    if multilabel:
        pairs = [(min(each), max(each)) for pair in pairs for each in replaced(*pair)]
    return most_confused(pairs)


def most_confused(pairs: Iterable[tuple[str, str]]) -> tuple[Confused, ...]:
    """Return the most frequent pairs of labels that differ, with their numbers.

    Example:
        most_confused([("Tea", "Coffee"), ("Tea", "Tea"), ("Tea", "Coffee")]) is (Confused("Tea", "Coffee", 2),).
    """
    counts = Counter(pair for pair in pairs if pair[0] != pair[1])
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confused(one, other, count) for (one, other), count in ranked[:MOST_CONFUSED])
