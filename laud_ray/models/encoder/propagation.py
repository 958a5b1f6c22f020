"""Label propagation from unlabelled texts that a model stores as its memory. Pure NumPy.

n texts to score, m texts in the memory, d dimensions, k classes, t of which are kept for a text in the memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from laud_ray.types import Floats, Indices

NEIGHBOURS = 3
# A neighbour's weight is exp(SHARPNESS * cosine). Cosines of neighbours differ by hundredths, so that the nearest one
# weighs more than the others, but does not decide alone.
SHARPNESS = 10.0
# The neighbours together weigh SAY if their mean cosine is at least NEAR, and SAY * (cosine / NEAR) ** 4 otherwise.
NEAR, SAY = 0.7, 0.5
# The neighbours' probabilities are divided by (class frequency) ** BALANCE, because common classes would otherwise
# crowd out rare ones.
BALANCE = 0.25
# Rows that are mixed at once, and the most numbers of an array on the way, which has (rows, NEIGHBOURS, k).
_BLOCK, _MOST = 4096, 50_000_000
# Of more classes than the first, a text in the memory keeps as many as the second, the likeliest ones.
ALL, KEPT = 1024, 64


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """Mixes a text's probabilities with those of its nearest texts in the memory.

    This is a single step of label propagation (Zhou et al. 2004, "Learning with Local and Global Consistency"), from
    the model's own predictions. It helps because similar texts mostly share a class, while the model's errors on them
    differ.

    Attributes:
        vectors: (m, d) unit vectors, m >= 1.
        proba: (m, t) the model's probabilities of them without the memory, of the classes that are kept.
        kept: (m, t) these classes; None for all k in order.
    """

    vectors: Floats
    proba: Floats
    kept: Indices | None = None
    _votes: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.vectors) != len(self.proba) or not len(self.vectors):
            raise ValueError(
                f"got {len(self.vectors)} vectors and {len(self.proba)} rows of probabilities; "
                "expected the same number, at least 1"
            )
        if self.kept is None:
            common = np.maximum(self.proba.sum(axis=0), 1) ** BALANCE
        else:
            common = np.maximum(np.bincount(self.kept.ravel(), self.proba.ravel()), 1)[self.kept] ** BALANCE
        object.__setattr__(self, "_votes", (self.proba / common).astype(np.float32))

    @classmethod
    def of(cls, vectors: Floats, proba: Callable[[Floats], Floats]) -> "Memory":
        """Make a memory of (m, d) unit vectors. No (m, k) matrix is built for more than ALL classes.

        Args:
            proba: maps unit vectors to the model's probabilities.
        """
        first = proba(vectors[:1])
        classes = first.shape[1]
        if classes <= ALL or not len(vectors):
            return cls(vectors, proba(vectors))
        shape, step = (len(vectors), KEPT), max(1, _MOST // classes)
        kept, found = np.empty(shape, np.int64), np.empty(shape, np.float32)
        for start in range(0, len(vectors), step):
            rows = slice(start, start + step)
            part = proba(vectors[rows])
            kept[rows] = np.argpartition(-part, KEPT - 1, axis=1)[:, :KEPT]
            found[rows] = np.take_along_axis(part, kept[rows], axis=1)
        return cls(vectors, found, kept)

    def mix(self, vectors: Floats, proba: Floats) -> Floats:
        """Map (n, d) unit vectors and (n, k) probabilities to (n, k) mixed probabilities, float32."""
        mixed = np.empty(proba.shape, np.float32)
        step = min(_BLOCK, max(1, _MOST // (NEIGHBOURS * proba.shape[1])))
        for start in range(0, len(proba), step):
            rows = slice(start, start + step)
            mixed[rows] = self._mix(vectors[rows], proba[rows])
        return mixed

    def _mix(self, vectors: Floats, proba: Floats) -> Floats:
        cosines = vectors @ self.vectors.T
        count = min(NEIGHBOURS, len(self.vectors))
        nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(cosines, nearest, axis=1)
        weights = np.exp(SHARPNESS * (near - near.max(axis=1, keepdims=True)))
        if self.kept is None:
            voted = np.einsum("nc,nck->nk", weights, self._votes[nearest])
        else:
            voted = np.zeros(proba.shape, np.float32)
            rows = np.arange(len(voted))[:, None]
            for place in range(count):  # no class is kept twice for one text
                one = nearest[:, place]
                voted[rows, self.kept[one]] += weights[:, place, None] * self._votes[one]
        voted /= voted.sum(axis=1, keepdims=True)
        say = SAY * np.clip(near.mean(axis=1, keepdims=True) / NEAR, 0, 1) ** 4
        mixed: Floats = (1 - say) * proba + say * voted
        return mixed
