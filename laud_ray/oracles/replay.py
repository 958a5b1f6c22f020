"""The oracle that answers from a column of the corpus, which nothing else reads: for studies, demos and tests."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.data.corpus import Corpus, document_id, sealed_values
from laud_ray.label_cells import answer_in, unknown_in
from laud_ray.label_sets import LabelSet
from laud_ray.labels import Known, known_labels
from laud_ray.types import Annotation, Document, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplayOracle:
    """Answers with the sealed label of each document, and can simulate errors and abstentions.

    The answer depends on seed, document and attempt alone, not on the order of the questions. A document whose label
    the task does not have gets an abstention. In a multilabel task the answer is the set of the document's labels that
    the task has, which may be empty; a document without a value gets an abstention.

    Attributes:
        noise: probability of a wrong label, drawn uniformly from the others. In a multilabel task it takes the place
            of one of the right ones, drawn uniformly too, or is added to the empty set.
        abstain: probability of an abstention.
        attempt: 1 for the first answer of each document, 2 for the second, and so on. Errors of different attempts
            are independent.
    """

    corpus: Corpus
    task: Task
    noise: float = 0.0
    abstain: float = 0.0
    seed: int = 0
    attempt: int = 1

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        labels, known = sealed_values(self.corpus, [document.id for document in documents]), known_labels(self.task)
        self._warn(labels.values(), known)
        return [Annotation(d.id, self._answer(d, labels.get(d.id), known), "replay") for d in documents]

    def _warn(self, sealed: Collection[str | None], known: Known) -> None:
        if self.task.multilabel:
            strange = [names[0] for value in sealed if (names := unknown_in(value, known))]
            means = "left out"
        else:
            strange = [str(value) for value in sealed if known.find_class(value) is None]
            means = "abstained"
        if strange:
            logger.warning(
                "replay: %d of %d documents have a label that the task does not have, such as %r: %s",
                len(strange),
                len(sealed),
                strange[0],
                means,
            )

    def _answer(self, document: Document, sealed: str | None, known: Known) -> str | None:
        gold = answer_in(sealed, known)
        if gold is None:
            return None
        again = [self.attempt] if self.attempt > 1 else []
        rng = np.random.default_rng([self.seed, int(document_id(document.id)[:16], 16), *again])
        if rng.random() < self.abstain:
            return None
        if rng.random() < self.noise:
            return self._wrong_set(gold, rng) if self.task.multilabel else self._wrong(gold, rng)
        return gold

    def _wrong_set(self, gold: str, rng: np.random.Generator) -> str:
        """Replace one of the labels by a wrong one, or add a wrong one to the empty set."""
        right = list(LabelSet.parse(gold).yes)
        others = [name for name in self.task.names if name not in right]
        if right:
            right.pop(int(rng.integers(0, len(right))))
        return LabelSet.of([*right, *([others[int(rng.integers(0, len(others)))]] if others else [])]).text

    def _wrong(self, gold: str, rng: np.random.Generator) -> str:
        """Draw one of the labels that are not right; where the right one is an inner node, it is not below that."""
        names, tree = self.task.names, self.task.taxonomy
        if tree is None:
            own, width = names.index(gold), 1
        else:
            node = tree.find(gold)
            assert node is not None
            own, width = int(tree.leaf_starts[node]), tree.leaf_count(node)
        drawn = int(rng.integers(0, len(names) - width)) if len(names) > width else own
        return names[drawn if drawn < own else drawn + width] if len(names) > width else gold
