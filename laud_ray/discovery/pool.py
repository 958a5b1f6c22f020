"""Choose the new and the earlier documents that are grouped: of those that lie far from what is known. Pure NumPy."""

from dataclasses import dataclass

import numpy as np

from laud_ray.discovery.clusters import MOST
from laud_ray.stats.estimates.accuracy import estimate_share
from laud_ray.types import Floats, Indices

# Documents farther than this share of the earlier ones are grouped. A new label's documents are often as near to those
# of similar labels as these are to each other; so a group is recognised by its numbers, and not by its distance.
NEAR = 0.8


@dataclass(frozen=True, slots=True)
class Pool:
    """The documents that are grouped.

    Attributes:
        new: rows of new documents.
        earlier: rows of earlier documents.
        share: of new documents in every group, if nothing is new.
        chosen: the share of the new documents beyond the distance that are in the pool, in (0, 1].
    """

    new: Indices
    earlier: Indices
    share: float
    chosen: float


def pool(new: Floats, earlier: Floats, rng: np.random.Generator, most: int = MOST) -> Pool | None:
    """Choose at most half of `most` documents of each kind, at random where there are more.

    Args:
        new: (n,) distances of new documents from what is known.
        earlier: (m,) those of earlier documents, which have not made known what is known.
        rng: chooses.
        most: documents in all.

    Returns:
        None if there are none of one kind.
    """
    if not len(new) or not len(earlier):
        return None
    far = np.quantile(earlier, NEAR)
    rows = [np.flatnonzero(found > far) for found in (new, earlier)]
    if not all(map(len, rows)):
        return None
    kept = [np.sort(rng.permutation(one)[: most // 2]) for one in rows]
    shares = [len(one) / len(every) for one, every in zip(kept, rows, strict=True)]
    numbers = [share * len(found) for share, found in zip(shares, (new, earlier), strict=True)]
    return Pool(kept[0], kept[1], numbers[0] / sum(numbers), shares[0])


def size_of(documents: int, pool: Pool) -> tuple[int, int, int]:
    """Return how many new documents a group has of which some are in the pool, and the 95 % interval of this number.

    Wilson (1927), about the share of the pool that is in the group. It is exact if all new documents are in the pool.
    """
    if pool.chosen >= 1:
        return documents, documents, documents
    share, every = estimate_share(documents, len(pool.new)), len(pool.new) / pool.chosen
    return round(share.value * every), max(documents, round(share.low * every)), round(share.high * every)
