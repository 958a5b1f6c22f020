"""What updates have added to a run: generations, the evidence of drift, and decisions about models."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from laud_ray.types import Estimate

if TYPE_CHECKING:  # the database is not needed to show what was read from it
    from laud_ray.store.updates.alarms import Alarm
    from laud_ray.store.updates.decisions import Decision
    from laud_ray.store.updates.evidence import Evidence
    from laud_ray.store.updates.generations import Updated

SHOWN = 3


@dataclass(frozen=True, slots=True)
class UpdatesShown:
    """The updates of a run, in order.

    Attributes:
        generations: what was appended.
        evidence: of each test after each generation.
        decisions: about the models that updates trained.
        accuracy: of the current model, by generation; generation 1 is the corpus of the first run.
        is_open: whether an update has more to do.
        proposals: the number of proposed labels that a person must decide about.
        alarm: the last alarm that a decision has not cured, which may be settled since.
    """

    generations: "tuple[Updated, ...]"
    evidence: "tuple[Evidence, ...]"
    decisions: "tuple[Decision, ...]"
    accuracy: Mapping[int, Estimate] = field(default_factory=dict)
    is_open: bool = False
    proposals: int = 0
    alarm: "Alarm | None" = None

    @property
    def needs_person(self) -> bool:
        """Whether a person must decide about an alarm."""
        return self.alarm is not None and self.alarm.settled is None

    def wealth(self, number: int) -> "dict[str, Evidence]":
        """Return the evidence after a generation by test."""
        return {one.test: one for one in self.evidence if one.number == number}

    @property
    def tests(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.test for one in self.evidence))


def updates_json(found: UpdatesShown | None) -> dict[str, object]:
    """Return the keys generations, drift, decisions and alarm of `laud status --json`; times are in ISO 8601, UTC."""
    if found is None:
        return {"generations": [], "drift": [], "decisions": [], "alarm": None}
    return {
        "generations": [
            {
                "number": one.number,
                "source": one.source,
                "added": one.added.isoformat(),
                "documents": one.documents,
                "state": one.state,
                "model": one.model,
            }
            for one in found.generations
        ],
        "drift": [
            {"generation": one.number, "test": one.test, "log_wealth": one.log_wealth, "alarm": one.alarm}
            for one in found.evidence
        ],
        "decisions": [
            {
                "generation": one.generation,
                "round": one.round,
                "model": one.model,
                "verdict": one.verdict,
                "words": one.words,
                "at": one.created_at.isoformat(),
            }
            for one in found.decisions
        ],
        "alarm": None if found.alarm is None else {"open": found.needs_person, **asdict(found.alarm)},
    }


def update_lines(found: UpdatesShown) -> list[tuple[str, str]]:
    """Return rows for the terminal: the last generations, and the last decision."""
    rows = []
    for one in found.generations[-SHOWN:]:
        tests = found.wealth(one.number).values()
        wealth = ", ".join(f"{test.test} {test.log_wealth:.1f}{' (alarm)' if test.alarm else ''}" for test in tests)
        told = f"; evidence: {wealth}" if wealth else ""
        said = f"{one.number}: {one.documents:,} documents of {one.source}, {one.state}{told}"
        rows.append(("generation", said))
    if found.decisions:
        last = found.decisions[-1]
        rows.append(("decision", f"{last.model}, generation {last.generation}: {last.words}"))
    if found.alarm is not None and found.needs_person:
        rows.append(("alarm", f"{found.alarm.words}; a person must decide"))
    elif found.alarm is not None:
        numbers = ", ".join(map(str, found.alarm.generations))
        rows.append(("alarm", f"that of generation {numbers} is settled: {found.alarm.settled}"))
    return rows
