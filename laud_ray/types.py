"""Values and Protocols that every other module speaks. n documents, k classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Indices: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Purpose: TypeAlias = Literal["seed", "query", "evaluation"]
# How the seed walk comes to a document: down a class's zero-shot ranking, or from a confirmed document to its like.
Walk: TypeAlias = Literal["ranking", "nearness"]


@dataclass(frozen=True, slots=True)
class Label:
    """A class.

    Attributes:
        rest: for the `other` class of a binary task, the labels it stands for.
        also: other spellings of its name in somebody's data.
    """

    name: str
    description: str | None = None
    rest: tuple["Label", ...] = ()
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be learned. A binary task has the labels (positive, other), in this order."""

    name: str
    kind: Literal["binary", "multiclass"]
    labels: tuple[Label, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The k label names; their order is the order of every probability column."""
        return tuple(label.name for label in self.labels)


@dataclass(frozen=True, slots=True)
class Document:
    """A text of the corpus under its stable id."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its label: what a learner trains on."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """An oracle's answer. `label` is None for an abstention; `cost` is in dollars."""

    document_id: str
    label: str | None
    oracle: str
    cost: float = 0.0
    confidence: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Where m candidates and a annotated documents lie, in the eyes of the round's model. d dimensions, k classes.

    Attributes:
        vectors: (m, d) unit vectors of the candidates.
        proba: (m, k) their class probabilities; rows sum to 1.
        known_vectors: (a, d) unit vectors of what was asked about so far, the evaluation sample not.
        known_proba: (a, k) what the model says of them.
        known_labels: (a,) the class that was answered; -1 for an abstention.
        committee: (c, m, k) what c models of the last rounds say of the candidates, the newest last; None if the
            strategy wants no committee.
    """

    vectors: Floats
    proba: Floats
    known_vectors: Floats
    known_proba: Floats
    known_labels: Indices
    committee: Floats | None = None

    def take(self, rows: Indices) -> "Space":
        """Return the space with the candidates of these rows alone."""
        votes = None if self.committee is None else self.committee[:, rows]
        return replace(self, vectors=self.vectors[rows], proba=self.proba[rows], committee=votes)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The shortlist that a query strategy picks from: m documents, c criteria.

    utility is (m, c), larger is better; -inf where a document is not on that criterion's shortlist.
    Simple strategies have one criterion, mixes one for each part. space is there for the strategies that want it.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    utility: Floats
    space: Space | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Indices, criterion: int | None = None) -> "Candidates":
        """Return the candidates of these rows alone, by all criteria or by one."""
        at = rows.tolist()
        return Candidates(
            ids=[self.ids[row] for row in at],
            texts=[self.texts[row] for row in at],
            utility=self.utility[rows] if criterion is None else self.utility[rows, criterion : criterion + 1],
            space=None if self.space is None else self.space.take(rows),
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval, from n annotated documents."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class ClassEstimates:
    """Figures of one class with their intervals. What the sample says nothing about is 0 in [0, 1]."""

    prevalence: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of one class.

    Attributes:
        support: annotated documents whose true label it is.
        predicted: annotated documents that the model gives it to; None in figures that did not count them.
        estimates: the same with their intervals; None in figures of an earlier version.
    """

    label: str
    support: int
    precision: float
    recall: float
    f1: float
    predicted: int | None = None
    estimates: ClassEstimates | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """How good a model is, from a weighted sample of n annotated documents.

    Attributes:
        trusted: how many of them a trusted oracle answered too, if the others' answers count as no more than cheap.
        unanswered: documents of the sample that are not in the figures, by the reason why they have no answer.
    """

    n: int
    accuracy: Estimate
    macro_f1: Estimate
    calibration_error: float
    per_class: tuple[ClassFigures, ...]
    trusted: int | None = None
    unanswered: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What a closed round left in the history. Round 0 is zero-shot.

    Attributes:
        annotations: answers counted against the budget when the model was trained (seed and query,
            abstentions and rejected seed queries too).
        budget: the annotations that may be bought in all.
        pool: documents that could still be asked about.
        kappa: Cohen's kappa with the previous round's model on the stop set; None for round 0.
        accepted: False when the floor rejected the model because zero-shot is better.
        seconds: duration of each step of the round.
        feedback: texts that the model learned from people's feedback; they count against no budget.
        delta_f: predicted change of F1 from the previous round's model, on the stop set; None where there is none.
    """

    number: int
    model: str
    annotations: int
    budget: int
    pool: int
    figures: Figures
    kappa: float | None
    accepted: bool
    seconds: Mapping[str, float]
    feedback: int = 0
    delta_f: float | None = None


@dataclass(frozen=True, slots=True)
class Promotion:
    """A person made `model` current in place of `previous`, at a time in UTC."""

    model: str
    previous: str | None
    created_at: datetime


class Scorer(Protocol):
    """Maps texts to calibrated class probabilities."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The k labels, in the order of the columns."""
        ...

    def score(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, k) probabilities whose rows sum to 1."""
        ...


@runtime_checkable
class TokenScorer(Scorer, Protocol):
    """A scorer whose tokenizing and scoring can run apart: score(texts) is score_tokens(tokenize(texts))."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Map n texts to the token ids of each."""
        ...

    def score_tokens(self, ids: Sequence[Sequence[int]]) -> Floats:
        """Map the token ids of n texts to (n, k) probabilities whose rows sum to 1."""
        ...


@runtime_checkable
class SpatialScorer(Scorer, Protocol):
    """A scorer that knows where texts lie."""

    def examine(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Map n texts to (n, d) unit vectors and to the (n, k) probabilities that `score` gives them."""
        ...


class Learner(Protocol):
    """Maps examples to a model folder."""

    def fit(self, task: Task, examples: Sequence[Example], *, out: str, seed: int) -> None:
        """Write a model to the local folder `out`. With no examples it is the zero-shot classifier."""
        ...


class Oracle(Protocol):
    """Answers what the label of a document is.

    An oracle may have two attributes more: `at_once`, how many documents it wants in one call, and `waiting`, why
    its last call left documents pending.
    """

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        """Answer for some or all of the documents; those without an answer are pending."""
        ...


class QueryStrategy(Protocol):
    """Says which documents to ask about next."""

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
    """Decides from the history alone, so that a restart decides the same."""

    def verdict(self, history: Sequence[RoundResult]) -> str | None:
        """Return the reason to stop, or None to go on. history is in order of rounds, from round 0."""
        ...


@runtime_checkable
class SpatialStrategy(QueryStrategy, Protocol):
    """A query strategy that looks at where its candidates lie: its pick needs a pool with a space."""

    @property
    def reach(self) -> int:
        """How many candidates it wants for each document of a batch."""
        ...

    @property
    def committee(self) -> int:
        """How many models of the last rounds must have their say; 0 for none."""
        ...
