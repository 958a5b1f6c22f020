"""The columns of answers that are more than a label: the nodes of a taxonomy, and sets of labels. n rows, D levels."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from laud_ray.passes.scoring import offsets_of
from laud_ray.relabel.ranges.records import AT_LEAF, UNANSWERED
from laud_ray.relabel.sets import Sets
from laud_ray.stats.hierarchy import Depth, answer
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Bools, Floats, Indices


def coded(places: Indices, name: Callable[[int], str]) -> pa.DictionaryArray:
    """Return the names of (n,) places as a dictionary that holds no others; null where a place is negative.

    A dictionary of all leaves would be written into each file.
    """
    there = np.unique(places[places >= 0])
    codes = np.searchsorted(there, places).astype(np.int32)
    names = pa.array([name(int(place)) for place in there], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=places < 0), names)


def columns(
    taxonomy: Taxonomy, leaves: Indices, confidences: Floats, usable: Bools, depth: Depth
) -> dict[str, pa.Array]:
    """Return the columns of n rows of a taxonomy by name.

    `label` is the path of the answered node, null where nothing is answered; `code` its code, which is its path in a
    taxonomy without codes; `path` the names from the top, empty where there is none; `confidence` the probability of
    the node. `confidences` has those of the likeliest leaf's whole path, from the top: that of the answered node is
    number `depth`, which is 0 where nothing is answered. `backed_off` says that the answer is an inner node.

    Args:
        taxonomy: the tree.
        leaves: (n,) the likeliest leaves.
        confidences: (n, D) from the top down.
        usable: (n,) whether the row was scored; columns of other rows are null or empty.
        depth: how deep to answer.
    """
    given = answer(taxonomy, leaves, confidences, depth)
    answered = usable & (given.depth > 0)
    node = np.where(answered, given.node, -1)
    return {
        "label": coded(node, taxonomy.label),
        "code": coded(node, lambda one: taxonomy.nodes[one].code),
        "path": _paths(taxonomy, node),
        "confidence": pa.array(given.confidence, pa.float32(), mask=~answered),
        "confidences": _lists(confidences, ~np.isnan(confidences) & usable[:, None]),
        "depth": pa.array(given.depth.astype(np.int32), mask=~usable),
        "backed_off": pa.array(given.backed_off, mask=~usable),
    }


def set_columns(sets: Sets, usable: Bools, names: tuple[str, ...]) -> dict[str, pa.Array]:
    """Return the columns of n rows of a multilabel task by name: null where a row was not scored.

    `labels` are the labels that apply, likeliest first, `confidences` their probabilities; both are empty where no
    label applies. `confidence` is the probability that the whole set is right, `margin` the distance of the probability
    that is nearest to its threshold.
    """
    listed, null = (sets.labels >= 0) & usable[:, None], pa.array(~usable)
    offsets, labels = offsets_of(listed), coded(sets.labels[listed].astype(np.int64), names.__getitem__)
    probabilities = pa.array(sets.probability[listed], pa.float32())
    return {
        "labels": pa.ListArray.from_arrays(offsets, labels, mask=null),
        "confidences": pa.ListArray.from_arrays(offsets, probabilities, mask=null),
        "confidence": pa.array(sets.confidence, pa.float32(), mask=~usable),
        "margin": pa.array(sets.margin, pa.float32(), mask=~usable),
    }


def counts(depth: pa.Array | pa.ChunkedArray, backed_off: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    """Count rows by the place of their answer: the leaf, each level that answers back off to, and no answer."""
    known = np.asarray(depth.is_valid())
    level = np.asarray(depth.fill_null(0))[known]
    inner = np.asarray(backed_off.fill_null(False))[known]
    found = {AT_LEAF: int(((level > 0) & ~inner).sum())}
    found |= {str(one): int((inner & (level == one)).sum()) for one in np.unique(level[inner])[::-1]}
    return found | {UNANSWERED: int((level == 0).sum())}


def _paths(taxonomy: Taxonomy, node: Indices) -> pa.ListArray:
    """Return the (n,) lists of the names of each node's path, empty where the node is negative."""
    there = node >= 0
    held = np.where(there, node, 0)
    reach = np.where(there, taxonomy.depths[held], 0)
    lines = np.stack([taxonomy.at_depth(held, level) for level in range(1, taxonomy.levels + 1)], axis=1)
    listed = np.arange(taxonomy.levels) < reach[:, None]
    names = coded(lines[listed], lambda one: taxonomy.nodes[one].name)
    return pa.ListArray.from_arrays(offsets_of(listed), names)


def _lists(values: Floats, listed: Bools) -> pa.ListArray:
    return pa.ListArray.from_arrays(offsets_of(listed), pa.array(values[listed], pa.float32()))
