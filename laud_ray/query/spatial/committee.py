"""Choose documents on which the models of the last rounds disagree. Pure NumPy. m candidates, k classes, c models."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from laud_ray.query.ranking import best_rows
from laud_ray.query.spatial.space import require_space
from laud_ray.query.uncertainty import Entropy
from laud_ray.types import Candidates, Floats, Indices, Space


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Prefer candidates on which a committee of models disagrees.

    Disagreement is the mean Kullback-Leibler divergence of the models' probabilities from their mean. With fewer than
    two models, the entropy of the candidate's probabilities is used instead. The shortlist is ranked by entropy.

    McCallum and Nigam (1998), "Employing EM and Pool-Based Active Learning for Text Classification".
    """

    reach: ClassVar[int] = 20
    committee: ClassVar[int] = 3

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) entropies in [0, log k] nats; larger is better."""
        return Entropy().utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, the largest disagreement first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
            ValueError: if the pool has no space.
        """
        disagreement = _disagreement(require_space(pool, self))
        return best_rows(replace(pool, utility=disagreement[:, None]), n, rng=rng)


def _disagreement(space: Space) -> Floats:
    """Return the (m,) mean divergences of the candidates, in [0, log c] nats for c models."""
    if space.committee is None or len(space.committee) < 2:
        alone: Floats = Entropy().utility(space.proba)[:, 0]
        return alone
    # The mean divergence from the mean is the entropy of the mean minus the mean of the entropies.
    consensus = Entropy().utility(space.committee.mean(axis=0))[:, 0]
    entropies = [Entropy().utility(member)[:, 0] for member in space.committee]
    disagreement: Floats = np.maximum(consensus - np.mean(entropies, axis=0), 0)
    return disagreement
