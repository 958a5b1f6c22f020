"""Pick a diverse batch from the best candidates of another strategy. Pure NumPy."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from laud_ray.query.ranking import require_pick
from laud_ray.query.spatial.geometry import as_vectors, cluster, draw_seeds, farthest, squared_from
from laud_ray.query.spatial.space import committee, reach, require_space
from laud_ray.types import Candidates, Floats, Indices, QueryStrategy

Method = Literal["badge", "coreset", "kmeans"]
_BREADTH = 10  # the batch is picked from this many times its size of the inner strategy's best


@dataclass(frozen=True, slots=True)
class Diverse:
    """Pick n documents that lie far apart from the best 10 n of an inner strategy.

    A document's weight falls linearly with its rank, from 1 towards 0. Methods:

    - `kmeans`: the best-ranked document of each of n clusters by weighted k-means (Zhdanov 2019, "Diverse mini-batch
      Active Learning", who takes the document nearest to the centre).
    - `coreset`: one by one, the document farthest from all known and picked ones.
    - `badge`: one by one, drawn with a probability proportional to weight times squared distance to the nearest picked
      document, as in BADGE, but with text vectors instead of gradients.

    Raises:
        ValueError: if the method is unknown.
    """

    inner: QueryStrategy
    method: Method = "kmeans"

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise ValueError(f"method {self.method!r} is not valid; expected one of {', '.join(get_args(Method))}")

    @property
    def reach(self) -> int:
        """The inner strategy's reach, at least 10."""
        return max(_BREADTH, reach(self.inner))

    @property
    def committee(self) -> int:
        """The committee that the inner strategy needs; 0 for none."""
        return committee(self.inner)

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to the (n, c) utilities of the inner strategy; larger is better."""
        return self.inner.utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, in the order of the inner strategy.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
            ValueError: if the pool has no space.
        """
        require_pick(n, len(pool))
        space = require_space(pool, self)
        best = self.inner.pick(pool, min(_BREADTH * n, len(pool)), rng=rng)
        if n in (0, len(best)):
            return best[:n]
        vectors = as_vectors(space.vectors[best])
        if self.method == "coreset":
            chosen = farthest(vectors, n, known=as_vectors(space.known_vectors), first=0)
        elif self.method == "badge":
            chosen = draw_seeds(
                len(best), n, squared=squared_from(vectors), first=0, rng=rng, weights=_weights(len(best))
            )
        else:
            chosen = _best_of_clusters(vectors, n, rng)
        return best[np.sort(chosen)]


def _weights(size: int) -> Floats:
    """Return (size,) weights that fall linearly from 1 towards 0."""
    return 1 - np.arange(size) / size


def _best_of_clusters(vectors: Floats, n: int, rng: np.random.Generator) -> Indices:
    """Return the first row of each of n clusters; with fewer than n distinct vectors, the first other rows fill up."""
    labels, _ = cluster(vectors, n, rng=rng, weights=_weights(len(vectors)))
    firsts = np.unique(labels, return_index=True)[1]
    others = np.setdiff1d(np.arange(len(vectors)), firsts)
    return np.concatenate([firsts, others[: n - len(firsts)]])
