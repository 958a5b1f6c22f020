"""Which leaves a language model chooses from: the likeliest ones, and the labels of the nearest annotated documents.

Pure NumPy. n documents, l leaves, m candidates.
"""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from laud_ray.types import Floats


def candidate_leaves(proba: Floats, size: int, near: Sequence[Sequence[int]] = ()) -> list[list[int]]:
    """Return at most `size` leaves for each of n documents, the best first.

    The likeliest leaves and those of the nearest annotated documents alternate, so that either list can only take half
    of the places from the other. This needs no common scale of probabilities and similarities.

    Args:
        proba: (n, l).
        size: m, the most leaves.
        near: for each document the leaves of its nearest annotated documents, the nearest first; a leaf may stand
            several times. Empty: none for any document.

    Example:
        >>> candidate_leaves(np.array([[0.1, 0.6, 0.3, 0.0]]), 3, [[3, 3, 1]])
        [[1, 3, 2]]
    """
    size = min(size, proba.shape[1])
    likeliest = np.argpartition(-proba, size - 1, axis=1)[:, :size]
    # Equal ones in the order of the tree, so that the result does not depend on the number of documents in a call.
    likeliest = np.sort(likeliest, axis=1)
    order = np.argsort(-np.take_along_axis(proba, likeliest, 1), axis=1, kind="stable")
    ranked = np.take_along_axis(likeliest, order, 1).tolist()
    return [_alternate(row, list(dict.fromkeys(near[i])) if near else [], size) for i, row in enumerate(ranked)]


def _alternate(first: Sequence[int], second: Sequence[int], size: int) -> list[int]:
    pairs = zip_longest(first, second)
    return list(dict.fromkeys(one for pair in pairs for one in pair if one is not None))[:size]
