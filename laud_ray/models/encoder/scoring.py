"""Score texts by their vectors: what all models with an encoder share. n texts, k labels, d dimensions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from laud_ray.models.encoder.encoding import Encoder
from laud_ray.stats.legibility import Legibility
from laud_ray.types import Floats


@dataclass(frozen=True, slots=True)
class VectorScorer(ABC):
    """Scores texts by their unit vectors alone.

    Attributes:
        labels: the k label names.
        encoder: maps texts to unit vectors.
    """

    labels: tuple[str, ...]
    encoder: Encoder

    @abstractmethod
    def proba(self, vectors: Floats) -> Floats:
        """Map (n, d) unit vectors to (n, k) probabilities, float32."""

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
