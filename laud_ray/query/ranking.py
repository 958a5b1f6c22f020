"""Pick the documents with the largest utility by one criterion. Pure NumPy."""

import numpy as np

from laud_ray.errors import PoolExhaustedError
from laud_ray.types import Candidates, Indices


def best_rows(pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
    """Return the n rows of largest utility in a pool of one criterion, best first; rng breaks ties.

    Raises:
        PoolExhaustedError: if the pool holds fewer than n documents.
        ValueError: if n is negative or the pool does not have one criterion.
    """
    require_pick(n, len(pool))
    criteria = pool.utility.shape[1]
    if criteria != 1:
        raise ValueError(f"the pool has {criteria} criteria; expected 1")
    order: Indices = np.lexsort((rng.random(len(pool)), -pool.utility[:, 0]))
    return order[:n]


def require_pick(n: int, size: int) -> None:
    """Check that n documents can be picked from a pool of this size.

    Raises:
        PoolExhaustedError: if n is larger than the pool.
        ValueError: if n is negative.
    """
    if n < 0:
        raise ValueError(f"asked for {n} documents; expected at least 0")
    if n > size:
        raise PoolExhaustedError(f"asked for {n} documents, the pool holds {size}")
