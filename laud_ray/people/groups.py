"""Questions that a run waits for together: those of one purpose, round and attempt, counted by their state.

The run continues once enough of them are answered.
"""

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import ceil

from sqlalchemy import Engine, func, select

from laud_ray.config import PeopleConfig
from laud_ray.people.cost import spent_line
from laud_ray.store import people_tables as tables
from laud_ray.store.database.connection import read

LOOK_EVERY_S = 1.0
ANSWERED, UNANSWERED = ("settled", "used"), ("open", "adjudicate")


@dataclass(frozen=True, slots=True)
class Group:
    """The questions of one purpose, round and attempt, counted by their state."""

    purpose: str
    round: int
    attempt: int
    states: dict[str, int]

    @property
    def asked(self) -> int:
        """How many there are."""
        return sum(self.states.values())

    @property
    def answered(self) -> int:
        return sum(self.states.get(state, 0) for state in ANSWERED)

    @property
    def unanswered(self) -> int:
        return sum(self.states.get(state, 0) for state in UNANSWERED)

    @property
    def taken(self) -> bool:
        """Whether the run has taken all answers."""
        return self.states.get("used", 0) == self.asked

    @property
    def closed(self) -> bool:
        """Whether the round of these queries is closed, so that what is open of them may stay open.

        Only a round's own queries can be left open; of the others the run takes all answers.
        """
        return self.purpose == "query" and self.states.get("used", 0) > 0

    def lacking(self, close_at: float) -> int:
        """Return how many answers are missing until the run continues.

        Args:
            close_at: share of a round's own queries that must be answered; of other questions all must be.
        """
        if self.closed:
            return 0
        return missing(self.asked, self.answered, close_at if self.purpose == "query" else 1.0)


@dataclass(frozen=True, slots=True)
class Awaited:
    """Questions whose answers a run waits for.

    Attributes:
        round: None for every round.
        share: of the questions, those that must be answered.
    """

    purpose: str
    round: int | None
    attempt: int = 1
    share: float = 1.0

    def covers(self, group: Group) -> bool:
        same = (group.purpose, group.attempt) == (self.purpose, self.attempt)
        return same and self.round in (None, group.round)


def missing(asked: int, answered: int, share: float) -> int:
    """Return how many more of the questions must be answered until this share of them is."""
    return max(0, ceil(asked * share - 1e-9) - answered)


def open_line(group: Group) -> str:
    """Say how many questions of a group people have to answer.

    Example:
        "people have 12 of 29 seed questions to answer; 2 of them need an adjudicator"
    """
    kind = f"{group.purpose} questions" if group.purpose != "query" else f"questions of round {group.round}"
    disputed = group.states.get("adjudicate", 0)
    differ = f"; {disputed} of them need{'s' if disputed == 1 else ''} an adjudicator" if disputed else ""
    return f"people have {group.unanswered} of {group.asked} {kind} to answer{differ}"


def groups(engine: Engine) -> list[Group]:
    """Return the questions of a run in groups that the run waits for together, in the order of asking."""
    asked, states = tables.questions.c, tables.question_states.c
    key = (asked.purpose, asked.round, asked.attempt)
    counted = (
        select(*key, states.state, func.count(), func.min(asked.position))
        .join(tables.question_states, states.question == asked.position)
        .group_by(*key, states.state)
    )
    rows = read(engine, lambda connection: connection.execute(counted).all())
    found: dict[tuple[str, int, int], dict[str, int]] = {}
    for purpose, round, attempt, state, n, _ in sorted(rows, key=lambda row: row[-1]):
        found.setdefault((purpose, round, attempt), {})[state] = n
    return [Group(*name, counts) for name, counts in found.items()]


def is_ready(engine: Engine, awaited: Collection[Awaited]) -> bool:
    """Whether some questions that a run waits for have enough answers, which the run has not taken yet."""
    return any(
        one.covers(group) and group.states.get("settled", 0) > 0 and not missing(group.asked, group.answered, one.share)
        for group in groups(engine)
        for one in awaited
    )


def can_continue(found: Iterable[Group], close_at: float) -> bool:
    """Whether a run that waits for people has enough answers of some questions, which it has not taken yet."""
    return any(one.states.get("settled", 0) > 0 and not one.closed and not one.lacking(close_at) for one in found)


def wait_for_answers(engine: Engine, awaited: Collection[Awaited], rules: PeopleConfig) -> bool:
    """Wait until enough of the awaited questions are answered.

    Returns:
        False if no answer can come any more: nothing is open, or the answers have cost as much as they may.
    """
    while not is_ready(engine, awaited):
        if not any(one.unanswered for one in groups(engine)) or spent_line(engine, rules) is not None:
            return False
        time.sleep(LOOK_EVERY_S)
    return True
