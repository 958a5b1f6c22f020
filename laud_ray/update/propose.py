"""Proposed labels for novel documents, which a person accepts, merges or refuses."""

from dataclasses import dataclass

from sqlalchemy import func, select

from laud_ray.steps.work import Work
from laud_ray.store.database.connection import read
from laud_ray.store.updates.tables import proposals


@dataclass(frozen=True, slots=True)
class Proposed:
    """Open proposals in words, and the commands by which a person decides about them."""

    words: str
    commands: tuple[str, ...]


def open_proposals(work: Work) -> Proposed | None:
    """Return the proposals that no person has decided about; None if there are none."""
    counted = select(func.count()).select_from(proposals).where(proposals.c.state == "open")
    n = read(work.store.engine, lambda connection: connection.scalar(counted)) or 0
    if not n:
        return None
    place = work.run.folder.uri
    said = "1 label is proposed" if n == 1 else f"{n} labels are proposed"
    return Proposed(f"{said} for novel documents, and a person must decide", (f"laud labels {place}",))
