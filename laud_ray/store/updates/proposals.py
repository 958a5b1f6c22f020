"""Labels that are proposed for clusters of novel documents, and what a person decided about them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy import Connection, Engine, RowMapping, insert, select

from laud_ray.errors import RunError
from laud_ray.store.database.connection import read, write
from laud_ray.store.store import Store
from laud_ray.store.tables import put_setting, settings
from laud_ray.store.updates.tables import change, proposals

State: TypeAlias = Literal["open", "accepted", "merged", "refused"]
# The setting with the number of clusters of a generation.
MADE = "proposals of generation {}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of novel documents.

    Attributes:
        name: the proposed name of a label.
        fits: the known label that fits; None if none does, or it is not known.
        texts: its most central texts, the most central one first.
        size: the number of documents of its generation that belong to it; an estimate if only some were looked at.
        low, high: the 95 % interval of the size; both are the size if all novel documents were looked at.
    """

    name: str
    fits: str | None
    texts: tuple[str, ...]
    size: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Proposed:
    """A cluster with its number in the run, which never changes, and what was decided about it.

    Attributes:
        label: that it was accepted as, or merged into.
    """

    number: int
    generation: int
    cluster: Cluster
    state: State
    label: str | None


def of_generation(engine: Engine, generation: int) -> list[Proposed]:
    """Return the proposals of a generation, in the order of their numbers."""
    return [one for one in every(engine) if one.generation == generation]


def every(engine: Engine) -> list[Proposed]:
    """Return all proposals, in the order of their numbers."""
    found = select(proposals).order_by(proposals.c.position)
    return [_read(row) for row in read(engine, lambda connection: connection.execute(found).mappings().all())]


def undecided(engine: Engine) -> list[Proposed]:
    """Return the proposals that no person has decided about, in the order of their numbers."""
    return [one for one in every(engine) if one.state == "open"]


def find(engine: Engine, number: int) -> Proposed:
    """Return a proposal.

    Raises:
        RunError: if there is none with this number.
    """
    known = every(engine)
    found = next((one for one in known if one.number == number), None)
    if found is None:
        numbers = ", ".join(str(one.number) for one in known) or "none: nothing was proposed yet"
        raise RunError(f"proposal {number}: is unknown; expected one of {numbers}")
    return found


def was_made(store: Store, generation: int) -> bool:
    """Whether the clusters of a generation are recorded, if there were any."""
    return store.setting(MADE.format(generation)) is not None


def add(engine: Engine, generation: int, clusters: Sequence[Cluster]) -> None:
    """Record the clusters of a generation, and that they are made, in one transaction; once for each generation."""
    rows = [
        {
            "generation": generation,
            "cluster": number,
            "name": one.name,
            "fits": one.fits,
            "texts": json.dumps({"texts": one.texts, "interval": [one.low, one.high]}, ensure_ascii=False),
            "size": one.size,
            "state": "open",
        }
        for number, one in enumerate(clusters, 1)
    ]

    def record(connection: Connection) -> None:
        key = MADE.format(generation)
        if connection.scalar(select(settings.c.value).where(settings.c.key == key)) is None:
            put_setting(connection, key, str(len(rows)))
            if rows:
                connection.execute(insert(proposals), rows)

    write(engine, record)


def decide(connection: Connection, number: int, state: State, label: str | None = None) -> None:
    """Record what a person decided about a proposal."""
    change(connection, proposals, proposals.c.position == number, {"state": state, "label": label})


def _read(row: RowMapping) -> Proposed:
    stored = json.loads(row["texts"])
    low, high = stored["interval"]
    found = Cluster(row["name"], row["fits"], tuple(stored["texts"]), row["size"], low, high)
    return Proposed(row["position"], row["generation"], found, row["state"], row["label"])
