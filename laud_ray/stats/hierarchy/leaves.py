"""All figures of a model whose classes are the leaves of a taxonomy: flat ones, and those of the tree. Pure NumPy."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from laud_ray.stats.estimates.figures import figures
from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.hierarchy.nodes import taxonomy_figures
from laud_ray.taxonomy.lineage import NONE
from laud_ray.types import Estimate, Figures, Task


def leaf_figures(sample: Sample, task: Task, *, seed: int, outside: Sequence[int] = ()) -> Figures:
    """Return all figures of a model in the taxonomy of a task.

    A true label may be an inner node. The tree's figures count it at the levels that it reaches, and leave it out below
    these. In the flat figures, accuracy among them, it depends on what the task allows: if an inner node may be a right
    answer (`Task.inner`), a predicted leaf is wrong there. Else the oracle knew no more, and nobody knows whether the
    leaf is right: the document is left out, and the others of its stratum represent it. So n may be smaller than the n
    of the tree's figures. The accuracy of both is the same figure.

    A prediction that is an inner node, or none at all, is left out of the flat figures too; it lowers the coverage of
    levels. Without any leaf, the flat figures are 0 with intervals [0, 1] and n = 0. Of more than 1,000 leaves, those
    with too few documents for a macro-F1 have no estimates in their rows.

    Args:
        sample: true are nodes in [0, t + b], where t + b is none of the nodes; predicted are nodes in [-1, t), where -1
            is no answer.
        task: of kind taxonomy.
        seed: seeds the bootstrap of macro-F1.
        outside: (b,) the parents of nodes that the taxonomy lacks, see `laud_ray.evaluation.outside`. In the flat
            figures, a document whose true node is outside is wrong, as one that has none of the nodes.

    Raises:
        ValueError: if a node is outside its range, or a confidence outside [0, 1].
    """
    taxonomy = task.taxonomy
    assert taxonomy is not None, "a task of kind taxonomy has one"
    tree = taxonomy_figures(sample, taxonomy, seed=seed, outside=np.array(outside, np.int64))
    nodes, leaves = len(taxonomy.nodes), len(taxonomy.leaves)
    leaf = np.full(nodes + len(outside) + 2, NONE)
    leaf[taxonomy.leaves] = np.arange(leaves)
    leaf[nodes:-1] = leaves
    true, predicted = leaf[sample.true], leaf[sample.predicted]  # the index -1 is the last place, which stays NONE
    if task.inner:
        true = np.where(true == NONE, leaves, true)
    known = (true != NONE) & (predicted != NONE)
    if not known.any():
        nothing = Estimate(0.0, 0.0, 1.0, 0)
        return Figures(
            0, nothing, tree.macro_f1 or nothing, 0.0, (), absent=leaves, hierarchy=replace(tree, accuracy=nothing)
        )
    flat = figures(replace(sample, true=true, predicted=predicted).part(known), task.names, seed=seed)
    # Most leaves have one or two documents, of which intervals say nothing; frequent ones are among the tree's nodes.
    rows = tuple(row if row.support >= tree.least else replace(row, estimates=None) for row in flat.per_class)
    return replace(
        flat,
        macro_f1=tree.macro_f1 or flat.macro_f1,
        per_class=rows if flat.absent else flat.per_class,
        hierarchy=replace(tree, accuracy=flat.accuracy),
    )
