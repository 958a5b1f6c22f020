"""Questions about documents whose answers a change of the taxonomy made unclear, and their answers."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine, insert, select

from laud_ray.store.database.connection import read, write
from laud_ray.store.people_tables import questions
from laud_ray.store.tables import now, put_setting
from laud_ray.store.versions.record import History
from laud_ray.store.versions.tables import renewed_answers, renewed_queries
from laud_ray.types import Annotation

# The setting with the number of questions that were recorded before a round's queries.
KEY = "asked again with the queries of round {}"


@dataclass(frozen=True, slots=True)
class Renewal:
    """The last question about a document that an earlier version of the taxonomy had an answer to.

    Attributes:
        version: of the taxonomy that made the earlier answer unclear, and of the label.
        answered: False while the answer is pending.
        label: the answer; None if it is pending or an abstention.
        oracle: the oracle that answered; None while the answer is pending.
    """

    version: int
    answered: bool
    label: str | None
    oracle: str | None


def pending(engine: Engine, versions: History | None) -> dict[str, int]:
    """Return the version of each document's last renewed question that is not answered, by document id."""
    return {name: one.version for name, one in renewals(engine, versions).items() if not one.answered}


def shown(engine: Engine, versions: History | None) -> set[str]:
    """Return the documents with a renewed question that people were asked, and whose answer is not recorded."""
    asked = select(questions.c.document_id, questions.c.attempt).where(questions.c.attempt < 0)
    rows = read(engine, lambda connection: connection.execute(asked).all())
    open_ = pending(engine, versions)
    return {name for name, attempt in rows if open_.get(name) == -attempt}


def renewals(engine: Engine, versions: History | None) -> dict[str, Renewal]:
    """Return the last renewed question about each document that has one, by document id; none without a change."""
    if versions is None:
        return {}
    asked, said = renewed_queries.c, renewed_answers.c
    joined = renewed_queries.outerjoin(
        renewed_answers, (asked.document_id == said.document_id) & (asked.version == said.version)
    )
    found = select(asked.document_id, asked.version, said.position, said.label, said.oracle).select_from(joined)
    rows = read(engine, lambda connection: connection.execute(found.order_by(asked.version)).all())
    return {name: Renewal(version, answer is not None, label, oracle) for name, version, answer, label, oracle in rows}


def record(engine: Engine, version: int, round: int, documents: Sequence[str]) -> None:
    """Record questions about training documents before a round's queries, all or none; once for each round."""
    rows = [{"document_id": name, "version": version, "created_at": now()} for name in documents]

    def ask(connection: Connection) -> None:
        if rows:
            connection.execute(insert(renewed_queries), rows)
        put_setting(connection, KEY.format(round), str(len(rows)))

    write(engine, ask)


def recorded(setting: str | None) -> int:
    """Return the number in the setting KEY."""
    return int(setting or 0)


def add(connection: Connection, version: int, new: Sequence[Annotation], open_: Collection[str]) -> list[Annotation]:
    """Record answers about documents with an open question; return the other answers."""
    rows = [{**asdict(one), "version": version, "created_at": now()} for one in new if one.document_id in open_]
    if rows:
        connection.execute(insert(renewed_answers), rows)
    return [one for one in new if one.document_id not in open_]
