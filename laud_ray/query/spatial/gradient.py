"""Choose documents whose loss gradients are long and point in different directions (BADGE). Pure NumPy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from laud_ray.query.ranking import require_pick
from laud_ray.query.spatial.geometry import as_vectors, draw_seeds, squared_lengths
from laud_ray.query.spatial.space import require_space
from laud_ray.query.uncertainty import LeastConfidence
from laud_ray.types import Candidates, Floats, Indices


@dataclass(frozen=True, slots=True)
class Badge:
    """Prefer candidates whose last-layer gradients are long and differ, drawn as k-means++ seeds of the gradients.

    The gradient is that of the loss if the likeliest class were the label: the outer product of (p - onehot) and the
    candidate's vector. The shortlist is ranked by least confidence, because candidates with high confidence have short
    gradients and would hardly ever be drawn.

    Ash, Zhang, Krishnamurthy, Langford and Agarwal (2020), "Deep Batch Active Learning by Diverse, Uncertain Gradient
    Lower Bounds".
    """

    reach: ClassVar[int] = 20
    committee: ClassVar[int] = 0

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) utilities in [-1, -1/k]; larger is better."""
        return LeastConfidence().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool in the order drawn; the first has the longest gradient.

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
        return draw_seeds(len(pool), n, squared=outer_distances(residuals, vectors), first=first, rng=rng)


def _residuals(proba: Floats) -> Floats:
    """Map (m, k) probabilities p to (m, k) p - onehot, where onehot is 1 at the likeliest class."""
    residuals = np.array(proba, np.float32)
    residuals[np.arange(len(proba)), proba.argmax(axis=1)] -= 1
    return residuals


def outer_distances(left: Floats, right: Floats) -> Callable[[int], Floats]:
    """Return a function from a row index to the (m,) squared distances of outer products of (m, k) and (m, d) rows.

    The (m, k d) outer products are never built: the scalar product of two of them is the scalar product of the left
    rows times that of the right rows.
    """
    lengths = squared_lengths(left) * squared_lengths(right)

    def squared(row: int) -> Floats:
        gap: Floats = lengths + lengths[row] - 2 * (left @ left[row]) * (right @ right[row])
        return np.maximum(gap, 0)

    return squared
