"""Statistics for taxonomies: figures at each level, and answers that back off with a promise. Pure NumPy and SciPy."""

from laud_ray.stats.hierarchy.answering import LEAF, NOTHING, Depth, Given, answer, upward
from laud_ray.stats.hierarchy.climbing import Chain, climb, fit_chain
from laud_ray.stats.hierarchy.figures import hierarchical_f1, hierarchy_figures
from laud_ray.stats.hierarchy.leaves import leaf_figures
from laud_ray.stats.hierarchy.nodes import confused_siblings, node_figures, taxonomy_figures
from laud_ray.stats.hierarchy.promise import Answered, Promise, promise, verify_chain

__all__ = [
    "LEAF",
    "NOTHING",
    "Answered",
    "Chain",
    "Depth",
    "Given",
    "Promise",
    "answer",
    "climb",
    "confused_siblings",
    "fit_chain",
    "hierarchical_f1",
    "hierarchy_figures",
    "leaf_figures",
    "node_figures",
    "promise",
    "taxonomy_figures",
    "upward",
    "verify_chain",
]
