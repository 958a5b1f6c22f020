"""Score texts with an encoder under a head of independent labels. n texts, k labels, d dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass

from laud_ray.models.encoder.encoding import Encoder
from laud_ray.models.multilabel.head import SetHead
from laud_ray.models.multilabel.memory import SetMemory
from laud_ray.stats.legibility import Legibility
from laud_ray.types import Floats


@dataclass(frozen=True, slots=True)
class SetScorer:
    """The probabilities that labels apply to texts, each by itself.

    Attributes:
        labels: the k label names.
        encoder: maps texts to unit vectors.
        head: maps the vectors to probabilities.
        thresholds: (k,) the probability from which on a label applies.
        memory: unlabelled texts whose predictions are mixed into the probabilities; None for no mixing.
    """

    labels: tuple[str, ...]
    encoder: Encoder
    head: SetHead
    thresholds: Floats
    memory: SetMemory | None = None

    def score(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, k) probabilities, float32."""
        return self.score_tokens(self.tokenize(texts))

    def legibility(self, texts: Sequence[str]) -> Legibility:
        """Count the unknown and spelled tokens of n texts."""
        return self.encoder.legibility(texts)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return self.encoder.tokenize(texts) if len(texts) else []

    def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Map the token ids of n texts to (n, k) probabilities, float32."""
        return self.proba(self.encoder.embed_tokens(ids))

    def examine(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Map n texts to (n, d) unit vectors and (n, k) probabilities, float32."""
        vectors = self.encoder.embed_tokens(self.tokenize(texts))
        return vectors, self.proba(vectors)

    def proba(self, vectors: Floats) -> Floats:
        """Map (n, d) unit vectors to (n, k) probabilities."""
        rows = self.head.proba(vectors)
        return rows if self.memory is None else self.memory.mix(vectors, rows)
