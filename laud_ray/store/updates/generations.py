"""How far the update of each appended generation is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Engine, insert, select

from laud_ray.store.database.connection import read, write
from laud_ray.store.tables import in_utc
from laud_ray.store.updates.tables import change, generations

# appended: its ranges are committed. scored: with the current model. quiet: no test had an alarm. alarm: one had.
# asked: its questions are recorded. proposed: labels for its novel documents are, if there are any. decided: a round
# has learned its answers, and its model was promoted or not.
State = Literal["appended", "scored", "quiet", "alarm", "asked", "proposed", "decided"]
# Those of an update that has more to do.
OPEN: tuple[State, ...] = ("alarm", "asked", "proposed")


@dataclass(frozen=True, slots=True)
class Updated:
    """A generation that was appended, and how far its update is.

    Attributes:
        documents: its rows.
        model: the model that its documents were scored with and noticed by; None before.
    """

    number: int
    source: str
    added: datetime
    documents: int
    state: State
    model: str | None


def updated(engine: Engine) -> list[Updated]:
    """Return the appended generations in order."""
    found = select(generations).order_by(generations.c.number)
    rows = read(engine, lambda connection: connection.execute(found).all())
    return [Updated(r.number, r.source, in_utc(r.added), r.documents, r.state, r.model) for r in rows]


def is_open(engine: Engine) -> bool:
    """Whether an update has more to do, for which answers or decisions of people may be missing."""
    return any(one.state in OPEN for one in updated(engine))


def record(engine: Engine, number: int, source: str, added: datetime, documents: int) -> None:
    """Record a generation whose manifest is committed."""
    row = {"number": number, "source": source, "added": added, "documents": documents, "state": "appended"}
    write(engine, lambda connection: connection.execute(insert(generations), [{**row, "model": None}]))


def advance(engine: Engine, numbers: Iterable[int], state: State, model: str | None = None) -> None:
    """Record how far generations are, and the model, if one is given."""
    write(engine, lambda connection: advance_in(connection, numbers, state, model))


def advance_in(connection: Connection, numbers: Iterable[int], state: State, model: str | None = None) -> None:
    """Like `advance`, in a transaction with other changes."""
    values = {"state": state, **({} if model is None else {"model": model})}
    for number in numbers:
        change(connection, generations, generations.c.number == number, values)
