"""Figures of single nodes of a taxonomy, and siblings that are confused. Pure NumPy. n documents, t nodes, D levels.

In samples, true labels are nodes in [0, t], where t is none of the nodes, and predictions are nodes in [-1, t), where
-1 is no answer, as for `hierarchy_figures`. With `outside`, the (b,) parents of b further nodes, which the taxonomy
lacks, true labels are in [0, t + b], where t + b is none of the nodes.
"""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from laud_ray.stats.estimates.classes import estimate_classes
from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.hierarchy.figures import hierarchy_figures, shared
from laud_ray.taxonomy.lineage import NONE, lineages
from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.types import Bools, ClassEstimates, ConfusedSiblings, HierarchyFigures, Indices, NodeFigures

MOST_NODES = 500
MOST_CONFUSED = 20
_CONFUSED_A_NODE = 3
_NONE_OUTSIDE = np.empty(0, np.int64)


def taxonomy_figures(
    sample: Sample, taxonomy: Taxonomy, *, seed: int, least: int = 10, outside: Indices = _NONE_OUTSIDE
) -> HierarchyFigures:
    """Return `hierarchy_figures` with those of nodes, the siblings that are confused, and the sizes of the levels."""
    parents = np.concatenate([taxonomy.parents, outside])
    found = hierarchy_figures(sample, parents, seed=seed, least=least, outside=len(outside))
    sizes = np.bincount(taxonomy.depths, minlength=taxonomy.levels + 1)[1:].tolist()
    return replace(
        found,
        levels=tuple(replace(one, size=size) for one, size in zip(found.levels, sizes, strict=True)),
        confused=confused_siblings(sample, taxonomy, outside=outside),
        nodes=node_figures(sample, taxonomy, outside=outside),
    )


def confused_siblings(
    sample: Sample, taxonomy: Taxonomy, most: int = MOST_CONFUSED, *, outside: Indices = _NONE_OUTSIDE
) -> tuple[ConfusedSiblings, ...]:
    """Return the pairs of siblings at which most paths part, the most frequent first.

    Each wrong answer is counted once, at the level where it errs. An answer that ends above the true node, or goes on
    below it, parts from it at no sibling, and a node outside the taxonomy is none.

    Example:
        For Food > Tea > Green as Food > Coffee > Beans, the siblings are Food > Tea and Food > Coffee.
    """
    pairs, counts = _parted(*_paths(sample, taxonomy, outside), len(taxonomy.nodes))
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -counts))[:most]
    return tuple(_confused(taxonomy, pair, n) for pair, n in zip(pairs[order].tolist(), counts[order], strict=True))


def node_figures(
    sample: Sample, taxonomy: Taxonomy, most: int = MOST_NODES, *, outside: Indices = _NONE_OUTSIDE
) -> tuple[NodeFigures, ...]:
    """Return figures of the nodes with documents in the sample, and of the top ones, in the order of the taxonomy.

    A document whose true node ends above a node's level does not count there, whatever is predicted: nobody knows
    whether that is right.

    Args:
        most: of more nodes than this, those with the most documents, and parents before children.
    """
    t = len(taxonomy.nodes)
    true, predicted = _paths(sample, taxonomy, outside)
    support = np.bincount(true[true != NONE], minlength=t)[:t]
    some = np.flatnonzero((support > 0) | (taxonomy.depths == 1))
    # A parent has at least the documents of its children and stands above them, so that it is never left out alone.
    chosen = np.sort(some[np.lexsort((some, taxonomy.depths[some], -support[some]))[:most]])
    estimates = _estimates(sample, true, predicted, taxonomy, chosen, len(outside))
    elsewhere = _elsewhere(true, predicted, t)
    children = np.bincount(taxonomy.parents[taxonomy.parents != NONE], minlength=t)
    siblings = defaultdict[int, list[tuple[int, int]]](list)
    pairs, counts = _parted(true, predicted, t)
    for (node, other), n in zip(pairs.tolist(), counts.tolist(), strict=True):
        siblings[node].append((-n, other))
    return tuple(
        NodeFigures(
            label=taxonomy.label(node),
            name=taxonomy.nodes[node].name,
            level=int(taxonomy.depths[node]),
            children=int(children[node]),
            leaves=taxonomy.leaf_count(node),
            support=int(support[node]),
            elsewhere=int(elsewhere[node]),
            estimates=estimates[node],
            confused=tuple(
                _confused(taxonomy, (node, other), -n) for n, other in sorted(siblings[node])[:_CONFUSED_A_NODE]
            ),
        )
        for node in chosen.tolist()
    )


def _estimates(
    sample: Sample, true: Indices, predicted: Indices, taxonomy: Taxonomy, chosen: Indices, outside: int
) -> dict[int, ClassEstimates]:
    """Return the estimates of the chosen nodes, each among the documents of its level."""
    found: dict[int, ClassEstimates] = {}
    nodes = len(taxonomy.nodes) + outside
    for level in range(taxonomy.levels):
        here = chosen[taxonomy.depths[chosen] == level + 1]
        place = np.full(nodes + 1, len(here))
        place[here] = np.arange(len(here))
        known = (true[:, level] != NONE) | (sample.true == nodes)
        classed = replace(
            sample, true=place[true[:, level]], predicted=place[np.where(known, predicted[:, level], NONE)]
        )
        if len(here):
            found |= zip(here.tolist(), estimate_classes(classed, len(here) + 1)[:-1], strict=True)
    return found


def _elsewhere(true: Indices, predicted: Indices, t: int) -> Indices:
    """Return (t + b,) how many documents of each node are predicted in a subtree that parts from its path above it."""
    common, parts = _parting(true, predicted)
    below = parts[:, None] & (true != NONE) & (np.arange(true.shape[1]) > common[:, None])
    return np.bincount(true[below], minlength=t)


def _paths(sample: Sample, taxonomy: Taxonomy, outside: Indices) -> tuple[Indices, Indices]:
    """Return (n, D) the true and the predicted nodes at each level, -1 below the end of a path."""
    lineage = lineages(np.concatenate([taxonomy.parents, outside])) if len(outside) else taxonomy.lineages
    return lineage[sample.true], lineage[sample.predicted]


def _parted(true: Indices, predicted: Indices, t: int) -> tuple[Indices, Indices]:
    """Return the (p, 2) different pairs of siblings at which paths part, and (p,) how many documents part there.

    Both are nodes of the taxonomy.
    """
    common, parts = _parting(true, predicted)
    rows = np.flatnonzero(parts)
    pairs = np.stack([true[rows, common[rows]], predicted[rows, common[rows]]], axis=1)
    pairs = pairs[pairs[:, 0] < t]
    distinct, counts = np.unique(pairs, axis=0, return_counts=True)
    return distinct, counts


def _parting(true: Indices, predicted: Indices) -> tuple[Indices, Bools]:
    """Return (n,) the levels that both paths share, and whether both go on below these, to different nodes."""
    common, depth, predicted_depth = shared(true, predicted)
    return common, common < np.minimum(depth, predicted_depth)


def _confused(taxonomy: Taxonomy, pair: tuple[int, int] | list[int], documents: int) -> ConfusedSiblings:
    node, other = pair
    names = (taxonomy.nodes[one].name for one in pair)
    return ConfusedSiblings(taxonomy.label(node), taxonomy.label(other), int(documents), *names)
