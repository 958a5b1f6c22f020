"""Choose documents to which several labels may apply. Pure NumPy. n documents, k labels, m annotated documents.

A utility is an (n, 1) array; documents with larger values are chosen first.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from laud_ray.query.ranking import best_rows
from laud_ray.stats.multilabel.entropy import binary_entropies
from laud_ray.types import Bools, Candidates, Floats, Indices

_BLOCK = 4096  # rows that are processed at once
# The most distinct answers that a document is compared with, the most frequent ones.
_MOST = 1024


@dataclass(frozen=True, slots=True)
class LabelEntropy:
    """Prefer documents of whose labels the model is unsure, above all of labels with few annotations.

    The utility is the weighted mean of the labels' binary entropies, divided by the number of labels that the model
    expects, if that is more than 1. The weight of a label to which c annotated documents belong is 1 / sqrt(1 + c): a
    rare label counts more, and does not crowd out the others. Without the division, most queries are documents to which
    many labels might apply, and the model learns less from them than from random ones (docs/LOG.md).

    Attributes:
        counts: (k,) the number of annotated documents to which each label applies.

    Raises:
        ValueError: if a count is negative.
    """

    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if min(self.counts, default=0) < 0:
            raise ValueError(f"a label has {min(self.counts)} annotations; expected at least 0")

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) utilities in [0, log 2]; larger is better.

        Raises:
            ValueError: if k is not the number of counts.
        """
        if proba.shape[1] != len(self.counts):
            raise ValueError(f"proba has {proba.shape[1]} labels; expected {len(self.counts)}, as many as counts")
        weights = 1 / np.sqrt(1 + np.array(self.counts, np.float32))
        weights /= weights.sum()
        return _by_block(proba, lambda part: binary_entropies(part) @ weights / np.maximum(part.sum(axis=1), 1))

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, best first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
        """
        return best_rows(pool, n, rng=rng)


@dataclass(frozen=True, slots=True, eq=False)
class Cardinality:
    """Prefer documents with another number of predicted labels than annotated documents have on average.

    Li and Guo (2013), "Active Learning with Multi-Label SVM Classification": label cardinality inconsistency. Labels
    are predicted by the model's thresholds.

    Attributes:
        mean: the mean number of labels of annotated documents.
        thresholds: (k,) of the model.
    """

    mean: float
    thresholds: Floats

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) utilities in [0, k]; larger is better."""
        return _by_block(proba, lambda part: np.abs((part >= self.thresholds).sum(axis=1) - self.mean))

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, best first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
        """
        return best_rows(pool, n, rng=rng)


@dataclass(frozen=True, slots=True, eq=False)
class Cvirs:
    """Prefer documents near the thresholds of many labels whose predicted sets are unlike those of annotated documents.

    Reyes, Morell and Ventura (2018), "Effective active learning strategy for multi-label learning": category vector
    inconsistency and ranking of scores. They rank all unlabelled documents for each label by their margins and add up
    the ranks (Borda). Here a margin is its rank among those of a worker's documents, which are a random sample, and a
    document is compared with the distinct answers, weighted by how often they were given, so that neither is quadratic.

    Attributes:
        answers: (m, k) 1 or 0, the sets of annotated documents.
        thresholds: (k,) of the model.
    """

    answers: npt.NDArray[np.int8]
    thresholds: Floats

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) utilities in [0, 1]; larger is better."""
        n = len(proba)
        if not n:
            return np.empty((0, 1), np.float32)
        margins = np.abs(proba - self.thresholds)
        # The share of documents with a larger margin, averaged over labels: near a threshold it is almost 1.
        ranks = np.argsort(np.argsort(-margins, axis=0, kind="stable"), axis=0, kind="stable")
        near = (ranks / n).mean(axis=1)
        unlike = inconsistency(proba >= self.thresholds, self.answers)
        utility: Floats = (near * unlike).astype(np.float32)[:, None]
        return utility

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, best first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
        """
        return best_rows(pool, n, rng=rng)


def inconsistency(predicted: Bools, answers: npt.NDArray[np.int8]) -> Floats:
    """Return the (n,) mean inconsistencies, in [0, 1], of (n, k) predicted sets with (m, k) answers; 1 without answers.

    That of two sets is their normalised Hamming distance, or 1 if they share no information: if their normalised
    entropy distance is 1.
    """
    n, k = predicted.shape
    if not len(answers):
        return np.ones(n)
    sets, counts = np.unique(answers == 1, axis=0, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:_MOST]
    sets, shares = sets[most].astype(np.float32), counts[most] / counts[most].sum()
    found = np.empty(n)
    for start in range(0, n, _BLOCK):
        mine = predicted[start : start + _BLOCK].astype(np.float32)
        both = mine @ sets.T  # the four cells of each contingency table follow from this one and the sizes
        ours, theirs = mine.sum(axis=1)[:, None], sets.sum(axis=1)[None]
        hamming = (ours + theirs - 2 * both) / k
        # Two binary vectors are independent if the determinant of their table is 0; then they share no information.
        # Equal vectors, such as two empty ones, have the distance 0.
        alone = (both * (k - ours - theirs + both) == (ours - both) * (theirs - both)) & (hamming > 0)
        found[start : start + _BLOCK] = np.where(alone, 1.0, hamming) @ shares
    return found


def _by_block(proba: Floats, score: Callable[[Floats], Floats]) -> Floats:
    """Apply a function from (b, k) to (b,) block by block; map (n, k) to (n, 1)."""
    utility = np.empty((len(proba), 1), np.float32)
    for start in range(0, len(proba), _BLOCK):
        utility[start : start + _BLOCK, 0] = score(proba[start : start + _BLOCK])
    return utility
