"""Estimate the accuracy of each annotator and the labels of documents, with one parameter for each annotator. Pure.

n documents with labels from several annotators, k classes, p pairs of a document and a label that it was given. Memory
grows with p, never with n * k. An annotator is right with the same probability for all
classes, and errors are spread evenly over the other k - 1 classes. With many classes and few documents that have two
labels, more cannot be estimated: the confusion matrices of Dawid and Skene have k * k cells for each annotator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from laud_ray.types import Bools, Estimate, Floats, Indices

# The Beta prior of an annotator's accuracy: 9 right answers of 10.
PRIOR_RIGHT, PRIOR_WRONG = 9.0, 1.0
ROUNDS = 100
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Given:
    """The label that an annotator gave to a document."""

    document: str
    annotator: str
    label: str


@dataclass(frozen=True, slots=True)
class OneCoin:
    """Accuracies from n answers that can be compared, by annotator; and by document the probability of each label that
    somebody gave.
    """

    accuracy: Mapping[str, Estimate]
    proba: Mapping[str, Mapping[str, float]]


def one_coin(
    given: Sequence[Given],
    classes: int,
    gold: Mapping[str, str] | None = None,
    prior: tuple[float, float] = (PRIOR_RIGHT, PRIOR_WRONG),
) -> OneCoin:
    """Estimate annotators' accuracies and documents' labels by expectation maximisation.

    Dawid and Skene (1979), "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm"; with one
    parameter for each annotator: Zhang, Chen, Zhou and Jordan (2016), "Spectral Methods Meet EM". Ours, since
    crowd-kit's OneCoinDawidSkene takes neither gold labels nor a prior, without which an annotator with three double
    answers is estimated at 0 or 1; without both it gives the same (a test compares them).

    Args:
        given: no abstentions; several labels of an annotator for one document count as several.
        classes: k, how many labels there are.
        gold: the established labels of some documents.
        prior: numbers of right and wrong answers that every annotator is credited with beforehand.

    Returns:
        Accuracies of all annotators, whose intervals are quantiles of a Beta distribution; those without an answer
        that another annotator or gold could confirm have the prior's.
    """
    if not given:
        return OneCoin({}, {})
    known = gold or {}
    documents = sorted({one.document for one in given})
    annotators = sorted({one.annotator for one in given})
    labels = sorted({one.label for one in given} | set(known.values()))
    k = max(classes, len(labels), 2)
    row, column = {name: i for i, name in enumerate(documents)}, {name: j for j, name in enumerate(labels)}
    who = {name: i for i, name in enumerate(annotators)}
    at = np.array([[row[one.document], who[one.annotator], column[one.label]] for one in given], np.int64).reshape(
        -1, 3
    )
    fixed = np.array([(row[name], column[label]) for name, label in known.items() if name in row], np.int64)
    pairs = _pairs(at, fixed.reshape(-1, 2))
    several = np.bincount(at[:, 0], minlength=len(documents)) > 1
    several[pairs.document[pairs.gold]] = True
    counts = several[at[:, 0]]
    proba = _majority(pairs, len(documents))
    right = np.full(len(annotators), prior[0] / sum(prior)) if sum(prior) else np.full(len(annotators), 0.5)
    for _ in range(ROUNDS):
        hits, total = _counted(at[counts, 1], proba[pairs.of[counts]], len(annotators))
        before, right = right, _mean(hits, total, prior)
        proba = _posterior(at, pairs, right, k, len(documents))
        if np.abs(right - before).max(initial=0.0) < TOLERANCE:
            break
    confirmed = np.bincount(at[counts][:, 1], minlength=len(annotators))
    variance = _variance(at[counts], pairs.of[counts], proba, right, prior)
    found: dict[str, dict[str, float]] = {name: {} for name in documents}
    for i, j, probability in zip(pairs.document.tolist(), pairs.label.tolist(), proba.tolist(), strict=True):
        if probability > TOLERANCE:
            found[documents[i]][labels[j]] = probability
    return OneCoin({name: _interval(right[i], variance[i], int(confirmed[i]), prior) for name, i in who.items()}, found)


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """The p different pairs of a document and a label that it was given.

    Attributes:
        document, label: (p,) of each pair.
        of: the pair of each answer.
        gold: the pairs that are established.
        known: (p,) whether the document's label is established.
    """

    document: Indices
    label: Indices
    of: Indices
    gold: Indices
    known: Bools


def _pairs(at: np.ndarray, fixed: np.ndarray) -> _Pairs:
    listed, places = np.unique(np.concatenate([at[:, [0, 2]], fixed]), axis=0, return_inverse=True)
    places = places.reshape(-1)  # NumPy 2.0 alone gives it a second axis
    gold = places[len(at) :]
    return _Pairs(listed[:, 0], listed[:, 1], places[: len(at)], gold, np.isin(listed[:, 0], listed[gold, 0]))


def _majority(pairs: _Pairs, documents: int) -> Floats:
    """(p,) shares of the answers about the document."""
    votes = np.bincount(pairs.of, minlength=len(pairs.document)).astype(np.float64)
    total = np.bincount(pairs.document, weights=votes, minlength=documents)
    return _with_gold(votes / np.maximum(total[pairs.document], 1), pairs)


def _with_gold(proba: Floats, pairs: _Pairs) -> Floats:
    proba[pairs.known] = 0.0
    proba[pairs.gold] = 1.0
    return proba


def _counted(who: Indices, proba: Floats, annotators: int) -> tuple[Floats, Floats]:
    """The expected number of right answers of each annotator, and of all answers that can be confirmed."""
    hits = np.bincount(who, weights=proba, minlength=annotators)
    return hits.astype(np.float64), np.bincount(who, minlength=annotators).astype(np.float64)


def _mean(hits: Floats, total: Floats, prior: tuple[float, float]) -> Floats:
    mass = total + sum(prior)
    found: Floats = np.divide(hits + prior[0], mass, out=np.full(len(hits), 0.5), where=mass > 0)
    return np.clip(found, 1e-6, 1 - 1e-6)


def _posterior(at: np.ndarray, pairs: _Pairs, right: Floats, k: int, documents: int) -> Floats:
    """(p,) probabilities of the labels that were given, under a uniform prior over the k classes."""
    wrong = np.log((1 - right) / (k - 1))
    base = np.bincount(at[:, 0], weights=wrong[at[:, 1]], minlength=documents)
    gains = np.bincount(pairs.of, weights=(np.log(right) - wrong)[at[:, 1]], minlength=len(pairs.document))
    log = gains + base[pairs.document]
    # The classes that nobody named for a document have the likelihood of everybody erring.
    unnamed = np.maximum(k - np.bincount(pairs.document, minlength=documents), 0)
    most = base.copy()
    np.maximum.at(most, pairs.document, log)
    proba = np.exp(log - most[pairs.document])
    total = np.bincount(pairs.document, weights=proba, minlength=documents) + unnamed * np.exp(base - most)
    return _with_gold(proba / total[pairs.document], pairs)


def _variance(at: np.ndarray, of: Indices, proba: Floats, right: Floats, prior: tuple[float, float]) -> Floats:
    """Return the variance of each accuracy, given that the true labels are unknown.

    The observed information is the complete-data information minus the information that is missing because the labels
    are unknown, jointly for all annotators (Louis 1982, "Finding the Observed Information Matrix when Using the EM
    Algorithm").
    """
    each = right * (1 - right)
    information = np.diag((np.bincount(at[:, 1], minlength=len(right)) + sum(prior)) / each)
    by_document: dict[int, list[tuple[int, int]]] = {}
    for document, annotator, pair in zip(at[:, 0].tolist(), at[:, 1].tolist(), of.tolist(), strict=True):
        by_document.setdefault(document, []).append((annotator, pair))
    for ones in by_document.values():
        for a, pair in ones:
            for b, other in ones:
                both = proba[pair] if pair == other else 0.0
                information[a, b] -= (both - proba[pair] * proba[other]) / (each[a] * each[b])
    found: Floats = np.diag(np.linalg.pinv(information, hermitian=True))
    return np.maximum(found, each / (np.bincount(at[:, 1], minlength=len(right)) + sum(prior) + 1))


def _interval(mean: float, variance: float, n: int, prior: tuple[float, float]) -> Estimate:
    """An accuracy with the quantiles of the Beta distribution that has its mean and variance."""
    if not n and not sum(prior):
        return Estimate(float("nan"), 0.0, 1.0, 0)
    size = max(mean * (1 - mean) / variance - 1, 1e-2)
    low, high = (float(scipy.special.betaincinv(mean * size, (1 - mean) * size, level)) for level in (0.025, 0.975))
    return Estimate(float(mean), low, high, n)
