"""Progress events of long commands, and how a run ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from laud_ray.types import RoundResult


@dataclass(frozen=True, slots=True)
class Event:
    """An event that an observer may show.

    Attributes:
        kind: a step began, made progress or ended; a round was closed; or a note.
        step: the name of the step.
        round: the number of the round.
        done, total: documents, queries or examples, depending on the step.
        seconds: the duration of a step that ended.
        result: the result of a closed round.
        note: the text of a note.
        errors: documents that a pass could not score; given in its last progress event.
    """

    kind: Literal["begin", "progress", "end", "round", "note"]
    step: str
    round: int
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    result: RoundResult | None = None
    note: str = ""
    errors: int = 0


Observer = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call of `run` ended: finished for the reason given, or waiting for `pending` answers."""

    state: Literal["finished", "waiting"]
    reason: str
    model: str | None
    pending: int = 0
