"""Greedy coverage of vectors by balls around some of them, and the radius of the balls. Pure NumPy.

m vectors, d dimensions. Coverage is counted in r witnesses: all vectors, or a random sample of them if there are many.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from laud_ray.query.spatial.geometry import blocks
from laud_ray.types import Bools, Floats, Indices

Bytes: TypeAlias = npt.NDArray[np.uint8]

_WITNESSES = 10_000
_PROBES = 1000  # random vectors from which the radius is estimated
_LEAST, _MOST = 0.05, 2.0  # bounds of the radius; the distance of two unit vectors is at most 2
_ROWS = 128  # witnesses whose balls are unpacked at once; at most 255, so that a byte can count them


def radii(vectors: Floats, predicted: Indices, *, purity: float, rng: np.random.Generator) -> list[float]:
    """Return the radii to try, in descending order, each half of the previous one.

    The first is the largest radius at which a share `purity` of the balls contains a single predicted class. The last
    is not below the median distance to the nearest neighbour, because most smaller balls would contain only their
    centre.

    Args:
        vectors: (m, d) unit vectors, m >= 2.
        predicted: (m,) predicted classes.
        purity: in (0, 1).
        rng: draws the sample of vectors from which the radius is estimated.
    """
    m = len(vectors)
    probes = rng.choice(m, min(m, _PROBES), replace=False)
    stranger, neighbour = np.full(len(probes), np.inf), np.zeros(len(probes))
    for part, squared in blocks(vectors[probes], vectors):
        neighbour[part] = np.sqrt(np.partition(squared, 1, axis=1)[:, 1])  # the first is the vector itself
        squared[predicted[probes[part], None] == predicted] = np.inf
        stranger[part] = np.sqrt(squared.min(axis=1))
    least = max(float(np.median(neighbour)), _LEAST)
    pure = float(np.quantile(stranger, 1 - purity, method="lower"))
    size = min(max(pure, least), _MOST)
    halvings = int(np.log2(size / least)) if size > least else 0
    return [size / 2**halving for halving in range(halvings + 1)]


def cover(
    vectors: Floats, known: Floats, n: int, *, taken: Indices, radius: float, rng: np.random.Generator
) -> Indices:
    """Pick up to n of (m, d) vectors greedily, each the one whose ball covers most witnesses not yet covered.

    Args:
        vectors: (m, d) vectors.
        known: (a, d) vectors whose balls cover their surroundings from the start.
        n: the most rows to pick; fewer are picked when all witnesses are covered.
        taken: rows that were picked before; their balls count from the start, and they are not picked again.
        radius: the radius of every ball.
        rng: draws the witnesses and breaks ties.
    """
    m = len(vectors)
    witnesses = vectors if m <= _WITNESSES else vectors[rng.choice(m, _WITNESSES, replace=False)]
    within = _within(witnesses, vectors, radius)
    open_ = ~_covered(witnesses, np.vstack([known, vectors[taken]]), radius)
    gain = _count(within[open_], m) + rng.random(m)
    gain[taken] = -np.inf
    picked: list[int] = []
    while len(picked) < n:
        row = int(gain.argmax())
        if gain[row] < 1:
            break
        picked.append(row)
        new = open_ & (within[:, row >> 3] >> (7 - (row & 7)) & 1).astype(bool)
        gain -= _count(within[new], m)
        gain[row] = -np.inf
        open_ &= ~new
    return np.array(picked, np.int64)


def _within(witnesses: Floats, vectors: Floats, radius: float) -> Bytes:
    """Return (r, m / 8) bytes: one bit for each pair of witness and vector, set if they are within the radius."""
    packed = np.zeros((len(witnesses), -(-len(vectors) // 8)), np.uint8)
    for part, squared in blocks(witnesses, vectors):
        packed[part] = np.packbits(squared <= radius**2, axis=1)
    return packed


def _covered(witnesses: Floats, known: Floats, radius: float) -> Bools:
    covered = np.zeros(len(witnesses), bool)
    if len(known):
        for part, squared in blocks(witnesses, known):
            covered[part] = squared.min(axis=1) <= radius**2
    return covered


def _count(packed: Bytes, m: int) -> Indices:
    """Return for each of m vectors in how many of the (r, m / 8) rows its bit is set."""
    counts = np.zeros(m, np.int64)
    for start in range(0, len(packed), _ROWS):
        bits = np.unpackbits(packed[start : start + _ROWS], axis=1, count=m)
        counts += bits.sum(axis=0, dtype=np.uint8)
    return counts
