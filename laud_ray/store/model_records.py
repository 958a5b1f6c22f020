"""Read and change the model records of a run: its models, the current one, and promotions by people."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, insert, literal, select, update

from laud_ray.store import tables
from laud_ray.store.database.connection import in_turn, read, write
from laud_ray.store.tables import CHECKSUM, in_utc, now, promotions, put_setting, row_checksum, settings
from laud_ray.types import Promotion

_CURRENT = select(settings.c.value).where(settings.c.key == "current")


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the registry.

    `accepted` is False if it was rejected because zero-shot is better, or because it has learned nothing.
    """

    name: str
    kind: str
    round: int
    accepted: bool
    current: bool
    created_at: datetime


def models(engine: Engine) -> list[Model]:
    """Return the models of all rounds, in the order of the rounds."""
    current = _current(engine)
    found = select(tables.models).order_by(tables.models.c.round, tables.models.c.created_at)
    rows = read(engine, lambda connection: connection.execute(found).all())
    return [Model(r.name, r.kind, r.round, r.accepted, r.name == current, in_utc(r.created_at)) for r in rows]


def promote(engine: Engine, model: str) -> str | None:
    """Make a model current, in one transaction, and return the previous one; None if there was none.

    Promoting the current model again records nothing. A model stays current until another one is promoted, or until a
    round closes with an accepted model.
    """
    values = select(literal(model), _CURRENT.scalar_subquery(), literal(now(), promotions.c.created_at.type))
    # The transaction begins with a write, which waits for other writers, so that it reads the latest state.
    adding = insert(promotions).from_select(["model", "previous", "created_at"], values, include_defaults=False)

    def change(connection: Connection) -> str | None:
        in_turn(connection, "current")
        position = connection.scalar(adding.returning(promotions.c.position))
        this = promotions.c.position == position
        row = connection.execute(select(promotions).where(this)).mappings().one()
        previous: str | None = row["previous"]
        if previous == model:
            connection.execute(promotions.delete().where(this))
        else:
            summed = {CHECKSUM: row_checksum(promotions, dict(row))}
            connection.execute(update(promotions).where(this).values(summed))
            put_setting(connection, "current", model)
        return previous

    return write(engine, change)


def promotion(engine: Engine) -> Promotion | None:
    """Return the promotion that made the current model current; None if no person promoted it."""
    last = select(promotions).order_by(promotions.c.position.desc()).limit(1)
    row = read(engine, lambda connection: connection.execute(last).one_or_none())
    if row is None or row.model != _current(engine):
        return None
    return Promotion(row.model, row.previous, in_utc(row.created_at))


def _current(engine: Engine) -> str | None:
    return read(engine, lambda connection: connection.scalar(_CURRENT))
