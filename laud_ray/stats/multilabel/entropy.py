"""How uncertain a model is of the labels of a document, label by label. n documents, k labels."""

import numpy as np

from laud_ray.types import Floats

_SMALLEST = np.float32(1e-12)  # lower bound of a probability in a logarithm


def binary_entropies(proba: Floats) -> Floats:
    """Map (n, k) probabilities to the (n, k) entropies of whether a label applies, in [0, log 2] nats, float32.

    Example:
        >>> binary_entropies(np.array([[0.5, 1.0]])).round(4)
        array([[0.6931, 0.    ]], dtype=float32)
    """
    p = np.clip(proba, 0, 1, dtype=np.float32)
    q = 1 - p
    entropies: Floats = -(p * np.log(np.maximum(p, _SMALLEST)) + q * np.log(np.maximum(q, _SMALLEST)))
    return np.maximum(entropies, 0, out=entropies)


def document_entropies(proba: Floats) -> Floats:
    """Map (n, k) probabilities to the (n,) sums of the labels' entropies: that of the set, for independent labels."""
    sums: Floats = binary_entropies(proba).sum(axis=1)
    return sums
