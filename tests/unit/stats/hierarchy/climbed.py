"""Synthetic paths whose masses are what they say, or are not."""

import numpy as np

from laud_ray.types import Bools, Floats

DISTORTED = ("calibrated", "overconfident", "underconfident", "by level", "noise")


def paths(n: int, rng: np.random.Generator, kind: str = "calibrated", d: int = 4) -> tuple[Floats, Bools]:
    """Return (n, d) masses that rise along a path, and whether each node is right; above a right node all are.

    The masses are calibrated, or distorted: overconfident or underconfident everywhere, differently at each level, or
    without any relation to what is right.
    """
    mass = np.empty((n, d))
    mass[:, 0] = rng.beta(3, 1, n)
    for j in range(1, d):
        mass[:, j] = mass[:, j - 1] + (1 - mass[:, j - 1]) * rng.beta(1, 2, n)
    right = rng.random(n)[:, None] < mass
    if kind == "overconfident":
        mass = 1 - (1 - mass) ** 2
    elif kind == "underconfident":
        mass = mass**2
    elif kind == "by level":
        mass = np.maximum.accumulate(1 - (1 - mass) ** np.linspace(3, 1, d), axis=1)
    elif kind == "noise":
        mass = np.sort(rng.random((n, d)), axis=1)
    return mass, right


def shortened(mass: Floats, right: Bools, rng: np.random.Generator) -> tuple[Floats, Bools]:
    """Cut paths to uneven lengths: what lies below a root is NaN, and right nowhere."""
    length = rng.integers(1, mass.shape[1] + 1, len(mass))
    below = np.arange(mass.shape[1]) >= length[:, None]
    return np.where(below, np.nan, mass), right & ~below
