"""Store what a run must never lose: queries, annotations, the evaluation sample, rounds, models, feedback.

Queries and annotations are only added, never changed. A query is recorded before an oracle is asked, and an answer as
soon as it arrives, so after a crash the open queries are exactly those without an annotation.

Labels are stored in the words of the taxonomy's version at which they were written, and returned in those of the
version in force (laud_ray.store.versions).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update

from laud_ray.store import feedback, round_results
from laud_ray.store.database.connection import in_turn, open_database, read, write
from laud_ray.store.feedback import Feedback
from laud_ray.store.tables import (
    annotations,
    models,
    now,
    put_setting,
    queries,
    rounds,
    sample,
    second_answers,
    settings,
    timings,
)
from laud_ray.store.versions import renewals
from laud_ray.store.versions.record import History, history
from laud_ray.store.versions.renewals import Renewal
from laud_ray.store.versions.tables import renewed_answers
from laud_ray.taxonomy.succession import Carried
from laud_ray.types import Annotation, Document, Purpose, RoundResult, Walk


@dataclass(frozen=True, slots=True)
class Query:
    """A document to ask about.

    Attributes:
        reason: why it was chosen, for people; the program does not parse it.
        predicted: the label that the round's model predicts; None if it was not scored.
        confidence: of the prediction, in [0, 1]; None if it was not scored.
        sought: the class for which the seed walk chose the document; None for other queries.
        walk: how the seed walk found the document; None for other queries.
    """

    document: Document
    reason: str
    predicted: str | None = None
    confidence: float | None = None
    sought: str | None = None
    walk: Walk | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A recorded query with its answer.

    Attributes:
        answered: False while the answer is pending.
        label: the answer; None if it is pending or an abstention.
        oracle: the oracle that answered; None while the answer is pending.
        unclear: whether a change of the taxonomy made the answer unclear: its leaf was split, or its node removed.
        version: of the taxonomy, at which the answer was given.
    """

    query: Query
    purpose: Purpose
    round: int
    answered: bool
    label: str | None
    oracle: str | None = None
    unclear: bool = False
    version: int = 1


@dataclass(frozen=True, slots=True)
class Sampled:
    """A document of the evaluation sample or the stop set.

    Attributes:
        range: the range of the corpus that holds it.
        row: its row in the range, from 0, which is also the row of its scores.
        document_id: the document to ask about, which is the first one with this text.
        stratum: number of its stratum.
        stratum_size: documents in that stratum.
    """

    range: str
    row: int
    document_id: str
    stratum: int
    stratum_size: int


