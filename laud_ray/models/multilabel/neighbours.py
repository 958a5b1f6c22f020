"""The nearest of known texts, and how much each of them counts. Pure NumPy. n texts, m known texts, d dimensions."""

import numpy as np

from laud_ray.types import Floats, Indices

# A neighbour's weight is exp(SHARPNESS * cosine).
SHARPNESS = 10.0


def nearest(vectors: Floats, known: Floats, count: int) -> tuple[Indices, Floats]:
    """Return the (n, c) nearest known texts, nearest first, and their cosines; c is count, or m if that is smaller.

    Args:
        vectors: (n, d) unit vectors.
        known: (m, d) unit vectors, m >= 1.
        count: how many neighbours, at least 1.
    """
    count = min(count, len(known))
    cosines = vectors @ known.T
    found = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    near = np.take_along_axis(cosines, found, axis=1)
    order = np.argsort(-near, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(near, order, axis=1)


def shares(cosines: Floats) -> Floats:
    """Map (n, c) cosines to the (n, c) weights of the neighbours; those of a row sum to 1.

    A cosine of -inf is no neighbour. A row without any neighbour has weights of 0.
    """
    highest = cosines.max(axis=1, keepdims=True)
    weights = np.exp(SHARPNESS * (cosines - np.where(np.isfinite(highest), highest, 0)))
    found: Floats = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return found
