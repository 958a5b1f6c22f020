"""Answers of a language model for the rows of a set's pool, from the product's own oracle and ledger."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from labelled_sets import LabelledSet
from simulation import ABSTAINED

from laud_ray import oracles
from laud_ray.config import LlmConfig
from laud_ray.errors import LaudError
from laud_ray.store.ledger import Ledger
from laud_ray.store.store import Store
from laud_ray.types import Document, Indices


class LlmAnswers:
    """Asks an OpenAI-compatible endpoint. Answers are stored in a database, and none is bought twice.

    A document always gets the same answer, because the temperature is 0 and the ledger keeps answers.
    """

    def __init__(self, url: str, model: str, data: LabelledSet, database: Path) -> None:
        database.parent.mkdir(parents=True, exist_ok=True)
        config = LlmConfig(kind="llm", engine="openai", model=model, base_url=url)
        self._oracle = oracles.build_llm(config, data.task, 0, Ledger(Store(f"sqlite:///{database}")))
        self._texts, self._classes = data.texts, {name: c for c, name in enumerate(data.task.names)}
        self._said: dict[int, int] = {}

    def __call__(self, rows: Indices) -> Indices:
        """Map (n,) rows to (n,) classes, ABSTAINED where the model is unsure or its answer cannot be parsed.

        Raises:
            LaudError: if the endpoint leaves a document pending.
        """
        self._ask([row for row in dict.fromkeys(rows.tolist()) if row not in self._said])
        return np.asarray([self._said[row] for row in rows.tolist()], np.int64)

    def _ask(self, rows: Sequence[int]) -> None:
        if not rows:
            return
        found = self._oracle.annotate([Document(str(row), self._texts[row]) for row in rows])
        if len(found) < len(rows):
            raise LaudError(f"{len(found)} of {len(rows)} questions were answered: {self._oracle.waiting}")
        for one in found:
            self._said[int(one.document_id)] = ABSTAINED if one.label is None else self._classes[one.label]