class Store:
    """The state of one run in a database.

    If the connection is lost, it is opened again and the operation is retried; each write takes effect exactly once.
    """

    def __init__(self, database: str | Engine) -> None:
        """Take an open database, or the URL of one."""
        self._engine = open_database(database) if isinstance(database, str) else database

    @property
    def engine(self) -> Engine:
        """The database, for tables that other modules keep in it."""
        return self._engine

    def close(self) -> None:
        self._engine.dispose()

    def setting(self, key: str) -> str | None:
        found = select(settings.c.value).where(settings.c.key == key)
        return read(self._engine, lambda connection: connection.scalar(found))

    def set(self, key: str, value: str) -> None:
        write(self._engine, lambda connection: put_setting(connection, key, value))

    def add_queries(self, purpose: Purpose, round: int, new: Sequence[Query]) -> None:
        """Record queries, all or none.

        Raises:
            sqlalchemy.exc.IntegrityError: if a document was asked about before.
        """
        if new:
            write(self._engine, lambda connection: add_queries_in(connection, purpose, round, new))

    def queries(self, purpose: Purpose | None = None, round: int | None = None) -> list[Answered]:
        """Return queries with their answers, in the order of asking."""
        joined = queries.outerjoin(annotations, queries.c.document_id == annotations.c.document_id)
        answer = (annotations.c.label, annotations.c.oracle, annotations.c.position.label("answer"))
        found = select(queries, *answer).select_from(joined)
        if purpose is not None:
            found = found.where(queries.c.purpose == purpose)
        if round is not None:
            found = found.where(queries.c.round == round)
        found = found.order_by(queries.c.position)
        rows = read(self._engine, lambda connection: connection.execute(found).mappings().all())
        versions = history(self._engine)
        renewed = renewals.renewals(self._engine, versions)
        return [_answered(row, versions, renewed.get(row["document_id"])) for row in rows]

    def add_annotations(self, new: Sequence[Annotation]) -> None:
        """Record answers to open queries."""
        versions = history(self._engine)
        again = {name for name, one in renewals.renewals(self._engine, versions).items() if not one.answered}

        def add(connection: Connection) -> None:
            first = new if versions is None else renewals.add(connection, versions.current.number, new, again)
            rows = [{**asdict(annotation), "created_at": now()} for annotation in first]
            if rows:
                connection.execute(insert(annotations), rows)

        if new:
            write(self._engine, add)

    def counts(self) -> dict[str, int]:
        """Return numbers of answers, abstentions included, by kind.

        The keys `seed`, `query` and `evaluation` are first answers by purpose. `audit` are second answers to training
        documents, and `trusted` second answers to the evaluation sample. `abstained` are the abstentions among first
        answers. If the taxonomy has changed, `renewed` are the answers to training documents that were asked about
        again because of it; those to the evaluation sample are in `evaluation`.
        """
        joined = queries.join(annotations, queries.c.document_id == annotations.c.document_id)
        by_purpose = select(queries.c.purpose, func.count()).select_from(joined).group_by(queries.c.purpose)
        abstained = select(func.count()).select_from(annotations).where(annotations.c.label.is_(None))
        twice = second_answers.join(queries, queries.c.document_id == second_answers.c.document_id)
        again = select(queries.c.purpose, func.count()).select_from(twice).group_by(queries.c.purpose)
        anew = renewed_answers.join(queries, queries.c.document_id == renewed_answers.c.document_id)
        renewing = select(queries.c.purpose, func.count()).select_from(anew).group_by(queries.c.purpose)

        def count(connection: Connection) -> dict[str, int]:
            found: dict[str, int] = {row[0]: row[1] for row in connection.execute(by_purpose)}
            second: dict[str, int] = {row[0]: row[1] for row in connection.execute(again)}
            renewed: dict[str, int] = {row[0]: row[1] for row in connection.execute(renewing)}
            training = sum(n for purpose, n in renewed.items() if purpose != "evaluation")
            return {
                **{purpose: found.get(purpose, 0) for purpose in ("seed", "query")},
                "evaluation": found.get("evaluation", 0) + renewed.get("evaluation", 0),
                **({"renewed": training} if training else {}),
                "audit": sum(n for purpose, n in second.items() if purpose != "evaluation"),
                "trusted": second.get("evaluation", 0),
                "abstained": connection.scalar(abstained) or 0,
            }

        return read(self._engine, count)

    def spent(self) -> int:
        """Return the number of answers that count against the budget: all but those to the evaluation sample."""
        counts = self.counts()
        return counts["seed"] + counts["query"] + counts["audit"] + counts.get("renewed", 0)

    def cost(self) -> float:
        """Return the dollars spent on answers so far."""
        spent = [select(func.sum(table.c.cost)) for table in (annotations, second_answers, renewed_answers)]
        return read(self._engine, lambda connection: sum(float(connection.scalar(one) or 0.0) for one in spent))

    def set_samples(self, samples: Mapping[str, Sequence[Sampled]], settings: Mapping[str, str] | None = None) -> None:
        """Replace all samples by these, given by purpose, and store settings, in one transaction.

        Args:
            samples: purpose -> documents.
            settings: settings to store with them, by key.
        """
        rows = [{"purpose": purpose, **asdict(row)} for purpose, drawn in samples.items() for row in drawn]

        def exchange(connection: Connection) -> None:
            connection.execute(sample.delete())
            connection.execute(insert(sample), rows)
            for key, value in (settings or {}).items():
                put_setting(connection, key, value)

        write(self._engine, exchange)

    def sample(self, purpose: str) -> list[Sampled]:
        found = select(sample).where(sample.c.purpose == purpose).order_by(sample.c.position)
        rows = read(self._engine, lambda connection: connection.execute(found).all())
        return [Sampled(r.range, r.row, r.document_id, r.stratum, r.stratum_size) for r in rows]

    def add_timing(self, round: int, step: str, seconds: float) -> None:
        row = insert(timings).values(round=round, step=step, seconds=seconds)
        write(self._engine, lambda connection: connection.execute(row))

    def timings(self) -> dict[int, dict[str, float]]:
        """Return round -> step -> seconds, summed over all attempts; killed attempts are not included."""
        found = select(timings.c.round, timings.c.step, func.sum(timings.c.seconds))
        grouped = found.group_by(timings.c.round, timings.c.step).order_by(func.min(timings.c.position))
        by_round: dict[int, dict[str, float]] = {}
        for round, step, seconds in read(self._engine, lambda connection: connection.execute(grouped).all()):
            by_round.setdefault(round, {})[step] = seconds
        return by_round

    def close_round(
        self,
        result: RoundResult,
        kind: str,
        stop_reason: str | None,
        also: Callable[[Connection], None] = lambda connection: None,
    ) -> None:
        """Record a round, its model, and whether the run ends, in one transaction.

        An accepted model becomes current.

        Args:
            result: of the round.
            kind: of the learner.
            stop_reason: why the run ends; None if it goes on.
            also: makes further changes in the same transaction.
        """
        closed = {"number": result.number, "result": asdict(result), "stop_reason": stop_reason, "created_at": now()}
        made = {"name": result.model, "kind": kind, "round": result.number, "accepted": result.accepted}

        def close(connection: Connection) -> None:
            in_turn(connection, "current")
            connection.execute(insert(rounds).values(closed))
            connection.execute(insert(models).values({**made, "created_at": now()}))
            if result.accepted:
                put_setting(connection, "current", result.model)
            also(connection)

        write(self._engine, close)

    def history(self) -> list[RoundResult]:
        """Return the results of closed rounds, in order. Their seconds include work after the round was closed."""
        found = select(rounds.c.result).order_by(rounds.c.number)
        closed = [round_results.from_json(result) for result in read(self._engine, lambda c: c.scalars(found).all())]
        spent = self.timings()
        return [replace(one, seconds={**one.seconds, **spent.get(one.number, {})}) for one in closed]

    def stop_reason(self) -> str | None:
        last = select(rounds.c.stop_reason).order_by(rounds.c.number.desc()).limit(1)
        return read(self._engine, lambda connection: connection.scalar(last))

    def set_stop_reason(self, reason: str | None) -> None:
        """Change why the run ended with its last closed round; None if it goes on."""
        last = select(func.max(rounds.c.number)).scalar_subquery()
        changed = update(rounds).where(rounds.c.number == last).values(stop_reason=reason)
        write(self._engine, lambda connection: connection.execute(changed))

    def add_feedback(
        self, text: str, label: str | None, who: str, predicted: str | None = None, model: str | None = None
    ) -> tuple[str, bool]:
        """Record a person's feedback on a prediction. Any number of processes may do so, even while `laud run` writes.

        Args:
            text: the text; it is normalised.
            label: the correct label; None reports only that the prediction is wrong.
            who: the person.
            predicted: the prediction that the person saw.
            model: the model that made it.

        Returns:
            The id of the normalised text, and whether an entry was added. Nothing is added if it would repeat the same
            person's last entry on the text.

        Raises:
            ValueError: if the text is empty.
        """
        return feedback.add(self._engine, text, label, who, predicted, model)

    def feedback_size(self) -> int:
        """Return the number of characters in all feedback."""
        return feedback.size(self._engine)

    def feedback(self, until: int | None = None) -> list[Feedback]:
        """Return the feedback in order; with `until`, up to and including that position."""
        return feedback.entries(self._engine, until)

    def feedback_of(self, round: int) -> list[Feedback]:
        """Return the feedback that a round's model is trained on: all entries at the first call for that round.

        Later calls return the same entries, so that a resumed round trains on the same feedback.
        """
        key = f"feedback of round {round}"
        if (until := self.setting(key)) is None:
            self.set(key, until := str(feedback.last_position(self._engine)))
        return self.feedback(int(until))


