"""Choose documents that cover the space, whatever the model thinks of them. Pure NumPy.

m candidates, a known documents, n wanted. The shortlist is a random one: all utilities are 0.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from laud_ray.query.ranking import require_pick
from laud_ray.query.spatial.balls import cover, radii
from laud_ray.query.spatial.geometry import as_vectors, cluster, farthest, nearest, squared_lengths
from laud_ray.query.spatial.space import require_space
from laud_ray.query.uncertainty import Random
from laud_ray.types import Candidates, Floats, Indices

_NEIGHBOURS = 20  # of which typicality is made
_MOST_CLUSTERS = 500
_SMALL = 5  # documents; a cluster of no more is left for last
_MOST_MEMBERS = 5000  # of a cluster that are looked at: typicality is quadratic in them


@dataclass(frozen=True, slots=True)
class KMeans:
    """Prefer the middles of n clusters of the candidates, the largest cluster first.

    Zhdanov (2019), "Diverse mini-batch Active Learning", without its weights.
    """

    reach: ClassVar[int] = 100
    committee: ClassVar[int] = 0

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) zeros."""
        return Random().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, the middle of the largest cluster first.

        Where fewer than n candidates differ, duplicates fill up.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
            ValueError: if the pool has no space.
        """
        require_pick(n, len(pool))
        vectors = as_vectors(require_space(pool, self).vectors)
        if n == 0:
            return np.zeros(0, np.int64)
        labels, centres = cluster(vectors, n, rng=rng)
        offset = squared_lengths(vectors - centres[labels])
        members = np.lexsort((offset, labels))  # cluster by cluster, the nearest to its centre first
        middles = members[np.flatnonzero(np.diff(labels[members], prepend=-1))]
        picked = middles[np.argsort(-np.bincount(labels), kind="stable")]
        more = farthest(vectors, n - len(picked), known=vectors[:0], first=0, taken=picked)
        return np.concatenate([picked, more])


@dataclass(frozen=True, slots=True)
class CoreSet:
    """Prefer the candidate that is farthest from all that were asked about: greedy k-centre.

    Sener and Savarese (2018), "Active Learning for Convolutional Neural Networks: A Core-Set Approach".
    """

    reach: ClassVar[int] = 100
    committee: ClassVar[int] = 0

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) zeros."""
        return Random().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, the farthest first; the first at random where nothing is known.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
            ValueError: if the pool has no space.
        """
        require_pick(n, len(pool))
        space = require_space(pool, self)
        first = int(rng.integers(max(len(pool), 1)))
        return farthest(as_vectors(space.vectors), n, known=as_vectors(space.known_vectors), first=first)


@dataclass(frozen=True, slots=True)
class TypiClust:
    """Prefer the typical documents of large clusters in which nothing was asked about: for the cold start.

    A document is typical when its mean distance to its 20 nearest neighbours in its cluster is small. There are as many
    clusters as known and wanted documents, at most 500; those of 5 documents or fewer are left for last.

    Hacohen, Dekel and Weinshall (2022), "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets".
    """

    reach: ClassVar[int] = 100
    committee: ClassVar[int] = 0

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) zeros."""
        return Random().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, the least asked and largest cluster first.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
            ValueError: if the pool has no space.
        """
        require_pick(n, len(pool))
        space = require_space(pool, self)
        if n == 0:
            return np.zeros(0, np.int64)
        vectors, known = as_vectors(space.vectors), as_vectors(space.known_vectors)
        labels, _ = cluster(np.vstack([known, vectors]), min(len(known) + n, _MOST_CLUSTERS), rng=rng)
        own, clusters = labels[len(known) :], int(labels.max()) + 1
        asked, size = np.bincount(labels[: len(known)], minlength=clusters), np.bincount(labels)
        left = np.bincount(own, minlength=clusters)
        queues: dict[int, list[int]] = {}
        picked: list[int] = []
        while len(picked) < n:
            order = np.lexsort((-size, asked, size <= _SMALL, left == 0))
            best = int(order[0])
            if not queues.get(best):
                queues[best] = _least_typical_first(vectors, np.setdiff1d(np.flatnonzero(own == best), picked), rng)
            picked.append(queues[best].pop())
            asked[best] += 1
            left[best] -= 1
        return np.array(picked, np.int64)


def _least_typical_first(vectors: Floats, rows: Indices, rng: np.random.Generator) -> list[int]:
    """Sort the rows of a cluster, or some at random of a huge one."""
    if len(rows) > _MOST_MEMBERS:
        rows = rng.choice(rows, _MOST_MEMBERS, replace=False)
    return [int(row) for row in rows[np.argsort(_typicality(vectors[rows]), kind="stable")]]


def _typicality(vectors: Floats) -> Floats:
    """Map (m, d) vectors to the (m,) inverse mean distances to their nearest neighbours; a lone one is not typical."""
    _, distances = nearest(vectors, vectors, _NEIGHBOURS + 1)
    others = distances[:, 1:]  # the first is the vector itself
    if others.shape[1] == 0:
        return np.zeros(len(vectors), np.float32)
    inverse: Floats = 1 / (others.mean(axis=1) + np.float32(1e-5))
    return inverse


@dataclass(frozen=True, slots=True)
class ProbCover:
    """Prefer the documents in whose neighbourhood most others lie that no asked one covers.

    The radius of a neighbourhood is the largest at which the share `purity` of them holds one predicted class. When
    everything is covered it is halved, and when halving is no use, the farthest documents follow. Over 10,000
    candidates, coverage is counted in a random 10,000 of them.

    Yehuda, Dekel, Hacohen and Weinshall (2022), "Active Learning Through a Covering Lens".

    Raises:
        ValueError: if purity is not between 0 and 1.
    """

    reach: ClassVar[int] = 100
    committee: ClassVar[int] = 0
    purity: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.purity < 1:
            raise ValueError(f"purity is {self.purity}, expected between 0 and 1")

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) zeros."""
        return Random().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, what covers most first.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
            ValueError: if the pool has no space.
        """
        require_pick(n, len(pool))
        space = require_space(pool, self)
        if n == 0 or len(pool) == 1:
            return np.arange(n)
        vectors, known = as_vectors(space.vectors), as_vectors(space.known_vectors)
        picked = np.zeros(0, np.int64)
        for radius in radii(vectors, space.proba.argmax(axis=1), purity=self.purity, rng=rng):
            more = cover(vectors, known, n - len(picked), taken=picked, radius=radius, rng=rng)
            picked = np.concatenate([picked, more])
            if len(picked) == n:
                break
        more = farthest(vectors, n - len(picked), known=known, first=0, taken=picked)
        return np.concatenate([picked, more])
