"""Call for a person while an alarm is not settled, and settle it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from laud_ray.errors import RunError
from laud_ray.steps.work import Work
from laud_ray.store.database.connection import write
from laud_ray.store.run import claim, existing
from laud_ray.store.store import Store
from laud_ray.store.tables import put_setting
from laud_ray.store.updates import alarms, evidence
from laud_ray.store.updates.alarms import Alarm
from laud_ray.store.updates.decisions import Verdict
from laud_ray.store.updates.evidence import BASE, Base, base_setting
from laud_ray.store.updates.generations import OPEN, advance_in, updated
from laud_ray.types import RoundResult
from laud_ray.update.open_run import Current, sampled_in


def now() -> str:
    """Return the time as the store has it: ISO, in UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def left_by(
    work: Work,
    current: Current,
    result: RoundResult,
    verdict: Verdict,
    words: str,
    numbers: Sequence[int],
    lower: float | None,
) -> Alarm | None:
    """Return the alarm that a decision leaves to a person; None if it has cured it.

    Another model than the one that raised it cures it, which is promoted now or was made current since, such as by
    `laud run` after labels were changed; and so does an accuracy on new documents that is shown to be at least
    `update.floor`. If a floor is set, the accuracy of another model must reach it too.

    Args:
        work: the run.
        current: the model before the decision.
        result: of the round that the decision is about.
        verdict: whether its model becomes current.
        words: the reason.
        numbers: the generations with the alarm.
        lower: a bound below the accuracy of the model that is current now on their documents; None without answers.
    """
    floor = work.config.update.floor
    raised_by = {one.model for one in updated(work.store.engine) if one.number in numbers}
    replaced = verdict == "promote" or current.name not in raised_by
    if is_above(lower, floor) or (replaced and floor is None):
        return None
    told = [one for one in evidence.evidence(work.store.engine) if one.number in numbers and one.alarm]
    tests = tuple(dict.fromkeys(one.test for one in told))
    below = "" if floor is None else f"; {below_line(lower, floor)}"
    if verdict == "promote":
        said = f"{named(numbers)} raised an alarm ({' and '.join(tests)}), for which {result.model} was promoted{below}"
        return Alarm(tuple(numbers), tests, result.model, now(), said)
    rows = {one.document_id for one in sampled_in(work, numbers)}
    asked = [one for one in work.store.queries("evaluation") if one.query.document.id in rows and one.answered]
    without = sum(one.label is None for one in asked)
    lacks = f"; {without} of {len(asked)} random new documents have no label" if without else ""
    said = (
        f"{named(numbers)} raised an alarm ({' and '.join(tests)}), and the current model is still {current.name}: "
        f"{result.model} was kept back ({words.removeprefix('keep: ')}){lacks}{below}"
    )
    addable = without > 0 and work.task.kind == "multiclass" and work.task.taxonomy is None
    return Alarm(tuple(numbers), tests, current.name, now(), said, result.model, addable)


def is_above(lower: float | None, floor: float | None) -> bool:
    """Whether an accuracy is shown not to be below the floor, if there is one."""
    return floor is not None and lower is not None and lower >= floor


def below_line(lower: float | None, floor: float) -> str:
    """Say that an accuracy may be below the floor."""
    said = "is not known" if lower is None else f"may be {lower:.1%}"
    return f"accuracy on new documents {said}, below update.floor: {floor:g}; more annotations would help"


def acknowledge(path: str) -> str:
    """Settle the alarm of a run, because a person decided that its current model stays; return one line.

    If nothing is asked after an alarm, because `update.annotations` is 0, the generations with one are closed too:
    later ones are compared with all documents until then.

    Raises:
        RunError: if there is no such run, or an update has more to do.
    """
    with claim(existing(path)) as run:
        place, store = run.folder.uri, run.store
        open = [one for one in updated(store.engine) if one.state in OPEN]
        if open and (run.config.update.annotations or any(one.state != "alarm" for one in open)):
            raise RunError(
                f"{place}: an update has more to do; expected one that has ended "
                f"(`laud update {place}` goes on with it)"
            )
        said = []
        if open:
            close_unasked(store)
            said = [f"the alarm of {named([one.number for one in open])}"]
        if (found := alarms.open_alarm(store)) is not None:
            alarms.settle(store, found, f"acknowledged on {now()}")
            said.append(f"the alarm of {named(found.generations)}")
        current = store.setting("current")
        return (
            f"{place}: {' and '.join(said)} is settled; {current} stays current"
            if said
            else f"{place}: no alarm is open"
        )


def close_unasked(store: Store) -> None:
    """Close the generations with an alarm after which nothing is asked; later ones are compared with all until then."""
    known = updated(store.engine)
    numbers = [one.number for one in known if one.state in OPEN]
    last = max(one.number for one in known if one.state not in ("appended", "scored"))
    model = store.setting("current")
    assert model is not None, "an alarm was noticed by a model"
    base = Base(last, model, now())

    def record(connection: Connection) -> None:
        advance_in(connection, numbers, "decided")
        put_setting(connection, BASE, base_setting(base))

    write(store.engine, record)


def named(numbers: Sequence[int]) -> str:
    """Return the words for some generations.

    Example:
        >>> named([2]), named([2, 3])
        ('generation 2', 'generations 2, 3')
    """
    return f"generation{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"
