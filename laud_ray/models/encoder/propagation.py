"""What a model remembers of unlabelled texts, and their say in new predictions. Pure NumPy.

n texts, m remembered ones, d dimensions, k classes.
"""

from dataclasses import dataclass, field

import numpy as np

from laud_ray.types import Floats

NEIGHBOURS = 3
# Cosines among neighbours differ by hundredths: at this sharpness the nearest counts for more, not for all.
SHARPNESS = 10.0
# Neighbours this near on average have half of the say, and farther ones less by the fourth power.
NEAR, SAY = 0.7, 0.5
# How strongly common classes are held back among neighbours, which they crowd out rare ones of.
BALANCE = 0.25
_BLOCK = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """Mixes a text's probabilities with those of its nearest remembered texts.

    Label propagation (Zhou et al. 2004, "Learning with Local and Global Consistency") of a single step, and from the
    model's own predictions: near texts mostly share a class, and their errors are not the same.

    Attributes:
        vectors: (m, d) unit vectors, m >= 1.
        proba: (m, k) what the model alone says of them; rows sum to 1.
    """

    vectors: Floats
    proba: Floats
    _votes: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.vectors) != len(self.proba) or not len(self.vectors):
            raise ValueError(
                f"got {len(self.vectors)} vectors and {len(self.proba)} rows of probabilities; "
                "expected as many, at least 1"
            )
        common = np.maximum(self.proba.sum(axis=0), 1) ** BALANCE
        object.__setattr__(self, "_votes", (self.proba / common).astype(np.float32))

    def mix(self, vectors: Floats, proba: Floats) -> Floats:
        """Map (n, d) unit vectors and (n, k) probabilities to (n, k) mixed probabilities, float32."""
        mixed = np.empty(proba.shape, np.float32)
        for start in range(0, len(proba), _BLOCK):
            rows = slice(start, start + _BLOCK)
            mixed[rows] = self._mix(vectors[rows], proba[rows])
        return mixed

    def _mix(self, vectors: Floats, proba: Floats) -> Floats:
        cosines = vectors @ self.vectors.T
        count = min(NEIGHBOURS, len(self.vectors))
        nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(cosines, nearest, axis=1)
        weights = np.exp(SHARPNESS * (near - near.max(axis=1, keepdims=True)))
        voted = np.einsum("nc,nck->nk", weights, self._votes[nearest])
        voted /= voted.sum(axis=1, keepdims=True)
        say = SAY * np.clip(near.mean(axis=1, keepdims=True) / NEAR, 0, 1) ** 4
        mixed: Floats = (1 - say) * proba + say * voted
        return mixed