def add_queries_in(connection: Connection, purpose: Purpose, round: int, new: Sequence[Query]) -> None:
    """Record queries in a transaction with other changes."""
    rows = [
        {
            "document_id": query.document.id,
            "text": query.document.text,
            "purpose": purpose,
            "round": round,
            "reason": query.reason,
            "predicted": query.predicted,
            "confidence": query.confidence,
            "sought": query.sought,
            "walk": query.walk,
            "created_at": now(),
        }
        for query in new
    ]
    if rows:
        connection.execute(insert(queries), rows)


def _answered(row: RowMapping, versions: History | None, renewed: Renewal | None) -> Answered:
    """Return a query with its answer, in the words of the taxonomy's version in force.

    Args:
        row: a row of queries, with the label, oracle and position of its annotation.
        versions: of the taxonomy; None if it has never changed.
        renewed: the last question about the document after a change.
    """
    answer = Carried(row["label"])
    predicted, sought, answered, oracle, version = (
        row["predicted"],
        row["sought"],
        row["answer"] is not None,
        row["oracle"],
        1,
    )
    if versions is not None:
        predicted = versions.carry_row(predicted, "queries", row["position"]).label
        sought = versions.carry_row(sought, "queries", row["position"]).label
        if renewed is not None:
            answered, oracle, version = renewed.answered, renewed.oracle, renewed.version
            answer = versions.carry(renewed.label, version)
        elif answered:
            version = versions.at("annotations", row["answer"])
            answer = versions.carry(row["label"], version)
    document = Document(row["document_id"], row["text"])
    query = Query(document, row["reason"], predicted, row["confidence"], sought, row["walk"])
    return Answered(query, row["purpose"], row["round"], answered, answer.label, oracle, answer.unclear, version)
