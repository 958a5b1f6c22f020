"""Results: estimates, figures of models, and the record of a closed round."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from laud_ray.types.hierarchy import HierarchyFigures
    from laud_ray.types.multilabel import MultilabelFigures


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval [low, high], from n annotated documents."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class ClassEstimates:
    """Figures of one class with their intervals. A figure that is undefined in the sample is 0 with [0, 1]."""

    prevalence: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of one class.

    Attributes:
        label: the name of the class.
        support: the number of annotated documents whose true label is this class.
        predicted: the number of annotated documents whose predicted label is this class; None if it was not counted.
        estimates: the figures with their intervals; None in figures of an earlier version, and for a leaf of a large
            taxonomy that has few documents.
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
    """The quality of a model, estimated from a weighted sample of n annotated documents.

    Attributes:
        calibration_error: the expected calibration error, in [0, 1]; NaN in a multilabel task whose oracle was asked
            about no document whole.
        trusted: how many of the n documents also have an answer of a trusted oracle, if the figures combine cheap and
            trusted answers (laud_ray.stats.estimates.powered); else None.
        unanswered: the number of documents of the sample without an answer, by the reason; they are not in n.
        per_class: a row for each class; of more than 1,000 classes only those that are the true or the predicted label
            of a document.
        absent: the number of other classes, which have no row.
        hierarchy: the figures of a taxonomy, whose leaves are the classes of all other figures; None for other tasks.
            There, macro_f1 is the mean over all nodes with enough documents (`HierarchyFigures.macro_f1`), because a
            leaf has a handful of documents at most; over the leaves that occur if no node has enough.
        multilabel: the figures of a multilabel task; None for other tasks. There, accuracy is the share of documents
            with exactly the right labels, macro_f1 is that of `MultilabelFigures`, and per_class has the figures of
            each label.
    """

    n: int
    accuracy: Estimate
    macro_f1: Estimate
    calibration_error: float
    per_class: tuple[ClassFigures, ...]
    trusted: int | None = None
    unanswered: Mapping[str, int] = field(default_factory=dict)
    absent: int = 0
    hierarchy: "HierarchyFigures | None" = None
    multilabel: "MultilabelFigures | None" = None

    @property
    def compared(self) -> Estimate:
        """By what models are compared: hierarchical F1 in a taxonomy, micro-F1 in a multilabel task, else accuracy."""
        if self.multilabel is not None:
            return self.multilabel.micro_f1
        return self.accuracy if self.hierarchy is None else self.hierarchy.f1


@dataclass(frozen=True, slots=True)
class RoundResult:
    """The record of a closed round. Round 0 is the zero-shot model.

    Attributes:
        number: the number of the round.
        model: the name of its model.
        annotations: the answers that had been counted against the budget when the model was trained (seed and query,
            including abstentions and rejected seed queries).
        budget: the most annotations that may be bought in all.
        pool: the number of documents that can still be queried.
        figures: the quality of the model.
        kappa: Cohen's kappa with the previous round's model on the stop set; None for round 0.
        accepted: false if the model was rejected, because zero-shot is better by `Figures.compared` or because it has
            not learned.
        seconds: duration of each step of the round, by its name.
        feedback: the number of texts from people's feedback that the model was trained on; they do not count against
            the budget.
        delta_f: the predicted change of F1 from the previous round's model on the stop set; None if it is unknown.
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
    """The record that a person made `model` the current model in place of `previous`; `created_at` is in UTC."""

    model: str
    previous: str | None
    created_at: datetime
