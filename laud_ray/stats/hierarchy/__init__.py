"""Statistics for taxonomies: figures at each level, and answers that back off with a promise. Pure NumPy and SciPy."""

from laud_ray.stats.hierarchy.climbing import Chain, climb, fit_chain
from laud_ray.stats.hierarchy.figures import hierarchy_figures
from laud_ray.stats.hierarchy.promise import Answered, Promise, promise, verify_chain

__all__ = [
    "Answered",
    "Chain",
    "Promise",
    "climb",
    "fit_chain",
    "hierarchy_figures",
    "promise",
    "verify_chain",
]
