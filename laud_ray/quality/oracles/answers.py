"""An oracle's answers, and what they come to. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

# `label`: it gave one. `unsure`: it said that it does not know. `below`: its confidence is below its threshold.
# `unread`: its reply could not be parsed. `refused`: it gave no reply to this document. `abstained`: the reason is not
# known, as for an oracle that replays a column.
Outcome: TypeAlias = Literal["label", "unsure", "below", "unread", "refused", "abstained"]


@dataclass(frozen=True, slots=True)
class Reply:
    """An oracle's final answer about a document, after all its votes and retries.

    Attributes:
        label: None for an abstention.
        leaning: the label that it named, also where its confidence is below its threshold; else as `label`.
        confidence: in [0, 1]; None if it gives none.
        dollars: the price of all calls, or of the time of all people; None if unknown.
        seconds: the latency of all calls together, or the active time of all people; None if unknown.
        random: whether the document is of the evaluation sample, which is drawn at random; the others are selected.
        attempt: 1 for the first question about the document; 2 or more where it was asked about again.
    """

    document_id: str
    label: str | None
    leaning: str | None
    outcome: Outcome
    confidence: float | None = None
    dollars: float | None = None
    seconds: float | None = None
    random: bool = False
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Counts:
    """How many answers an oracle gave.

    Attributes:
        answers: labels and abstentions.
        labels: those with a label.
        abstained: abstentions by their reason, the most frequent first.
        random: answers about documents of the evaluation sample; the others were selected.
        again: answers about documents that had an answer before.
    """

    answers: int
    labels: int
    abstained: Mapping[str, int]
    random: int
    again: int


def count(replies: Sequence[Reply]) -> Counts:
    """Count answers by their outcome."""
    outcomes = Counter(one.outcome for one in replies)
    labels = outcomes.pop("label", 0)
    return Counts(
        answers=len(replies),
        labels=labels,
        abstained={str(name): n for name, n in sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))},
        random=sum(one.random for one in replies),
        again=sum(one.attempt > 1 for one in replies),
    )
