"""What a long command tells whoever watches it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from laud_ray.types import RoundResult


@dataclass(frozen=True, slots=True)
class Event:
    """Something that an observer may show: a step began, moved on, or ended, a round was closed, or a note.

    done and total count documents, queries or examples, as fits the step; errors, the documents that a pass could not
    score, are in its last progress.
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
