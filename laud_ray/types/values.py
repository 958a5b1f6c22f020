"""Tasks, labels, documents, examples and annotations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from laud_ray.taxonomy.tree import Taxonomy

Purpose: TypeAlias = Literal["seed", "query", "evaluation"]
# How the seed walk selects a document: from the top of a class's zero-shot ranking, or near a confirmed document.
Walk: TypeAlias = Literal["ranking", "nearness"]


@dataclass(frozen=True, slots=True)
class Label:
    """A class.

    Attributes:
        name: the name of the class.
        description: a sentence about the class, or None.
        rest: for the class `other` of a binary task, the labels that it stands for; else empty.
        also: other spellings of the name that may occur in data.
        wording: how the label is put into words for an encoder; None: as its name. A leaf of a taxonomy, whose name is
            its path, has its last name here.
    """

    name: str
    description: str | None = None
    rest: tuple["Label", ...] = ()
    also: tuple[str, ...] = ()
    wording: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A classification task. A binary task has the labels (positive, other), in this order.

    The labels of a taxonomy are its leaves, in the order of `Taxonomy.leaves`; a label's name is the leaf's path as
    text. An annotation may also name an inner node, by its path.

    Attributes:
        taxonomy: the tree of a task of kind taxonomy; None for other kinds.
        inner: whether an inner node may be a document's right answer (`answers: any`).
        at_most: the most labels of a document in a task of kind multilabel; None for no limit.
        exclusive: groups of labels of which at most one applies to a document of a multilabel task.
        separator: what stands between the labels in a text of a multilabel task's data; None where the data have lists.
    """

    name: str
    kind: Literal["binary", "multiclass", "taxonomy", "multilabel"]
    labels: tuple[Label, ...]
    taxonomy: "Taxonomy | None" = None
    inner: bool = False
    at_most: int | None = None
    exclusive: tuple[tuple[str, ...], ...] = ()
    separator: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The k label names; their order is the order of every probability column."""
        return tuple(label.name for label in self.labels)

    @property
    def multilabel(self) -> bool:
        """Whether several labels, or none, may apply to a document."""
        return self.kind == "multilabel"


@dataclass(frozen=True, slots=True)
class Document:
    """A text of the corpus with its stable id."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """A text with its label, to train on. In a multilabel task the label is the text of a `LabelSet`."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """An oracle's answer about a document.

    Attributes:
        document_id: the document.
        label: the name of the label; None for an abstention. In a multilabel task, in which several labels or none may
            apply, it is the text of a `laud_ray.label_sets.LabelSet`.
        oracle: the oracle's name.
        cost: in dollars.
        confidence: the oracle's confidence in [0, 1]; None if it gives none.
    """

    document_id: str
    label: str | None
    oracle: str
    cost: float = 0.0
    confidence: float | None = None
