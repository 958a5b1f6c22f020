"""The evidence that the tests have gathered after each generation, and what they compare with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine, insert, select

from laud_ray.store.database.connection import read, write
from laud_ray.store.tables import put_setting
from laud_ray.store.updates.generations import State, advance_in
from laud_ray.store.updates.tables import watch

# The setting with the `Base` of the tests.
BASE = "watch"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The state of a test after a generation.

    Attributes:
        number: of the generation.
        log_wealth: natural logarithm of what a bet against "nothing has changed" has become, from 0.
        state: of the test, for the next generation.
        alarm: whether it is enough.
    """

    number: int
    test: str
    log_wealth: float
    state: str
    alarm: bool


@dataclass(frozen=True, slots=True)
class Base:
    """What the documents of later generations are compared with: all documents up to a generation, by one model.

    Attributes:
        generation: the last generation before the tests began.
        model: the model whose labels, confidences and vectors are compared.
        since: when the tests began, as an ISO time in UTC.
    """

    generation: int
    model: str
    since: str


def evidence(engine: Engine) -> list[Evidence]:
    """Return the evidence after every generation, in order."""
    found = select(watch).order_by(watch.c.position)
    rows = read(engine, lambda connection: connection.execute(found).all())
    return [Evidence(r.number, r.test, r.log_wealth, r.state, r.alarm) for r in rows]


def record(engine: Engine, found: Sequence[Evidence], state: State, settings: Mapping[str, str]) -> None:
    """Record the evidence after a generation, how far its update is, and settings, in one transaction."""

    def add(connection: Connection) -> None:
        connection.execute(insert(watch), [asdict(one) for one in found])
        advance_in(connection, {one.number for one in found}, state)
        for key, value in settings.items():
            put_setting(connection, key, value)

    write(engine, add)


def base(setting: str | None) -> Base | None:
    """Read the setting BASE; None if nothing was noticed since the run began."""
    return None if setting is None else Base(**json.loads(setting))


def base_setting(found: Base) -> str:
    """Return the text of the setting BASE."""
    return json.dumps(asdict(found))
