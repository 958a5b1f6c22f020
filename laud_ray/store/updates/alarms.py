"""The alarm about which a person must decide, because the last update's decision has not cured it."""

import json
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection

from laud_ray.store.store import Store
from laud_ray.store.tables import put_setting

# The setting with the last alarm that a decision has not cured.
ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that an update's decision has not cured.

    Attributes:
        generations: the new documents that it is about.
        tests: those that raised it.
        model: the current model after the decision, which raised the alarm or may be below the floor.
        since: when the decision was made, as an ISO time in UTC.
        words: what was found, as one sentence.
        kept: the model that was kept back; None if one was promoted.
        lacks_label: whether the oracle has no label for some of the documents, and labels may be added.
        settled: why no person is needed any more; None while one is.
    """

    generations: tuple[int, ...]
    tests: tuple[str, ...]
    model: str
    since: str
    words: str
    kept: str | None = None
    lacks_label: bool = False
    settled: str | None = None

    def commands(self, run: str) -> tuple[str, ...]:
        """Return what a person may type for a run: one of these settles the alarm."""
        label = (f"laud labels {run} add NAME && laud run {run}/config.yaml",) if self.lacks_label else ()
        promote = () if self.kept is None else (f"laud promote {run} {self.kept}",)
        return (*label, *promote, f"laud update {run} --acknowledge")


def last(store: Store) -> Alarm | None:
    """Return the last alarm that was not cured by a decision; it is settled once another model is current."""
    text = store.setting(ALARM)
    if not text:
        return None
    told = json.loads(text)
    found = Alarm(**{**told, "generations": tuple(told["generations"]), "tests": tuple(told["tests"])})
    current = store.setting("current")
    if found.settled is None and current != found.model:
        return replace(found, settled=f"{current} became current")
    return found


def open_alarm(store: Store) -> Alarm | None:
    """Return the alarm about which a person must decide; None if there is none, or it is settled."""
    found = last(store)
    return found if found is not None and found.settled is None else None


def put_in(connection: Connection, alarm: Alarm | None) -> None:
    """Record the alarm that a decision leaves, if it leaves one, in the transaction of the decision."""
    put_setting(connection, ALARM, "" if alarm is None else json.dumps(asdict(alarm)))


def settle(store: Store, alarm: Alarm, why: str) -> None:
    """Record why no person is needed for an alarm any more."""
    store.set(ALARM, json.dumps(asdict(replace(alarm, settled=why))))
