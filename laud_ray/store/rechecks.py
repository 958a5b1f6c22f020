"""Record second questions about documents, and their answers. Like queries and annotations, they are only added.

A question is recorded before an oracle is asked, and an answer as soon as it arrives, so after a crash the open
questions are exactly those without an answer. There are two kinds: documents of the evaluation sample are asked about
again to measure how good the first answers are, all other documents to audit training labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, insert, select

from laud_ray.quality.aggregation import MODEL, Opinion
from laud_ray.store.database.connection import read, write
from laud_ray.store.tables import annotations, now, queries, second_answers, second_queries
from laud_ray.store.versions.record import History, history
from laud_ray.store.versions.renewals import renewals
from laud_ray.types import Annotation, Document

FIRST_ATTEMPT = 2
AGAIN = ", asked again"
# Every second question, joined with the document's first question and with its own answer, if there is one.
_QUESTIONS = second_queries.join(queries, second_queries.c.document_id == queries.c.document_id).outerjoin(
    second_answers,
    (second_queries.c.document_id == second_answers.c.document_id)
    & (second_queries.c.attempt == second_answers.c.attempt),
)
_SAMPLED = queries.c.purpose == "evaluation"


@dataclass(frozen=True, slots=True)
class SecondQuery:
    """A document to ask about again.

    Attributes:
        attempt: 2 for the second question about the document, and so on.
        reason: why it is asked about again, for people.
        predicted: the prediction of a model that was not trained on the document's first answer; None if there is none.
    """

    document: Document
    attempt: int
    reason: str
    predicted: str | None = None


def record(engine: Engine, round: int, new: Sequence[SecondQuery]) -> None:
    """Record questions, all or none.

    Raises:
        sqlalchemy.exc.IntegrityError: if a question has been recorded before with the same document and attempt.
    """
    rows = [
        {
            "document_id": one.document.id,
            "attempt": one.attempt,
            "round": round,
            "reason": one.reason,
            "predicted": one.predicted,
            "created_at": now(),
        }
        for one in new
    ]
    if rows:
        write(engine, lambda connection: connection.execute(insert(second_queries), rows))


def pending(engine: Engine, round: int | None = None) -> list[SecondQuery]:
    """Return the audit questions without an answer, of one round or of all rounds, in the order of asking."""
    return _open(engine, ~_SAMPLED, *([] if round is None else [second_queries.c.round == round]))


def pending_trusted(engine: Engine) -> list[SecondQuery]:
    """Return the questions about the evaluation sample without a trusted answer, in the order of asking."""
    return _open(engine, _SAMPLED)


def trusted_answers(engine: Engine) -> dict[str, str | None]:
    """Return the trusted oracle's labels by document id; None if it abstained or has not answered yet."""
    asked, answers = second_queries.c, second_answers.c
    found = select(asked.document_id, answers.label, answers.position).select_from(_QUESTIONS).where(_SAMPLED)
    rows = read(engine, lambda connection: connection.execute(found.order_by(asked.position)).all())
    versions = history(engine)
    return {row.document_id: _carried(versions, row.label, "second_answers", row.position) for row in rows}


def _open(engine: Engine, *which: ColumnElement[bool]) -> list[SecondQuery]:
    asked, answers = second_queries.c, second_answers.c
    found = (
        select(asked.document_id, queries.c.text, asked.attempt, asked.reason, asked.predicted)
        .select_from(_QUESTIONS)
        .where(answers.position.is_(None), *which)
        .order_by(asked.position)
    )
    rows = read(engine, lambda connection: connection.execute(found).all())
    return [SecondQuery(Document(r.document_id, r.text), r.attempt, r.reason, r.predicted) for r in rows]


def asked_in(engine: Engine, round: int | None = None) -> int:
    """Return the number of audit questions of one round, or of all rounds."""
    found = select(func.count()).select_from(_QUESTIONS).where(~_SAMPLED)
    if round is not None:
        found = found.where(second_queries.c.round == round)
    return read(engine, lambda connection: connection.scalar(found)) or 0


