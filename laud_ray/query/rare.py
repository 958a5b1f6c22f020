"""Choose documents that probably belong to classes with few annotations. Pure NumPy. n documents, k classes."""

from dataclasses import dataclass

import numpy as np

from laud_ray.query.ranking import best_rows
from laud_ray.types import Candidates, Floats, Indices


@dataclass(frozen=True, slots=True)
class RareClass:
    """Prefer documents that probably belong to a class with few annotations.

    The utility is the expected rarity of the document's class, where a class with c annotations has rarity
    1 / (1 + c).

    Attributes:
        counts: (k,) the number of annotations of each class so far.

    Raises:
        ValueError: if a count is negative.
    """

    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if min(self.counts, default=0) < 0:
            raise ValueError(f"a class has {min(self.counts)} annotations; expected at least 0")

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) utilities in (0, 1]; larger is better.

        Raises:
            ValueError: if k is not the number of counts.
        """
        if proba.shape[1] != len(self.counts):
            raise ValueError(f"proba has {proba.shape[1]} classes; expected {len(self.counts)}, as many as counts")
        rarity = 1 / (1 + np.array(self.counts, proba.dtype))
        return proba @ rarity[:, None]

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, best first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
        """
        return best_rows(pool, n, rng=rng)
