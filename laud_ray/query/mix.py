"""Divide a batch among several strategies. Pure NumPy. n documents, k classes, p parts (strategies of the mix)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.query.ranking import require_pick
from laud_ray.query.spatial.space import committee, reach
from laud_ray.types import Bools, Candidates, Floats, Indices, QueryStrategy


@dataclass(frozen=True, slots=True)
class Mix:
    """Gives each of p strategies its share of every batch.

    Attributes:
        parts: pairs of a share, at least 0, and a strategy with one criterion. A strategy with the share 0 is used
            only for places that the others cannot fill.

    Raises:
        ValueError: if no share is above 0, or a share is negative or infinite.
    """

    parts: tuple[tuple[float, QueryStrategy], ...]

    def __post_init__(self) -> None:
        if not any(share for share, _ in self.parts):
            raise ValueError(f"the mix has {len(self.parts)} parts; expected at least 1 with a share above 0")
        for share, part in self.parts:
            if not 0 <= share < np.inf:
                raise ValueError(f"the share of {type(part).__name__} is {share}; expected at least 0")

    @property
    def reach(self) -> int:
        """The largest reach of a part; 0 if none needs a space."""
        return max(reach(part) for _, part in self.parts)

    @property
    def committee(self) -> int:
        """The largest committee that a part needs; 0 for none."""
        return max(committee(part) for _, part in self.parts)

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, p) utilities, one column for each part; larger is better.

        Raises:
            ValueError: if a part has more than one criterion.
        """
        columns = [part.utility(proba) for _, part in self.parts]
        for column, (_, part) in zip(columns, self.parts, strict=True):
            if column.shape[1] != 1:
                raise ValueError(f"{type(part).__name__} has {column.shape[1]} criteria; expected 1")
        return np.hstack(columns)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, ordered so that the first i of them have about the parts' shares, for any i.

        The parts pick in turn, each from the documents of its shortlist that no earlier part has picked. Places that
        a part cannot fill are divided among the other parts by their shares.

        Raises:
            PoolExhaustedError: if the shortlists hold fewer than n documents.
            ValueError: if the pool does not have one criterion for each part.
        """
        if pool.utility.shape[1] != len(self.parts):
            raise ValueError(f"the pool has {pool.utility.shape[1]} criteria; expected {len(self.parts)}")
        free = ~np.isneginf(pool.utility)  # (m, p): the documents that each part may still take
        require_pick(n, int(free.any(axis=1).sum()))
        picked: list[int] = []
        while len(picked) < n:
            picked += self._turn(pool, n - len(picked), free, rng)
        return np.array(picked, np.int64)

    def _turn(self, pool: Candidates, n: int, free: Bools, rng: np.random.Generator) -> list[int]:
        """Let each part pick its share of n places once, and remove its picks from `free`."""
        able = free.any(axis=0)
        shares = np.where(able, [share for share, _ in self.parts], 0.0)
        shares = shares if shares.any() else able.astype(float)
        blocks = []
        for column, places in enumerate(_apportion(n, shares)):
            rows = np.flatnonzero(free[:, column])
            part = self.parts[column][1]
            block = rows[part.pick(pool.take(rows, column), min(places, len(rows)), rng=rng)]
            free[block] = False
            blocks.append(block)
        return _interleave(blocks)


def _apportion(n: int, shares: Floats) -> list[int]:
    """Divide n places by shares; the places left after rounding down go to the largest remainders (Hamilton)."""
    exact = n * shares / shares.sum()
    places = np.floor(exact)
    missing = n - int(places.sum())
    by_remainder = np.argsort(-(exact - places).round(9), kind="stable")
    places[by_remainder[:missing]] += 1
    return [int(place) for place in places]


def _interleave(blocks: Sequence[Indices]) -> list[int]:
    """Merge blocks evenly: sort all rows by their relative position within their block."""
    fraction = np.concatenate([(np.arange(len(block)) + 0.5) / max(len(block), 1) for block in blocks])
    order = np.argsort(fraction, kind="stable")
    return [int(row) for row in np.concatenate(blocks)[order]]
