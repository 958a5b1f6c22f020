"""Decide when a range is set aside because its workers keep dying, and when the whole pass ends. Pure.

A range is not retried without limit, because it may itself kill its workers. If the engines fail on one range after
the other, the pass ends rather than trying every range three times.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

DEATHS = 3  # a name is set aside after this many deaths of its worker while the node stayed alive
ACCIDENTS = 20  # a name is set aside after this many deaths of its worker's node
ROW = 3  # a pass ends after the engines of this many names failed with one error and no name succeeded in between


@dataclass(frozen=True, slots=True)
class Lost:
    """A name that was set aside because its worker, or its worker's node, died `times` times."""

    name: str
    times: int
    reason: str


class Deaths:
    """The deaths of workers in a pass."""

    def __init__(self) -> None:
        self._own, self._accidents = Counter[str](), Counter[str]()
        self._row: set[str] = set()
        self._cause = ""

    def of(self, name: str) -> int:
        """Return how often a name's worker died while its node stayed alive."""
        return self._own[name]

    def add(self, name: str, reason: str, *, own: bool) -> Lost | None:
        """Count a death of a name's worker (`own`) or of its node; return the name as Lost at its limit."""
        count, limit = (self._own, DEATHS) if own else (self._accidents, ACCIDENTS)
        count[name] += 1
        return Lost(name, count[name], reason) if count[name] >= limit else None

    def add_cause(self, name: str, cause: str, *, workers: int) -> bool:
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


def set_aside(lost: Sequence[Lost], ranges: int) -> str:
    """Return one line that names the ranges that were set aside, at most ten for each reason."""
    by_reason: dict[tuple[str, int], list[str]] = {}
    for one in sorted(lost, key=lambda one: one.name):
        by_reason.setdefault((one.reason, one.times), []).append(one.name)
    named = "; ".join(
        f"{', '.join(names[:10])}{f' and {len(names) - 10} more' if len(names) > 10 else ''} ({reason}, {times} times)"
        for (reason, times), names in by_reason.items()
    )
    return (
        f"{len(lost)} of {ranges} ranges were set aside: {named}; the others are committed, "
        "run the same command again to retry these"
    )