def attempts(engine: Engine) -> dict[str, int]:
    """Return the number of the last audit question about each document that has one, by document id; 2 is the first."""
    asked = second_queries.c
    found = select(asked.document_id, func.max(asked.attempt).label("last")).select_from(_QUESTIONS).where(~_SAMPLED)
    rows = read(engine, lambda connection: connection.execute(found.group_by(asked.document_id)).all())
    return {row.document_id: row.last for row in rows}


def add(engine: Engine, attempt: int, new: Sequence[Annotation]) -> None:
    """Record answers to questions of one attempt."""
    rows = [
        {
            "document_id": one.document_id,
            "attempt": attempt,
            "label": one.label,
            "oracle": one.oracle,
            "cost": one.cost,
            "confidence": one.confidence,
            "created_at": now(),
        }
        for one in new
    ]
    if rows:
        write(engine, lambda connection: connection.execute(insert(second_answers), rows))


def opinions(engine: Engine, before: int | None = None) -> list[Opinion]:
    """Return all opinions on audited documents: first answers, second answers, and the model's predictions.

    A document that was asked about once more after a change of the taxonomy has that answer as its first one; answers
    to it in the words of earlier versions are left out.

    Args:
        engine: the database.
        before: only second questions of rounds before this one; None is all rounds.
    """
    asked, answers = second_queries.c, second_answers.c
    again = select(
        *(answers.document_id, answers.attempt, asked.round, answers.label, answers.oracle, asked.predicted),
        *(asked.position.label("asked"), answers.position.label("answer")),
    ).select_from(_QUESTIONS)
    again = again.where(answers.position.is_not(None), ~_SAMPLED)
    if before is not None:
        again = again.where(asked.round < before)
    again = again.order_by(asked.position)
    first = (
        select(
            *(annotations.c.document_id, queries.c.round, annotations.c.label, annotations.c.oracle),
            annotations.c.position.label("answer"),
        )
        .select_from(annotations.join(queries, annotations.c.document_id == queries.c.document_id))
        .where(annotations.c.document_id.in_(select(answers.document_id)))
    )
    later = read(engine, lambda connection: connection.execute(again).all())
    known = {row.document_id: row for row in read(engine, lambda connection: connection.execute(first).all())}
    versions = history(engine)
    renewed = renewals(engine, versions)

    def in_words(row: Any, table: str, position: int) -> bool:
        """Whether a row was written when the document's first answer of today was asked for, or later."""
        one = renewed.get(row.document_id)
        return one is None or versions is None or (one.answered and versions.at(table, position) >= one.version)

    later = [row for row in later if in_words(row, "second_answers", row.answer)]
    found: list[Opinion] = []
    firsts: dict[str, str] = {}
    for name in dict.fromkeys(row.document_id for row in later):
        one, again_first = known[name], renewed.get(name)
        oracle, label = one.oracle, _carried(versions, one.label, "annotations", one.answer)
        if again_first is not None and versions is not None:
            oracle, label = again_first.oracle, versions.carry(again_first.label, again_first.version).label
        firsts[name] = oracle
        found.append(Opinion(name, 1, one.round, label, oracle))
    for row in later:
        who = row.oracle + AGAIN if row.oracle == firsts[row.document_id] else row.oracle
        predicted = _carried(versions, row.predicted, "second_queries", row.asked)
        if predicted is not None and in_words(row, "second_queries", row.asked):
            found.append(Opinion(row.document_id, row.attempt, row.round, predicted, MODEL))
        label = _carried(versions, row.label, "second_answers", row.answer)
        found.append(Opinion(row.document_id, row.attempt, row.round, label, who))
    return found


def _carried(versions: History | None, label: str | None, table: str, position: int) -> str | None:
    """Return the label of a row in the version of the taxonomy in force."""
    return label if versions is None or label is None else versions.carry_row(label, table, position).label
