"""Nearest examples and labels of a text, by the bundled encoder. n texts, k classes, d dimensions."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from laud_ray.models.encoder.encoding import BUNDLED, Encoder, label_vectors
from laud_ray.stats.calibration import COSINE_SCALE, softmax
from laud_ray.types import Example, Floats, Indices, Label

_TOKENS = 64


class Neighbours:
    """Finds the examples nearest to a text, and its zero-shot label probabilities.

    The encoder is loaded, and examples and labels are embedded, on first use.
    """

    def __init__(
        self, examples: Sequence[Example] = (), labels: Sequence[Label] = (), device: torch.device | None = None
    ) -> None:
        self._examples, self._labels, self._device = tuple(examples), tuple(labels), device

    def label_probabilities(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, k) zero-shot probabilities, float32."""
        vectors, owners = self._label_rows
        rows = softmax(COSINE_SCALE * self._encoder.embed(texts) @ vectors.T)
        proba = np.zeros((len(texts), len(self._labels)), np.float32)
        np.add.at(proba.T, owners, rows.T)
        return proba

    def embed(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, d) unit vectors, float32."""
        return self._encoder.embed(texts)

    def nearest(self, texts: Sequence[str], n: int, *, itself: bool = True) -> list[tuple[Example, ...]]:
        """Return the n nearest examples of each text, the nearest last, so that it is closest to the text in a prompt.

        Args:
            texts: the texts.
            n: how many examples; there are fewer if fewer exist.
            itself: whether an example with the same text may be among them.
        """
        if not self._examples or not n or not texts:
            return [() for _ in texts]
        similar = self._encoder.embed(texts) @ self._known.T
        order = np.argsort(-similar, axis=1, kind="stable")[:, : n if itself else n + 1]
        found = []
        for text, row in zip(texts, order, strict=True):
            near = [self._examples[i] for i in row if itself or self._examples[i].text != text]
            found.append(tuple(near[:n][::-1]))
        return found

    @cached_property
    def _encoder(self) -> Encoder:
        encoder = Encoder(BUNDLED, _TOKENS).freeze()
        return encoder.to(self._device) if self._device else encoder

    @cached_property
    def _known(self) -> Floats:
        return self._encoder.embed([example.text for example in self._examples])

    @cached_property
    def _label_rows(self) -> tuple[Floats, Indices]:
        return label_vectors(self._encoder, self._labels, "{label}")
