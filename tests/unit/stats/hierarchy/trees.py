"""Random taxonomies and predictions in them."""

import numpy as np

from laud_ray.stats import Sample
from laud_ray.taxonomy.lineage import lineages
from laud_ray.types import Floats, Indices


def grown(rng: np.random.Generator, k: int = 40, deepest: int = 4, roots: int = 3) -> Indices:
    """Return the parents of k nodes of uneven depth, at most `deepest`, each after its parent."""
    parents, depth = [-1] * roots, [1] * roots
    for node in range(roots, k):
        above = int(rng.choice([one for one in range(node) if depth[one] < deepest]))
        parents.append(above)
        depth.append(depth[above] + 1)
    return np.array(parents)


def answered(rng: np.random.Generator, parents: Indices, n: int, *, none: float = 0.1) -> tuple[Indices, Indices]:
    """Return true nodes, and predicted ones: right, an ancestor, another node, or (with the share `none`) no answer."""
    k = len(parents)
    true, lineage = rng.integers(k, size=n), lineages(parents)
    above = lineage[true, rng.integers(lineage.shape[1], size=n)]
    kind = rng.random(n)
    predicted = np.where(kind < 0.4, true, np.where(kind < 0.7, above, rng.integers(k, size=n)))
    return true, np.where(kind > 1 - none, -1, predicted)


def sampled(true: Indices, predicted: Indices, strata: Indices | None = None, sizes: Floats | None = None) -> Sample:
    known = None if sizes is None else {h: int(size) for h, size in enumerate(sizes)}
    return Sample(true, predicted, np.ones(len(true)), np.zeros(len(true), int) if strata is None else strata, known)
