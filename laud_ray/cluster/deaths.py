"""When names whose workers died again and again are set aside, and when all work ends. Pure.

A range is not tried for ever: it may itself be what its workers die of. Nor is every range tried three times with an
engine that works on none.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

DEATHS = 3  # of its own worker, before a name is set aside
ACCIDENTS = 20  # of its worker's node, before a name is set aside
ROW = 3  # names whose engines failed in the same way with none done in between, before all work ends


@dataclass(frozen=True, slots=True)
class Lost:
    """A name that was set aside: its worker, or its worker's node, died that many times."""

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
        """How many workers of its own a name has had that died."""
        return self._own[name]

    def add(self, name: str, reason: str, *, own: bool) -> Lost | None:
        """Count a death of the name's worker, or of its node where that is not `own`; return the name if it is lost."""
        count, limit = (self._own, DEATHS) if own else (self._accidents, ACCIDENTS)
        count[name] += 1
        return Lost(name, count[name], reason) if count[name] >= limit else None

    def add_cause(self, name: str, cause: str, *, workers: int) -> bool:
        """Note the error that a name's engine ended with; return whether no engine can be expected to work.

        Args:
            workers: how many there are: each may have an engine that is broken by its own surroundings.
        """
        kind = re.sub(r"\d+", "0", cause)
        if kind != self._cause:
            self._row.clear()
        self._cause = kind
        self._row.add(name)
        return len(self._row) >= max(ROW, workers)

    def done(self) -> None:
        """Note that a name was done: the engines work."""
        self._row.clear()


def set_aside(lost: Sequence[Lost], ranges: int) -> str:
    """Name the ranges that were set aside, at most ten of each reason, in one line."""
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
