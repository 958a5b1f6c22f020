"""Choose documents that cover the space of candidates, independent of the model's uncertainty. Pure NumPy.

m candidates, a known documents (those asked about before), n documents to pick. The shortlist is random: all utilities
are 0.
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

_NEIGHBOURS = 20  # nearest neighbours whose distance defines typicality
_MOST_CLUSTERS = 500
_SMALL = 5  # clusters of at most this many documents are used last
_MOST_MEMBERS = 5000  # members of a cluster that are compared; the time for typicality is quadratic in them


@dataclass(frozen=True, slots=True)
class KMeans:
    """Prefer the candidates nearest to the centres of n k-means clusters, the largest cluster first.

    Zhdanov (2019), "Diverse mini-batch Active Learning", here without the weights.
    """

    reach: ClassVar[int] = 100
    committee: ClassVar[int] = 0

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) zeros."""
        return Random().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, the one nearest to the centre of the largest cluster first.

        If fewer than n candidates are distinct, duplicates fill the rest.

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
        members = np.lexsort((offset, labels))  # by cluster; within a cluster, the nearest to its centre first
        middles = members[np.flatnonzero(np.diff(labels[members], prepend=-1))]
        picked = middles[np.argsort(-np.bincount(labels), kind="stable")]
        more = farthest(vectors, n - len(picked), known=vectors[:0], first=0, taken=picked)
        return np.concatenate([picked, more])


@dataclass(frozen=True, slots=True)
class CoreSet:
    """Prefer the candidate that is farthest from all documents asked about before: greedy k-centre.

    Sener and Savarese (2018), "Active Learning for Convolutional Neural Networks: A Core-Set Approach".
    """

    reach: ClassVar[int] = 100
    committee: ClassVar[int] = 0

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) zeros."""
        return Random().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, the farthest first; if no document is known, the first is random.

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
    """Prefer typical documents of large clusters without known documents: a strategy for the cold start.

    A document is typical if its mean distance to its 20 nearest neighbours in its cluster is small. The number of
    clusters is a + n, at most 500. Clusters of 5 documents or fewer are used last.

    Hacohen, Dekel and Weinshall (2022), "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets".
    """

    reach: ClassVar[int] = 100
    committee: ClassVar[int] = 0

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) zeros."""
        return Random().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, from the clusters with the fewest known documents first, then the largest.

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
    """Sort the rows of a cluster by ascending typicality; of a huge cluster, only a random sample of its rows."""
    if len(rows) > _MOST_MEMBERS:
        rows = rng.choice(rows, _MOST_MEMBERS, replace=False)
    return [int(row) for row in rows[np.argsort(_typicality(vectors[rows]), kind="stable")]]


def _typicality(vectors: Floats) -> Floats:
    """Map (m, d) vectors to the (m,) inverse mean distances to their nearest neighbours; 0 for a single vector."""
    _, distances = nearest(vectors, vectors, _NEIGHBOURS + 1)
    others = distances[:, 1:]  # the first is the vector itself
    if others.shape[1] == 0:
        return np.zeros(len(vectors), np.float32)
    inverse: Floats = 1 / (others.mean(axis=1) + np.float32(1e-5))
    return inverse


@dataclass(frozen=True, slots=True)
class ProbCover:
    """Prefer documents with the most neighbours that are not yet covered by a known or picked document.

    A document covers the ball around it. The radius is the largest at which a share `purity` of the balls contains a
    single predicted class. When everything is covered, the radius is halved; when the balls become too small to contain
    a neighbour, the remaining places go to the farthest documents. With more than 10,000 candidates, coverage is
    counted in a random 10,000 of them.

    Yehuda, Dekel, Hacohen and Weinshall (2022), "Active Learning Through a Covering Lens".

    Attributes:
        purity: in (0, 1).

    Raises:
        ValueError: if purity is not between 0 and 1.
    """

    reach: ClassVar[int] = 100
    committee: ClassVar[int] = 0
    purity: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.purity < 1:
            raise ValueError(f"purity is {self.purity}; expected above 0 and below 1")

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) zeros."""
        return Random().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, those that cover most first.

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
