"""What the answers of people have cost, and whether more may be bought. Active time counts, by the hour."""

from collections.abc import Collection

from sqlalchemy import Connection, Engine, func, select

from laud_ray.config import PeopleConfig
from laud_ray.errors import RunError
from laud_ray.people.recorded import parts
from laud_ray.store.database.connection import read
from laud_ray.store.people_tables import votes

_SECONDS = select(func.sum(votes.c.seconds))


def spent(engine: Engine, hourly: float) -> float:
    """Return the dollars that all votes have cost so far, those taken back or late included."""
    return read(engine, lambda connection: spent_in(connection, hourly))


def spent_in(connection: Connection, hourly: float) -> float:
    """Do what `spent` does, within a transaction of the caller's."""
    return float(connection.scalar(_SECONDS) or 0.0) * hourly / 3600 if hourly else 0.0


def cost_of(engine: Engine, numbers: Collection[int], hourly: float) -> dict[int, float]:
    """Return the dollars that the votes on questions cost, by question, at `hourly` dollars for an hour of active time.

    Every vote counts, including those that were taken back or came late; a vote without a time costs nothing.
    """
    if not hourly:
        return {}
    found: dict[int, float] = {}
    for part in parts(list(numbers)):
        each = select(votes.c.question, func.sum(votes.c.seconds)).where(votes.c.question.in_(part))
        rows = read(engine, lambda connection: connection.execute(each.group_by(votes.c.question)).all())  # noqa: B023
        found |= {number: float(seconds or 0.0) * hourly / 3600 for number, seconds in rows}
    return found


def is_spent_in(connection: Connection, rules: PeopleConfig) -> bool:
    """Whether the votes have cost as much as they may; no more questions are handed out then."""
    return rules.max_dollars is not None and spent_in(connection, rules.hourly) >= rules.max_dollars


def spent_line(engine: Engine, rules: PeopleConfig | None) -> str | None:
    """Say that the votes have cost as much as they may, and how to go on; None if they may cost more."""
    if rules is None or rules.max_dollars is None or (dollars := spent(engine, rules.hourly)) < rules.max_dollars:
        return None
    return (
        f"the answers of people have cost ${dollars:,.2f} of max_dollars: {rules.max_dollars:g}, so nobody gets "
        "another question; expected a higher max_dollars in the configuration, and then the same command again"
    )


def require_unspent(engine: Engine, rules: PeopleConfig, where: str) -> None:
    """Refuse to hand out more questions once the votes have cost as much as they may.

    Args:
        where: the run, for the message.

    Raises:
        RunError: if they have.
    """
    if (line := spent_line(engine, rules)) is not None:
        raise RunError(f"{where}: {line}")
