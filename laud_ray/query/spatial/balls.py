"""Balls around documents: how large they may be, and which of them cover the most. Pure NumPy.

m vectors, d dimensions, r of them witnesses: coverage is counted in them, all vectors where there are few.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from laud_ray.query.spatial.geometry import blocks
from laud_ray.types import Bools, Floats, Indices

Bytes: TypeAlias = npt.NDArray[np.uint8]

_WITNESSES = 10_000
_PROBES = 1000  # vectors by which the radius is found
_LEAST, _MOST = 0.05, 2.0  # radii; no two unit vectors are farther apart
_ROWS = 128  # witnesses whose balls are unpacked at once; at most 255, so that a byte can count them


def radii(vectors: Floats, predicted: Indices, *, purity: float, rng: np.random.Generator) -> list[float]:
    """Return radii from the largest at which the share `purity` of the balls holds one predicted class, each half of
    the one before, down to the median distance to the nearest neighbour: in smaller balls is no one else.

    Args:
        vectors: (m, d) unit vectors, m >= 2.
        predicted: (m,) classes.
        purity: in (0, 1).
        rng: draws the vectors that are looked at.
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
    """Pick up to n of (m, d) vectors whose balls cover the most that no ball before them covers.

    The balls of the (a, d) known ones and of the rows that are taken come first; those rows are not picked again. It
    stops when everything is covered; rng breaks ties.
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
    """Return (r, m / 8) bytes whose bits say which vectors' balls hold a witness."""
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
    """Return for each of m vectors the rows of (r, m / 8) bytes that have its bit."""
    counts = np.zeros(m, np.int64)
    for start in range(0, len(packed), _ROWS):
        bits = np.unpackbits(packed[start : start + _ROWS], axis=1, count=m)
        counts += bits.sum(axis=0, dtype=np.uint8)
    return counts
