"""Spend no budget on documents that no oracle can answer. Pure NumPy. m candidates, a known documents."""

from dataclasses import dataclass

import numpy as np

from laud_ray.query.ranking import require_pick
from laud_ray.query.spatial.geometry import as_vectors, nearest
from laud_ray.query.spatial.space import committee, reach, require_space
from laud_ray.types import Candidates, Floats, Indices, QueryStrategy, Space

_NEIGHBOURS = 10
_SHARPNESS = 4  # power of the cosine: 0.7 counts a quarter, 0.2, which unrelated texts have, nearly nothing
_SPARE = 10  # candidates for each wanted one, so that there is something to turn to


def answerable(space: Space) -> Floats:
    """Map m candidates to (m,) chances in (0, 1] that an oracle can answer them.

    It is the share of answers among the 10 nearest known documents, each by the fourth power of its cosine, and one
    document more with the answer rate of all known ones, (answered + 1) / (a + 1). So with no abstentions, or nothing
    known, all chances are 1.
    """
    abstained = space.known_labels < 0
    rate = abstained.sum() / (len(abstained) + 1)
    rows, distances = nearest(as_vectors(space.vectors), as_vectors(space.known_vectors), _NEIGHBOURS)
    weights = np.maximum(1 - distances**2 / 2, 0) ** _SHARPNESS  # of unit vectors: the cosine
    refusal: Floats = (rate + (weights * abstained[rows]).sum(axis=1)) / (1 + weights.sum(axis=1))
    return 1 - refusal


@dataclass(frozen=True, slots=True)
class Answering:
    """Let an inner strategy choose among the candidates that an oracle can probably answer.

    Candidates whose chance is under half of the overall answer rate are left out, or, where too few are left, all but
    the n likeliest. The inner utility stays as it is: utilities have different scales, some are negative, and some
    strategies look at none, so a product of utility and chance would mean something else for each.

    Donmez and Carbonell (2008), "Proactive Learning: Cost-Sensitive Active Learning with Multiple Imperfect Oracles",
    for the reluctant oracle.
    """

    inner: QueryStrategy

    @property
    def reach(self) -> int:
        """10, or more if the inner strategy wants more."""
        return max(_SPARE, reach(self.inner))

    @property
    def committee(self) -> int:
        """What the inner strategy wants."""
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
        known = space.known_labels >= 0
        if known.all():
            return self.inner.pick(pool, n, rng=rng)
        chances = answerable(space)
        rows = np.flatnonzero(chances >= known.mean() / 2)
        if len(rows) < n:
            rows = np.lexsort((rng.random(len(pool)), -chances))[:n]
        return rows[self.inner.pick(pool.take(rows), n, rng=rng)]
