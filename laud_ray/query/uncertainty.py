"""Choose documents by the model's uncertainty or confidence, or at random. Pure NumPy. n documents, k classes.

A utility is an (n, 1) array; documents with larger values are chosen first.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from laud_ray.query.ranking import best_rows
from laud_ray.types import Candidates, Floats, Indices

_BLOCK = 4096  # rows that are processed at once, so that temporary arrays stay smaller than (n, k)


@dataclass(frozen=True, slots=True)
class Random:
    """Pick documents at random: the baseline that every other strategy must beat."""

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) zeros."""
        return np.zeros((len(proba), 1), proba.dtype)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, best first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
        """
        return best_rows(pool, n, rng=rng)


@dataclass(frozen=True, slots=True)
class LeastConfidence:
    """Prefer documents whose likeliest label has a low probability.

    Lewis and Gale (1994), "A Sequential Algorithm for Training Text Classifiers".
    """

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) utilities in [-1, -1/k]; larger is better."""
        highest: Floats = proba.max(axis=1, keepdims=True)
        return -highest

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, best first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
        """
        return best_rows(pool, n, rng=rng)


@dataclass(frozen=True, slots=True)
class Margin:
    """Prefer documents whose two likeliest labels have nearly the same probability.

    Scheffer, Decomain and Wrobel (2001), "Active Hidden Markov Models for Information Extraction".
    """

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities, k >= 2, to (n, 1) utilities in [-1, 0]; larger is better.

        Raises:
            ValueError: if k is less than 2.
        """
        if proba.shape[1] < 2:
            raise ValueError(f"proba has {proba.shape[1]} classes; expected at least 2")
        return _by_block(proba, _negative_margin)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, best first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
        """
        return best_rows(pool, n, rng=rng)


@dataclass(frozen=True, slots=True)
class Entropy:
    """Prefer documents whose class probabilities have a high entropy.

    Shannon (1948), "A Mathematical Theory of Communication"; as a query strategy in Settles (2009), "Active
    Learning Literature Survey".
    """

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) entropies in [0, log k] nats; larger is better."""
        return _by_block(proba, _entropy)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, best first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
        """
        return best_rows(pool, n, rng=rng)


@dataclass(frozen=True, slots=True)
class HighConfidence:
    """Prefer documents whose likeliest label has a high probability: the exploitation strategy of LAUD.

    An answer that differs from such a label reveals an error that the model's uncertainty does not show.

    LAUD, arXiv 2511.14738.
    """

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) utilities in [1/k, 1]; larger is better."""
        highest: Floats = proba.max(axis=1, keepdims=True)
        return highest

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, best first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
        """
        return best_rows(pool, n, rng=rng)


def _by_block(proba: Floats, score: Callable[[Floats], Floats]) -> Floats:
    """Apply a function from (b, k) to (b,) block by block; map (n, k) to (n, 1)."""
    utility = np.empty((len(proba), 1), proba.dtype)
    for start in range(0, len(proba), _BLOCK):
        utility[start : start + _BLOCK, 0] = score(proba[start : start + _BLOCK])
    return utility


def _negative_margin(proba: Floats) -> Floats:
    top_two = np.partition(proba, -2, axis=1)[:, -2:]
    return top_two[:, 0] - top_two[:, 1]


def _entropy(proba: Floats) -> Floats:
    surprise = np.log(np.maximum(proba, np.finfo(proba.dtype).tiny))  # finite at 0, so that 0 log 0 is 0
    entropy: Floats = -np.einsum("nk,nk->n", proba, surprise)
    return np.maximum(entropy, 0)
