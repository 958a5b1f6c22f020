"""The answers to annotated texts, which a multilabel model shares with similar texts. Pure NumPy.

n texts to score, a annotated texts, d dimensions, k labels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from laud_ray.models.multilabel.neighbours import nearest, shares
from laud_ray.models.multilabel.targets import Mask
from laud_ray.types import Floats, Indices

FILE = "answers.safetensors"
NEIGHBOURS = 10
# The neighbours together weigh SAY if their mean cosine is at least NEAR, and less in proportion otherwise: with few
# annotations the nearest ones are far away.
SAY, NEAR = 0.25, 0.4
# Vectors with a larger cosine belong to the same text.
SAME = 0.9999
# The most annotated texts that a model keeps.
MOST = 20_000
_BLOCK = 1024  # texts that are compared with the annotated ones at once


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Mixes a text's probabilities with the answers to the nearest annotated texts.

    A head is linear in the vectors, so that it cannot tell apart what a few similar texts have in common; their
    answers can (Zhang and Zhou 2007, "ML-KNN: A Lazy Learning Approach to Multi-Label Learning", without its priors:
    the head is in their place).

    Attributes:
        vectors: (a, d) unit vectors, a >= 1.
        mask: (a, k) the answers. A neighbour that was not asked about a label counts with the text's own probability.
    """

    vectors: Floats
    mask: Mask

    @staticmethod
    def of(vectors: Floats, mask: Mask) -> "Answers | None":
        """Return the answers to at most MOST of the texts, drawn at random; None without any text."""
        if not len(vectors):
            return None
        rows: Indices = np.arange(len(vectors))
        if len(rows) > MOST:
            rows = np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST])
        return Answers(vectors[rows], mask[rows])

    def mix(self, vectors: Floats, proba: Floats, *, but_own: bool = False) -> Floats:
        """Map (n, d) unit vectors and (n, k) probabilities to (n, k) mixed probabilities, float32.

        Args:
            but_own: whether the answer to a text itself does not count: an annotated text then gets the probabilities
                that it would have without its annotation.
        """
        mixed = np.empty(proba.shape, np.float32)
        asked, applies = (self.mask >= 0).astype(np.float32), (self.mask == 1).astype(np.float32)
        for start in range(0, len(proba), _BLOCK):
            rows = slice(start, start + _BLOCK)
            found, cosines = nearest(vectors[rows], self.vectors, NEIGHBOURS + but_own)
            weights = shares(np.where(cosines < SAME, cosines, -np.inf) if but_own else cosines)
            known, yes = (np.einsum("nc,nck->nk", weights, part[found]) for part in (asked, applies))
            near = np.where(weights > 0, cosines, 0).sum(axis=1) / np.maximum((weights > 0).sum(axis=1), 1)
            say = SAY * np.clip(near / NEAR, 0, 1)[:, None]
            mixed[rows] = proba[rows] + say * (yes - known * proba[rows])
        return mixed


def save_answers(answers: Answers | None, path: Path) -> None:
    """Write answers into a model folder, if there are any."""
    if answers is not None:
        tensors = {"vectors": torch.from_numpy(answers.vectors), "mask": torch.from_numpy(answers.mask)}
        save_file({name: one.contiguous() for name, one in tensors.items()}, path / FILE)


def open_answers(path: Path) -> Answers | None:
    """Read the answers in a model folder; None if it has none."""
    if not (path / FILE).is_file():
        return None
    tensors = load_file(path / FILE)
    return Answers(tensors["vectors"].numpy(), tensors["mask"].numpy())
