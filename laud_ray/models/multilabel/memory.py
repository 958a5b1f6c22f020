"""Unlabelled texts whose predictions a multilabel model shares with similar ones. Pure NumPy.

n texts to score, m texts in the memory, d dimensions, k labels.
"""

from dataclasses import dataclass

import numpy as np

from laud_ray.models.multilabel.neighbours import nearest, shares
from laud_ray.types import Floats

NEIGHBOURS = 10
# The neighbours together weigh SAY if their mean cosine is at least NEAR, and less in proportion otherwise.
SAY, NEAR = 0.6, 0.3
_BLOCK = 1024  # texts that are compared with the memory at once


@dataclass(frozen=True, slots=True, eq=False)
class SetMemory:
    """Mixes a text's probabilities with those of its nearest texts in the memory.

    As in `laud_ray.models.encoder.propagation`, a single step of label propagation (Zhou et al. 2004, "Learning with
    Local and Global Consistency"): similar texts mostly share labels, while the model's errors on them differ.

    Attributes:
        vectors: (m, d) unit vectors, m >= 1.
        proba: (m, k) the model's probabilities of them without the memory.
    """

    vectors: Floats
    proba: Floats

    def mix(self, vectors: Floats, proba: Floats) -> Floats:
        """Map (n, d) unit vectors and (n, k) probabilities to (n, k) mixed probabilities, float32."""
        return self._mixed(vectors, proba, first=0)

    @property
    def own(self) -> Floats:
        """(m, k) the mixed probabilities of the memory's texts, each from the others."""
        return self._mixed(self.vectors, self.proba, first=1) if len(self.vectors) > 1 else self.proba

    def _mixed(self, vectors: Floats, proba: Floats, first: int) -> Floats:
        """Mix with the neighbours from the `first` nearest on: 1 leaves out a text that is itself in the memory."""
        mixed = np.empty(proba.shape, np.float32)
        for start in range(0, len(proba), _BLOCK):
            rows = slice(start, start + _BLOCK)
            found, cosines = nearest(vectors[rows], self.vectors, NEIGHBOURS + first)
            found, cosines = found[:, first:], cosines[:, first:]
            voted = np.einsum("nc,nck->nk", shares(cosines), self.proba[found])
            say = SAY * np.clip(cosines.mean(axis=1, keepdims=True) / NEAR, 0, 1)
            mixed[rows] = (1 - say) * proba[rows] + say * voted
        return mixed
