"""Statistics of each human annotator: accuracy, speed, agreement with others, and confused labels. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.quality.anchoring import Anchoring
from laud_ray.quality.one_coin import Given, one_coin
from laud_ray.quality.raters import Agreement, Confused, most_confused
from laud_ray.quality.sets import replaced
from laud_ray.types import Estimate

# Consecutive answers in less active time than this were probably given without reading the text.
FAST_S = 1.0
FAST_IN_A_ROW = 5


@dataclass(frozen=True, slots=True)
class PersonVote:
    """A person's answer that counts.

    Attributes:
        label: None for "unsure" and "none fits".
        settled: the label that the question was settled on; None while it is open, or for an abstention.
        compared: whether the answer may be compared with others': the question is of the random share that two people
            answer, or a gold question. Others are answered twice because the first answer was in doubt, so agreement
            on them is lower than on all.
        gold: the established label, of a gold question.
        established: the label that an adjudicator gave, whether or not the person knew the question before.
    """

    document: str
    person: str
    label: str | None
    seconds: float | None
    settled: str | None = None
    compared: bool = False
    gold: str | None = None
    established: str | None = None


@dataclass(frozen=True, slots=True)
class Annotator:
    """A person who answers.

    Attributes:
        answers: votes that count; `unsure` of them name no label.
        accuracy: from gold questions, and from the random share that two people answer; None where there are neither.
        gold: gold questions answered, `gold_right` of them rightly.
        seconds: the median active time of an answer; None where no time is known.
        dollars: what all answers cost.
        fast: the longest row of answers in under a second each.
        confused: pairs of labels: the person's, and the one that the question was settled on.
    """

    name: str
    answers: int
    unsure: int
    accuracy: Estimate | None
    gold: int
    gold_right: int
    seconds: float | None
    dollars: float
    fast: int
    confused: tuple[Confused, ...]

    @property
    def hurried(self) -> bool:
        """Whether many consecutive answers took under a second each, so that the texts were probably not read."""
        return self.fast >= FAST_IN_A_ROW


@dataclass(frozen=True, slots=True)
class PeopleFigures:
    """The statistics of all human annotators of a run.

    Attributes:
        open, disputed, done: numbers of questions: to be answered, waiting for an adjudicator, and answered.
        votes: the votes that count; `late` of them came after their question was settled.
        anchoring: what suggestions do; None where no answer was given with, or without, one.
        agreement: of the questions that two people answer, drawn at random; None where there are none.
        dollars: what all votes cost, those too that were taken back.
    """

    open: int
    disputed: int
    done: int
    votes: int
    late: int
    annotators: tuple[Annotator, ...]
    anchoring: Anchoring | None
    agreement: Agreement | None
    dollars: float


def annotators(
    votes: Sequence[PersonVote], classes: int, hourly: float = 0.0, *, multilabel: bool = False
) -> tuple[Annotator, ...]:
    """Return the statistics of all annotators, the most active first.

    Args:
        votes: in the order in which they were given.
        classes: k, how many labels there are.
        hourly: dollars for an hour of active time.
        multilabel: whether labels are text forms of sets of labels.
    """
    accuracy = accuracies(votes, classes)
    by_person: dict[str, list[PersonVote]] = {}
    for one in votes:
        by_person.setdefault(one.person, []).append(one)
    found = [_describe(name, ones, accuracy.get(name), hourly, multilabel) for name, ones in by_person.items()]
    return tuple(sorted(found, key=lambda one: (-one.answers, one.name)))


def accuracies(votes: Sequence[PersonVote], classes: int) -> dict[str, Estimate]:
    """Estimate the accuracy of each person from comparable answers; a person without any is left out.

    See `one_coin`.
    """
    compared = [one for one in votes if one.compared and one.label is not None]
    gold = {one.document: right for one in compared if (right := one.gold or one.established) is not None}
    found = one_coin([Given(one.document, one.person, str(one.label)) for one in compared], classes, gold)
    return {name: one for name, one in found.accuracy.items() if one.n}


def _describe(
    name: str, votes: Sequence[PersonVote], accuracy: Estimate | None, hourly: float, multilabel: bool
) -> Annotator:
    times = [one.seconds for one in votes if one.seconds is not None]
    gold = [one for one in votes if one.gold is not None]
    return Annotator(
        name,
        len(votes),
        sum(one.label is None for one in votes),
        accuracy,
        len(gold),
        sum(one.label == one.gold for one in gold),
        float(np.median(times)) if times else None,
        sum(times) * hourly / 3600,
        _longest_row(times),
        _confused(votes, multilabel),
    )


def _longest_row(times: Sequence[float]) -> int:
    longest = row = 0
    for one in times:
        row = row + 1 if one < FAST_S else 0
        longest = max(longest, row)
    return longest


def _confused(votes: Sequence[PersonVote], multilabel: bool) -> tuple[Confused, ...]:
    answers = [
        (one.label, right) for one in votes if one.label is not None and (right := one.gold or one.settled) is not None
    ]
    return most_confused(pair for one in answers for pair in (replaced(*one) if multilabel else [one]))
