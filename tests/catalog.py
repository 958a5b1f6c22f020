"""A large made-up catalog: a taxonomy with as many leaves as wanted, and a model's answers in it."""

import numpy as np

from laud_ray.stats import Sample
from laud_ray.taxonomy import Node, Taxonomy
from laud_ray.types import Indices


def catalog(*children: int) -> Taxonomy:
    """Return a tree whose nodes at level l have `children[l - 1]` siblings, themselves included."""
    nodes: list[Node] = []

    def grow(path: tuple[str, ...], parent: int) -> None:
        for i in range(children[len(path)]):
            here = (*path, f"{'ABCDEFG'[len(path)]}{i} with a name as catalogs have it")
            nodes.append(Node(" > ".join(here), here, parent))
            if len(here) < len(children):
                grow(here, len(nodes) - 1)

    grow((), -1)
    return Taxonomy(tuple(nodes))


def answered(taxonomy: Taxonomy, n: int, seed: int = 0) -> Sample:
    """Return n documents of Zipfian leaves: about half right, a quarter beside the right leaf, the others anywhere."""
    rng, leaves = np.random.default_rng(seed), taxonomy.leaves
    order = rng.permutation(len(leaves))
    share = 1 / np.arange(1, len(leaves) + 1)
    true: Indices = order[rng.choice(len(leaves), n, p=share / share.sum())]
    beside = np.clip(true + rng.integers(-3, 4, n), 0, len(leaves) - 1)
    kind = rng.random(n)
    predicted = np.where(kind < 0.5, true, np.where(kind < 0.75, beside, rng.integers(len(leaves), size=n)))
    return Sample(leaves[true], leaves[predicted], rng.random(n), np.arange(n) % 3, {0: 900_000, 1: 60_000, 2: 40_000})
