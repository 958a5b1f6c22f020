"""Choose documents whose predictions differ from those of their labelled neighbours. Pure NumPy. m candidates."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from laud_ray.query.ranking import best_rows
from laud_ray.query.spatial.geometry import as_vectors, nearest
from laud_ray.query.spatial.space import require_space
from laud_ray.query.uncertainty import Entropy, Random
from laud_ray.types import Candidates, Floats, Indices, Space

_NEIGHBOURS = 10
_LEAST = np.float32(1e-7)  # smaller probabilities count as this (about float32's precision); divergences stay finite


@dataclass(frozen=True, slots=True)
class Contrastive:
    """Prefer candidates whose class probabilities differ from those of the 10 nearest labelled documents.

    The score is the mean Kullback-Leibler divergence of the neighbours' probabilities from the candidate's. As long as
    nothing is labelled, it is the entropy of the candidate's probabilities. The shortlist is random.

    Margatina, Vernikos, Barrault and Aletras (2021), "Active Learning by Acquiring Contrastive Examples".
    """

    reach: ClassVar[int] = 100
    committee: ClassVar[int] = 0

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) zeros."""
        return Random().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, the largest divergence first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
            ValueError: if the pool has no space.
        """
        contrast = divergence(require_space(pool, self))
        return best_rows(replace(pool, utility=contrast[:, None]), n, rng=rng)


def divergence(space: Space) -> Floats:
    """Map m candidates to (m,) mean divergences in nats from their nearest labelled neighbours."""
    labelled = space.known_labels >= 0
    if not labelled.any():
        entropy: Floats = Entropy().utility(space.proba)[:, 0]
        return entropy
    known = np.maximum(as_vectors(space.known_proba[labelled]), _LEAST)
    rows, _ = nearest(as_vectors(space.vectors), as_vectors(space.known_vectors[labelled]), _NEIGHBOURS)
    # KL(p_l || p_c) = sum p_l log p_l - sum p_l log p_c for a neighbour l and a candidate c. Its mean over the
    # neighbours needs only the mean of p_l log p_l and the mean of p_l.
    certainty: Floats = (known * np.log(known)).sum(axis=1)[rows].mean(axis=1)
    expected = np.zeros(space.proba.shape, np.float32)
    for column in rows.T:  # one neighbour at a time needs (m, k) of memory; all at once would need (m, 10, k)
        expected += known[column]
    surprise = np.log(np.maximum(as_vectors(space.proba), _LEAST))
    cross: Floats = np.einsum("mk,mk->m", expected, surprise) / rows.shape[1]
    return certainty - cross
