"""Decisions about the models that updates trained."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Engine, insert, select

from laud_ray.store.database.connection import read
from laud_ray.store.tables import in_utc, now
from laud_ray.store.updates.tables import decisions

Verdict = Literal["promote", "keep"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a round's model was made current.

    Attributes:
        generation: the last generation that the update was about.
        words: the figures and the reason, as one sentence.
    """

    generation: int
    round: int
    model: str
    verdict: Verdict
    words: str
    created_at: datetime


def decided(engine: Engine) -> list[Decision]:
    """Return the decisions in order."""
    found = select(decisions).order_by(decisions.c.position)
    rows = read(engine, lambda connection: connection.execute(found).all())
    return [Decision(r.generation, r.round, r.model, r.verdict, r.words, in_utc(r.created_at)) for r in rows]


def add_in(connection: Connection, generation: int, round: int, model: str, verdict: Verdict, words: str) -> None:
    """Record a decision, in the transaction that closes its round."""
    row = {"generation": generation, "round": round, "model": model, "verdict": verdict, "words": words}
    connection.execute(insert(decisions), [{**row, "created_at": now()}])
