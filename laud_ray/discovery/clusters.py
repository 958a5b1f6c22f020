"""Groups of new documents where there were none before. Pure NumPy and SciPy. n documents, d dimensions.

New and earlier documents are grouped together, by average linkage cut at the width of the known labels: a group is as
wide as the documents of a known label are. So no number of groups has to be chosen, and no group depends on chance. A
group is one of new documents if these are more of it than their number explains, by an exact binomial test. The tests
of all groups share one rate of false discoveries (Benjamini and Hochberg 1995).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist
from scipy.special import bdtrc

from laud_ray.types import Bools, Floats, Indices

# More documents are sampled: the distances of n documents take 4 n^2 bytes twice, 200 MB for 5,000.
MOST = 5000
# With fewer new documents, a group is no proposal.
LEAST = 5
# The share of groups that may be found although nothing is new. A person decides about each of them.
FALSE = 0.2


@dataclass(frozen=True, slots=True)
class Group:
    """New documents that lie together.

    Attributes:
        members: (m,) their rows, the most central one first.
        earlier: the number of earlier documents among them.
    """

    members: Indices
    earlier: int


def new_groups(vectors: Floats, new: Bools, share: float, width: float, least: int = LEAST) -> list[Group]:
    """Return the groups of (n, d) unit vectors, n at most MOST, that new documents formed; the largest first.

    Args:
        vectors: of new and earlier documents.
        new: (n,) which of them are new.
        share: of new documents in every group if nothing is new, in (0, 1): that of the numbers from which both were
            sampled in the same way.
        width: the largest mean cosine distance between the halves of a group, in [0, 2].
        least: new documents in a group.

    Raises:
        ValueError: if there are more than MOST vectors.
    """
    n = len(vectors)
    if n > MOST:
        raise ValueError(f"{n:,} documents are too many; expected at most {MOST:,}")
    if n < max(least, 2):
        return []
    # Of unit vectors, half of the squared distance is the cosine distance.
    tree = linkage(pdist(np.asarray(vectors, np.float64), "sqeuclidean") / 2, "average")
    owners = fcluster(tree, width, "distance")
    size, some = np.bincount(owners), np.bincount(owners, weights=new).astype(np.int64)
    tried = np.flatnonzero(some >= least)
    chance = bdtrc(some[tried] - 1, size[tried], share)
    kept = tried[discoveries(chance, FALSE)]
    found = [Group(_central_first(vectors, np.flatnonzero((owners == one) & new)), int(size[one])) for one in kept]
    found = [Group(one.members, one.earlier - len(one.members)) for one in found]
    return sorted(found, key=lambda one: (-len(one.members), int(one.members.min())))


def discoveries(chance: Floats, rate: float) -> Indices:
    """Return the tests that are positive, in their order, where at most a share of these is expected to be false.

    Benjamini and Hochberg (1995), "Controlling the false discovery rate".

    Args:
        chance: (m,) p-values.
        rate: in (0, 1).
    """
    order = np.argsort(chance, kind="stable")
    below = np.flatnonzero(chance[order] <= rate * np.arange(1, len(chance) + 1) / max(len(chance), 1))
    return np.sort(order[: below[-1] + 1]) if len(below) else np.zeros(0, np.int64)


def width_of(vectors: Floats, owners: Sequence[object]) -> float | None:
    """Return how wide labels are: the mean cosine distance between two documents of one label, averaged over labels.

    Args:
        vectors: (n, d) unit vectors of documents.
        owners: the label of each.

    Returns:
        None if no label has two documents.
    """
    by_owner: dict[object, list[int]] = {}
    for row, owner in enumerate(owners):
        by_owner.setdefault(owner, []).append(row)
    widths = []
    for rows in by_owner.values():
        if len(rows) > 1:
            # The mean over pairs from the length of the sum, without the n similarities with themselves.
            total = np.square(np.asarray(vectors, np.float64)[rows].sum(0)).sum()
            widths.append(1 - (total - len(rows)) / (len(rows) * (len(rows) - 1)))
    return float(np.mean(widths)) if widths else None


def _central_first(vectors: Floats, rows: Indices) -> Indices:
    """Return rows by their similarity to the mean of all of them, the most similar first."""
    centre = vectors[rows].mean(0)
    return rows[np.argsort(-(vectors[rows] @ centre), kind="stable")]
