"""The labels of a multilabel task that a language model is asked about, where not all of them fit into a prompt."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.types import Floats, Scorer, Task

# Texts whose probabilities of all labels are in memory at once.
CHUNK = 256


class SetCandidates:
    """Lists the likeliest labels of documents, by an encoder, which is loaded on first use."""

    def __init__(self, task: Task, size: int, encoder: Callable[[], Scorer] | None = None) -> None:
        """Create it.

        Args:
            size: the number of labels in a list.
            encoder: opens the scorer whose probabilities count. None: the bundled encoder, without training.
        """
        self._size, self._open = size, encoder
        self._zero_shot = Neighbours((), task.labels)

    def lists(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the indices of the labels of each list, in the order of the task."""
        found: list[list[int]] = []
        for start in range(0, len(texts), CHUNK):
            proba = self._score(texts[start : start + CHUNK])
            likely = np.argsort(-proba, axis=1, kind="stable")[:, : self._size]
            found += np.sort(likely, axis=1).tolist()
        return found

    def _score(self, texts: Sequence[str]) -> Floats:
        if self._open is None:
            return self._zero_shot.label_probabilities(texts)
        return np.asarray(self._encoder.score(texts), np.float32)

    @cached_property
    def _encoder(self) -> Scorer:
        assert self._open is not None, "it has an encoder of its own"
        return self._open()
