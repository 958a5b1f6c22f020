"""Distances, clusters and spreads of vectors, in blocks that bound the memory. Pure NumPy.

m vectors, a known ones, d dimensions, k clusters. All distances are Euclidean; on unit vectors their order is that of
the cosine.
"""

from collections.abc import Callable, Iterator

import numpy as np

from laud_ray.types import Floats, Indices

_BLOCK = 1 << 23  # elements of a block of a distance matrix: 32 MB
_ITERATIONS = 20  # Lloyd's; later ones move few vectors
TAKEN = -1.0  # in the place of a squared distance: this row is picked already


def as_vectors(vectors: Floats) -> Floats:
    """Return (m, d) vectors as contiguous float32, a copy only where they are not."""
    return np.ascontiguousarray(vectors, np.float32)


def squared_lengths(vectors: Floats) -> Floats:
    """Map (m, d) vectors to their (m,) squared lengths."""
    lengths: Floats = np.einsum("md,md->m", vectors, vectors)
    return lengths


def blocks(rows: Floats, points: Floats) -> Iterator[tuple[slice, Floats]]:
    """Yield slices of (m, d) rows, in order, with their squared distances (b, p) to (p, d) points."""
    lengths, point_lengths = squared_lengths(rows), squared_lengths(points)
    step = max(1, _BLOCK // max(len(points), 1))
    for start in range(0, len(rows), step):
        part = slice(start, min(start + step, len(rows)))
        squared = rows[part] @ points.T
        squared *= -2
        squared += lengths[part, None]
        squared += point_lengths
        yield part, np.maximum(squared, 0, out=squared)  # rounding can make it negative


def nearest(rows: Floats, points: Floats, k: int) -> tuple[Indices, Floats]:
    """Find the k points nearest to each row, or all where there are fewer.

    Returns:
        (m, min(k, p)) indices into points, the nearest first, and their distances.
    """
    width = min(k, len(points))
    indices, distances = np.zeros((len(rows), width), np.int64), np.zeros((len(rows), width), np.float32)
    if width == 0:
        return indices, distances
    for part, squared in blocks(rows, points):
        close = np.argpartition(squared, width - 1, axis=1)[:, :width]
        found = np.take_along_axis(squared, close, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        indices[part] = np.take_along_axis(close, order, axis=1)
        distances[part] = np.sqrt(np.take_along_axis(found, order, axis=1))
    return indices, distances


def squared_from(vectors: Floats) -> Callable[[int], Floats]:
    """Return the function that maps a row of (m, d) vectors to the (m,) squared distances from it."""
    lengths = squared_lengths(vectors)

    def squared(row: int) -> Floats:
        gap: Floats = lengths + lengths[row] - 2 * (vectors @ vectors[row])
        return np.maximum(gap, 0)

    return squared


def farthest(vectors: Floats, n: int, *, known: Floats, first: int, taken: Indices | None = None) -> Indices:
    """Pick n of (m, d) vectors, each the farthest from all that are known, taken or picked: greedy k-centre.

    Args:
        vectors: what to pick from.
        n: at most m less the taken ones.
        known: (a, d) vectors.
        first: the row to begin with where nothing is known or taken.
        taken: rows that are picked already.
    """
    taken = np.zeros(0, np.int64) if taken is None else taken
    around = np.vstack([known, vectors[taken]])
    if len(around):
        gap = np.zeros(len(vectors), np.float32)
        for part, squared in blocks(vectors, around):
            gap[part] = squared.min(axis=1)
    else:
        gap = np.full(len(vectors), np.inf, np.float32)
    gap[taken] = TAKEN

    def choose(gap: Floats) -> int:
        return first if np.isposinf(gap[first]) else int(gap.argmax())

    return _pick_by_gap(gap, n, squared_from(vectors), choose)


def scatter(
    m: int,
    n: int,
    *,
    squared: Callable[[int], Floats],
    first: int,
    rng: np.random.Generator,
    weights: Floats | None = None,
) -> Indices:
    """Draw n <= m rows one by one, by weight times the squared distance to the nearest drawn: k-means++ seeds.

    Arthur and Vassilvitskii (2007), "k-means++: The Advantages of Careful Seeding".

    Args:
        m: the rows there are.
        n: the rows to draw.
        squared: maps a row to the (m,) squared distances from it.
        first: the first row.
        rng: draws the others.
        weights: (m,) above 0; None for equal ones.
    """

    def choose(gap: Floats) -> int:
        if np.isposinf(gap[first]):
            return first
        chances = np.maximum(gap, 0, dtype=np.float64)
        if weights is not None:
            chances *= weights
        if not chances.any():  # only duplicates of what is drawn are left
            chances = (gap != TAKEN).astype(np.float64)
        ladder = chances.cumsum()
        return int(np.searchsorted(ladder, rng.random() * ladder[-1], side="right"))

    return _pick_by_gap(np.full(m, np.inf, np.float32), n, squared, choose)


def _pick_by_gap(gap: Floats, n: int, squared: Callable[[int], Floats], choose: Callable[[Floats], int]) -> Indices:
    """Pick n rows, each by `choose` from the (m,) squared distances to the nearest one picked before."""
    picked = np.zeros(n, np.int64)
    for place in range(n):
        row = picked[place] = choose(gap)
        np.minimum(gap, squared(row), out=gap)
        gap[row] = TAKEN
    return picked


def cluster(
    vectors: Floats, k: int, *, rng: np.random.Generator, weights: Floats | None = None
) -> tuple[Indices, Floats]:
    """Cut (m, d) vectors, m >= 1, into at most k >= 1 clusters by weighted k-means from k-means++ seeds.

    Lloyd (1982), "Least Squares Quantization in PCM".

    Args:
        vectors: what to cut.
        k: clusters wanted; there are fewer where fewer vectors differ.
        rng: draws the seeds.
        weights: (m,) above 0; None for equal ones.

    Returns:
        The (m,) clusters of the vectors, from 0, and the (c, d) centres; no cluster is empty.
    """
    first = int(rng.integers(len(vectors)))
    seeds = scatter(
        len(vectors), min(k, len(vectors)), squared=squared_from(vectors), first=first, rng=rng, weights=weights
    )
    mass = np.ones(len(vectors), np.float32) if weights is None else weights.astype(np.float32)
    labels = _assign(vectors, vectors[seeds])
    centres = _centres(vectors, labels, mass)
    for _ in range(_ITERATIONS):
        labels, before = _assign(vectors, centres), labels
        if (labels == before).all():
            break
        centres = _centres(vectors, labels, mass)
    return labels, centres


def _assign(vectors: Floats, centres: Floats) -> Indices:
    """Return the nearest centre of each vector, numbered without those that are nearest to none."""
    labels = np.zeros(len(vectors), np.int64)
    for part, squared in blocks(vectors, centres):
        labels[part] = squared.argmin(axis=1)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _centres(vectors: Floats, labels: Indices, mass: Floats) -> Floats:
    """Return the (c, d) weighted means of the clusters 0 to c - 1, none of which is empty."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    sums = np.add.reduceat(vectors[order] * mass[order, None], starts, axis=0)
    total: Floats = sums / np.add.reduceat(mass[order], starts)[:, None]
    return total
