"""The ancestors of the nodes of a taxonomy. Pure NumPy. k nodes, D levels."""

import numpy as np

from laud_ray.types import Indices

NONE = -1


def lineages(parents: Indices) -> Indices:
    """Return (k + 1, D) for each node its ancestor at level 1, 2, ..., D, itself included; -1 below its own level.

    The last row is all -1, so that the index -1 (no answer) and k (none of the nodes) have no ancestors.

    Args:
        parents: (k,) the parent of each node, which comes before it; -1 for a root.

    Example:
        A root with two children and a second root: `lineages([-1, 0, 0, -1])` is
        `[[0, -1], [0, 1], [0, 2], [3, -1], [-1, -1]]`.

    Raises:
        ValueError: if a parent is not -1 or an earlier node.
    """
    k = len(parents)
    wrong = np.flatnonzero((parents < NONE) | (parents >= np.arange(k)))
    if len(wrong):
        node = int(wrong[0])
        raise ValueError(f"node {node} has the parent {parents[node]}; expected -1 or a node before it")
    upward, above = [np.arange(k)], np.append(parents, NONE)
    while (upward[-1] >= 0).any():
        upward.append(above[upward[-1]])
    steps = np.stack(upward[:-1] or upward, axis=1)  # (k, D): the node, its parent, and so on
    depth = (steps >= 0).sum(axis=1)
    # Level l of a node is depth - l steps up.
    place = depth[:, None] - 1 - np.arange(steps.shape[1])
    rows = np.where(place >= 0, np.take_along_axis(steps, np.maximum(place, 0), axis=1), NONE)
    return np.vstack([rows, np.full((1, rows.shape[1]), NONE)]).astype(np.int64)
