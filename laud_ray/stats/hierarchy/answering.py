"""From the likeliest leaf and the probabilities on its path to the node that is answered. Pure NumPy.

n documents, D levels. Column l - 1 of the (n, D) confidences is the probability of the leaf's ancestor at level l, from
the top; the leaf's own is the last of its row, and below it there is NaN.
"""

from dataclasses import dataclass

import numpy as np

from laud_ray.stats.hierarchy.climbing import climb
from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.types import Bools, Floats, Indices

NOTHING = -1


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep documents are answered. Without either limit, the answer is the likeliest leaf.

    Attributes:
        thresholds: (D,) of a promise, see `climb`: an answer climbs until its probability reaches that of its step.
        level: from 1, the deepest level that is answered. Cutting an answer never makes it wrong.
    """

    thresholds: tuple[float, ...] | None = None
    level: int | None = None


LEAF = Depth()


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """The answers of n documents.

    Attributes:
        node: (n,) the node that is answered; NOTHING where no node of the path reaches its threshold.
        depth: (n,) the level of this node, from 1; 0 where nothing is answered.
        confidence: (n,) the probability of this node; NaN where nothing is answered.
        backed_off: (n,) whether this node lies above the likeliest leaf.
    """

    node: Indices
    depth: Indices
    confidence: Floats
    backed_off: Bools


def answer(taxonomy: Taxonomy, leaves: Indices, confidences: Floats, depth: Depth) -> Given:
    """Choose the node that is answered for each document.

    Args:
        taxonomy: the tree.
        leaves: (n,) the likeliest leaf, an index of `taxonomy.leaves`.
        confidences: (n, D), D = taxonomy.levels.
        depth: how deep to answer.

    Raises:
        ValueError: if there are not as many thresholds as levels.
    """
    node = taxonomy.leaves[np.asarray(leaves, np.int64)]
    reach = taxonomy.depths[node]
    steps = np.zeros(len(node), np.int64)
    if depth.thresholds is not None:
        steps = climb(upward(confidences), np.array(depth.thresholds))
    if depth.level is not None:
        steps = np.maximum(steps, reach - depth.level)
    # A path of fewer levels than the tree ends earlier, and so does climbing it.
    left = np.maximum(reach - steps, 0)
    for step in range(taxonomy.levels):
        node = np.where(steps > step, taxonomy.parents[node], node)
        node = np.where(node < 0, 0, node)
    place = np.maximum(left - 1, 0)
    confidence = np.take_along_axis(confidences, place[:, None], axis=1)[:, 0]
    given = left > 0
    return Given(
        node=np.where(given, node, NOTHING),
        depth=left,
        confidence=np.where(given, confidence, np.nan).astype(np.float32),
        backed_off=given & (left < reach),
    )


def upward(confidences: Floats) -> Floats:
    """Map (n, D) confidences from the top down to (n, D) masses from the leaf upward, NaN above a root.

    Example:
        >>> upward(np.array([[0.9, 0.5, np.nan]]))
        array([[0.5, 0.9, nan]])
    """
    width = confidences.shape[1]
    reach = (~np.isnan(confidences)).sum(axis=1)
    place = reach[:, None] - 1 - np.arange(width)
    found = np.take_along_axis(confidences, np.maximum(place, 0), axis=1)
    masses: Floats = np.where(place >= 0, found, np.nan)
    return masses
