"""Avoid documents on which the oracle would probably abstain. Pure NumPy. m candidates, a known documents.

A document is known if the oracle was asked about it, with an answer or an abstention.
"""

from dataclasses import dataclass

import numpy as np

from laud_ray.query.ranking import require_pick
from laud_ray.query.spatial.geometry import as_vectors, nearest
from laud_ray.query.spatial.space import committee, reach, require_space
from laud_ray.types import Candidates, Floats, Indices, QueryStrategy, Space

_NEIGHBOURS = 10
_SHARPNESS = 4  # power of the cosine: a cosine of 0.7 weighs 0.24; 0.2, typical of unrelated texts, nearly nothing
_SPARE = 10  # candidates for each place of the batch, so that enough are left after the exclusion


def answerable(space: Space) -> Floats:
    """Estimate the (m,) probabilities, in (0, 1], that the oracle can answer each of m candidates.

    The estimate is the weighted share of answers among the 10 nearest known documents, where the weight is the fourth
    power of the cosine. One more document of weight 1 counts with the answer rate of all known ones,
    (answered + 1) / (a + 1). Without an abstention, or with nothing known, all probabilities are 1.
    """
    abstained = space.known_labels < 0
    rate = abstained.sum() / (len(abstained) + 1)
    rows, distances = nearest(as_vectors(space.vectors), as_vectors(space.known_vectors), _NEIGHBOURS)
    weights = np.maximum(1 - distances**2 / 2, 0) ** _SHARPNESS  # for unit vectors, 1 - distance² / 2 is the cosine
    refusal: Floats = (rate + (weights * abstained[rows]).sum(axis=1)) / (1 + weights.sum(axis=1))
    return 1 - refusal


@dataclass(frozen=True, slots=True)
class Answering:
    """Let an inner strategy pick from the candidates that the oracle can probably answer.

    Candidates whose probability (from `answerable`) is below half of the overall answer rate are excluded. If fewer
    than n are left, the n most probable candidates are used instead. The inner strategy's utility is not multiplied by
    the probability: utilities have different scales, some are negative, and some strategies do not use them, so that
    the product would mean something different for each strategy.

    Donmez and Carbonell (2008), "Proactive Learning: Cost-Sensitive Active Learning with Multiple Imperfect Oracles",
    whose reluctant oracle may decline to answer.
    """

    inner: QueryStrategy

    @property
    def reach(self) -> int:
        """The inner strategy's reach, at least 10."""
        return max(_SPARE, reach(self.inner))

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
        known = space.known_labels >= 0
        if known.all():
            return self.inner.pick(pool, n, rng=rng)
        chances = answerable(space)
        rows = np.flatnonzero(chances >= known.mean() / 2)
        if len(rows) < n:
            rows = np.lexsort((rng.random(len(pool)), -chances))[:n]
        return rows[self.inner.pick(pool.take(rows), n, rng=rng)]
