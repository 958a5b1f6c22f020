"""Decide when a range is set aside because its workers keep dying, and when the whole pass ends. Pure.

A range is not retried without limit, because it may itself kill its workers. If the engines fail on one range after
the other, the pass ends rather than trying every range three times.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

DEATHS = 3  # a name is set aside after this many deaths of its worker while the node stayed alive
ACCIDENTS = 20  # a name is set aside after this many deaths of its worker's node
ROW = 3  # a pass ends after the engines of this many names failed with one error and no name succeeded in between


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The work of a name is done; `value` is its return value."""

    name: str
    value: T


@dataclass(frozen=True, slots=True)
class Lost:
    """A name that was set aside because its worker, or its worker's node, died `times` times."""

    name: str
    times: int
    reason: str


class BrokenEngines:
    """The names whose engines failed since a name was last done."""

    def __init__(self) -> None:
        self._row: set[str] = set()
        self._cause = ""

    def add(self, name: str, cause: str, *, workers: int) -> bool:
        """Record the error with which a name's engine ended; return whether the pass should end.

        Args:
            workers: the number of workers. Each may have an engine that fails for a local reason, so at least that
                many names must fail in a row.
        """
        kind = re.sub(r"\d+", "0", cause)
        if kind != self._cause:
            self._row.clear()
        self._cause = kind
        self._row.add(name)
        return len(self._row) >= max(ROW, workers)

    def done(self) -> None:
        """Record a success, which shows that the engines work."""
        self._row.clear()


def set_aside(lost: Sequence[Lost], total: int, *, what: str = "ranges", committed: bool = True) -> str:
    """Return one line that names the ranges that were set aside, at most ten for each reason.

    Args:
        lost: the names.
        total: the number of all names.
        what: what the names are, in the plural.
        committed: whether the other names are kept when the command ends.
    """
    by_reason: dict[tuple[str, int], list[str]] = {}
    for one in sorted(lost, key=lambda one: one.name):
        by_reason.setdefault((one.reason, one.times), []).append(one.name)
    named = "; ".join(
        f"{', '.join(names[:10])}{f' and {len(names) - 10} more' if len(names) > 10 else ''} ({reason}, {times} times)"
        for (reason, times), names in by_reason.items()
    )
    way_on = "the others are committed, run the same command again to retry these"
    return (
        f"{len(lost)} of {total} {what} were set aside: {named}; "
        f"{way_on if committed else 'run the same command again to retry'}"
    )
