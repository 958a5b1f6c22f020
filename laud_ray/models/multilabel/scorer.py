"""Score texts with an encoder under a head of independent labels. n texts, k labels, d dimensions."""

from dataclasses import dataclass

from laud_ray.models.encoder.scoring import VectorScorer
from laud_ray.models.multilabel.answers import Answers
from laud_ray.models.multilabel.head import SetHead
from laud_ray.models.multilabel.memory import SetMemory
from laud_ray.types import Floats


@dataclass(frozen=True, slots=True)
class SetScorer(VectorScorer):
    """The probabilities that labels apply to texts, each by itself.

    Attributes:
        head: maps the vectors to probabilities.
        thresholds: (k,) the probability from which on a label applies.
        memory: unlabelled texts whose predictions are mixed into the probabilities; None for no mixing.
        answers: annotated texts whose answers are mixed into these; None for no mixing.
    """

    head: SetHead
    thresholds: Floats
    memory: SetMemory | None = None
    answers: Answers | None = None

    def proba(self, vectors: Floats) -> Floats:
        """Map (n, d) unit vectors to (n, k) probabilities, float32."""
        rows = self.head.proba(vectors)
        if self.memory is not None:
            rows = self.memory.mix(vectors, rows)
        return rows if self.answers is None else self.answers.mix(vectors, rows)
