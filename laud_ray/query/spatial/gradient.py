"""Choose documents that would move the model far and in different directions. Pure NumPy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from laud_ray.query.ranking import require_pick
from laud_ray.query.spatial.geometry import as_vectors, scatter, squared_lengths
from laud_ray.query.spatial.space import require_space
from laud_ray.query.uncertainty import LeastConfidence
from laud_ray.types import Candidates, Floats, Indices


@dataclass(frozen=True, slots=True)
class Badge:
    """Prefer candidates whose gradients in the last layer are long and differ: k-means++ seeds of them.

    A candidate's gradient, if its likeliest class were its label, is the outer product of (p - onehot) and its vector.
    The shortlist is of least confidence, because the sure ones have short gradients and are hardly ever drawn.

    Ash, Zhang, Krishnamurthy, Langford and Agarwal (2020), "Deep Batch Active Learning by Diverse, Uncertain Gradient
    Lower Bounds".
    """

    reach: ClassVar[int] = 20
    committee: ClassVar[int] = 0

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) utilities in [-1, -1/k]; larger is better."""
        return LeastConfidence().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool as they are drawn, the longest gradient first.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
            ValueError: if the pool has no space.
        """
        require_pick(n, len(pool))
        space = require_space(pool, self)
        if n == 0:
            return np.zeros(0, np.int64)
        vectors, residuals = as_vectors(space.vectors), _residuals(space.proba)
        first = int((squared_lengths(vectors) * squared_lengths(residuals)).argmax())
        return scatter(len(pool), n, squared=outer_distances(residuals, vectors), first=first, rng=rng)


def _residuals(proba: Floats) -> Floats:
    """Map (m, k) probabilities to (m, k) of them less 1 at the likeliest class."""
    residuals = np.array(proba, np.float32)
    residuals[np.arange(len(proba)), proba.argmax(axis=1)] -= 1
    return residuals


def outer_distances(left: Floats, right: Floats) -> Callable[[int], Floats]:
    """Return the function from a row to its (m,) squared distances to the outer products of (m, k) and (m, d) rows.

    The (m, k d) products are not made: the scalar product of two of them is that of their left sides times that of
    their right sides.
    """
    lengths = squared_lengths(left) * squared_lengths(right)

    def squared(row: int) -> Floats:
        gap: Floats = lengths + lengths[row] - 2 * (left @ left[row]) * (right @ right[row])
        return np.maximum(gap, 0)

    return squared
