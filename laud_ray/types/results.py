"""What is measured: estimates, figures, and what a closed round leaves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


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
