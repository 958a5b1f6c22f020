"""Statistics for taxonomies: figures at each level, and answers that back off with a promise. Pure NumPy and SciPy."""

from laud_ray.stats.hierarchy.figures import hierarchy_figures
from laud_ray.stats.hierarchy.lineage import lineages

__all__ = ["hierarchy_figures", "lineages"]
