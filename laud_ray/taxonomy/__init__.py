"""Taxonomies: read a tree of labels, add probabilities up it, and compare its versions. Pure NumPy."""

from laud_ray.taxonomy.masses import listed_mass, node_mass
from laud_ray.taxonomy.path_text import SEPARATOR
from laud_ray.taxonomy.reading.detection import looks_like_paths
from laud_ray.taxonomy.reading.found import read_found
from laud_ray.taxonomy.reading.levels import read_levels
from laud_ray.taxonomy.reading.lines import read_lines
from laud_ray.taxonomy.reading.table import read_table
from laud_ray.taxonomy.tree import Node, Taxonomy
from laud_ray.taxonomy.versions import Differences, differences

__all__ = [
    "SEPARATOR",
    "Differences",
    "Node",
    "Taxonomy",
    "differences",
    "listed_mass",
    "looks_like_paths",
    "node_mass",
    "read_found",
    "read_levels",
    "read_lines",
    "read_table",
]
