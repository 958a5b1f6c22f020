"""Protocols of scorers, learners, oracles, query strategies and stopping rules. n documents, k classes."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from laud_ray.types.arrays import Floats, Indices
from laud_ray.types.candidates import Candidates
from laud_ray.types.results import RoundResult
from laud_ray.types.values import Annotation, Document, Example, Task


class Scorer(Protocol):
    """Maps texts to calibrated class probabilities."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The k labels, in the order of the columns."""
        ...

    def score(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, k) probabilities whose rows sum to 1, but for a `MultilabelScorer`."""
        ...


@runtime_checkable
class MultilabelScorer(Scorer, Protocol):
    """The scorer of a multilabel task: its probabilities are independent, so that rows need not sum to 1."""

    @property
    def thresholds(self) -> Floats:
        """(k,) the probability in [0, 1] from which on a label applies; see laud_ray.stats.multilabel.decisions."""
        ...


@runtime_checkable
class TokenScorer(Scorer, Protocol):
    """A scorer with separate tokenization, which may run elsewhere: score(texts) = score_tokens(tokenize(texts))."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Map n texts to the token ids of each."""
        ...

    def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Map the token ids of n texts to (n, k) probabilities whose rows sum to 1."""
        ...


@runtime_checkable
class SpatialScorer(Scorer, Protocol):
    """A scorer that also gives the vectors of texts."""

    def examine(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Map n texts to (n, d) unit vectors, and to the same (n, k) probabilities as `score`."""
        ...


class Learner(Protocol):
    """Trains a model on examples, and writes a model folder."""

    def fit(self, task: Task, examples: Sequence[Example], *, out: str, seed: int) -> None:
        """Write a model to the local folder `out`; without examples, the zero-shot classifier."""
        ...


class Oracle(Protocol):
    """Labels documents on request.

    An oracle may have two more attributes: `at_once`, the number of documents for one call, and `waiting`, the reason
    why its last call left documents pending.
    """

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        """Return answers for some or all of the documents; documents without an answer stay pending."""
        ...


class QueryStrategy(Protocol):
    """Chooses the documents to annotate next."""

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, c) utilities, one column per criterion; larger is better."""
        ...

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, best first.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
        """
        ...


class StoppingRule(Protocol):
    """Decides when to stop, from the history alone, so that a restarted run decides the same."""

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to continue. The history is in order of rounds, from round 0."""
        ...


@runtime_checkable
class SpatialStrategy(QueryStrategy, Protocol):
    """A query strategy that uses the candidates' vectors or a committee: `pick` needs a pool with a space."""

    @property
    def reach(self) -> int:
        """The number of candidates that it needs for each document of a batch."""
        ...

    @property
    def committee(self) -> int:
        """The number of models of the last rounds whose predictions it needs; 0 for none."""
        ...
