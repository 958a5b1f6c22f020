"""Solved examples for a prompt: the annotated documents that are most like the one that is asked about."""

from collections.abc import Sequence

import numpy as np

from laud_ray.encoding import BUNDLED, Encoder
from laud_ray.types import Example, Floats

_TOKENS = 64


class NearestExamples:
    """Finds the n nearest of a fixed list of examples, by the bundled encoder."""

    def __init__(self, examples: Sequence[Example], n: int) -> None:
        self._examples, self._n = tuple(examples), n
        self._encoder: Encoder | None = None
        self._vectors: Floats | None = None

    def of(self, texts: Sequence[str]) -> list[tuple[Example, ...]]:
        """Return the examples for each text, the nearest last, so that it stands next to the text."""
        if not self._examples or not self._n or not texts:
            return [() for _ in texts]
        similarity = self._embed(texts) @ self._known().T
        order = np.argsort(similarity, axis=1, kind="stable")[:, -self._n :]
        return [tuple(self._examples[i] for i in row) for row in order]

    def _known(self) -> Floats:
        if self._vectors is None:
            self._vectors = self._embed([example.text for example in self._examples])
        return self._vectors

    def _embed(self, texts: Sequence[str]) -> Floats:
        self._encoder = self._encoder or Encoder(BUNDLED, _TOKENS)
        return self._encoder.embed(texts)
