"""Probabilities of nodes from those of leaves: a node's is the sum of its leaves'. Pure NumPy.

Sums of probabilities, never of logits: one node with many negative logits would lose to its siblings although each
of its leaves is likely. Letters in shapes: n documents, l leaves, t nodes, m listed leaves, q nodes, r top nodes.
"""

import numpy as np

from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.types import Floats, Indices

# Rows in float16 sum to 1 only approximately.
TOLERANCE = 0.01


def node_mass(taxonomy: Taxonomy, proba: Floats) -> Floats:
    """Return the probability of every node, in float64. The nodes of each `Taxonomy.cut` have the sum of the row.

    A row takes 8 (l + 2 t) bytes here: give parts of a large matrix, or see `listed_mass`.

    Args:
        proba: (n, l), rows sum to 1.

    Returns:
        (n, t).

    Raises:
        ValueError: if a row has a negative number or does not sum to 1, as logits do not.
    """
    n, leaves = len(proba), len(taxonomy.leaves)
    # Each sum is of its own leaves only, so that small ones keep their digits, which differences of a cumulative sum
    # would lose. A column of zeros lets the last range end.
    padded = np.zeros((n, leaves + 1))
    padded[:, :leaves] = proba
    total = padded.sum(axis=1)
    if n and not (padded.min() >= 0 and np.abs(total - 1).max() <= TOLERANCE):
        worst = float(total[np.argmax(np.abs(total - 1))])
        raise ValueError(
            f"rows with the sum {worst:.3g} and the minimum {padded.min():.3g} are not valid; expected probabilities "
            "that sum to 1"
        )
    ranges = np.ravel(np.column_stack([taxonomy.leaf_starts, taxonomy.leaf_stops]))
    return np.add.reduceat(padded, ranges, axis=1)[:, ::2]


def listed_mass(taxonomy: Taxonomy, nodes: Indices, leaves: Indices, proba: Floats, rest: Floats) -> Floats:
    """Return the probability of some nodes where only the likeliest leaves of each document are listed, in float64.

    The rest is spread evenly over the leaves that are not listed: over all of them, or over those under each top node
    where the rest of each top node is known. No (n, l) matrix is built.

    Args:
        nodes: (q,), the nodes.
        leaves: (n, m), different leaves in each row.
        proba: (n, m), their probabilities.
        rest: (n,), the probability of all leaves that are not listed; or (n, r), the same under each of the r top
            nodes, in order.

    Returns:
        (n, q).

    Raises:
        ValueError: if a row lists a leaf twice.
    """
    order = np.argsort(leaves, axis=1)
    ordered = np.take_along_axis(leaves, order, axis=1).astype(np.int64)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        raise ValueError("a row lists a leaf twice; expected different leaves")
    sums = np.cumsum(np.take_along_axis(proba, order, axis=1), axis=1, dtype=np.float64)
    sums = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
    tops = np.flatnonzero(taxonomy.parents < 0)
    starts, stops = taxonomy.leaf_starts[nodes], taxonomy.leaf_stops[nodes]
    first, last = _places(taxonomy, ordered, starts), _places(taxonomy, ordered, stops)
    listed = np.take_along_axis(sums, last, axis=1) - np.take_along_axis(sums, first, axis=1)
    unlisted = (stops - starts) - (last - first)
    if rest.ndim == 1:
        everywhere = len(taxonomy.leaves) - leaves.shape[1]
        shared: Floats = listed + rest[:, None] * unlisted / max(everywhere, 1)
        return shared
    starts, stops = taxonomy.leaf_starts[tops], taxonomy.leaf_stops[tops]
    under = (stops - starts) - (_places(taxonomy, ordered, stops) - _places(taxonomy, ordered, starts))
    top = np.searchsorted(tops, taxonomy.at_depth(nodes, 1))
    within: Floats = listed + (rest / np.maximum(under, 1))[:, top] * unlisted
    return within


def _places(taxonomy: Taxonomy, ordered: Indices, limits: Indices) -> Indices:
    """Return the number of listed leaves below each limit: (n, m) ordered leaves and (q,) limits to (n, q)."""
    n, m = ordered.shape
    apart = np.arange(n)[:, None] * (len(taxonomy.leaves) + 1)
    found = np.searchsorted(np.ravel(ordered + apart), np.ravel(limits + apart)).reshape(n, len(limits))
    places: Indices = found - np.arange(n)[:, None] * m
    return places
