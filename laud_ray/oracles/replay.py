"""Answer from a column of the corpus that nobody else sees: for studies, demos and tests."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.corpus import Corpus, document_id, sealed_values
from laud_ray.types import Annotation, Document, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplayOracle:
    """Knows the sealed label of every document, and can be made to err.

    What it says of a document depends on seed and document alone, not on when it is asked. A document
    whose label is not among the task's is one that nobody can answer: an abstention.

    Attributes:
        noise: probability of a wrong label, drawn evenly from the others.
        abstain: probability of no answer.
    """

    corpus: Corpus
    task: Task
    noise: float = 0.0
    abstain: float = 0.0
    seed: int = 0

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        labels = sealed_values(self.corpus, [document.id for document in documents])
        return [Annotation(d.id, self._answer(d, labels.get(d.id)), "replay") for d in documents]

    def _answer(self, document: Document, gold: str | None) -> str | None:
        names = self.task.names
        if self.task.kind == "binary" and gold is not None:
            gold = names[0] if gold == names[0] else names[1]
        if gold not in names:
            logger.warning("document %s has the label %r, which is not one of the task's: abstained", document.id, gold)
            return None
        rng = np.random.default_rng([self.seed, int(document_id(document.id)[:16], 16)])
        if rng.random() < self.abstain:
            return None
        if rng.random() < self.noise:
            return str(rng.choice([name for name in names if name != gold]))
        return gold
