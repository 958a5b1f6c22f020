"""What is to be learned, and what is known of it: tasks, documents, annotations."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

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
