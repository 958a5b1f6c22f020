"""Record what an update asks about: new documents for the evaluation sample, and others to learn from."""

from collections.abc import Collection, Sequence
from dataclasses import asdict

from sqlalchemy import Connection, Engine, insert

from laud_ray.store.database.connection import write
from laud_ray.store.store import Query, Sampled, add_queries_in
from laud_ray.store.tables import sample
from laud_ray.store.updates.generations import advance_in


def record(
    engine: Engine,
    generations: Collection[int],
    round: int,
    drawn: Sequence[Sampled],
    evaluation: Sequence[Query],
    queries: Sequence[Query],
) -> None:
    """Record the questions about generations in one transaction, after which they are "asked".

    Args:
        engine: the database of the run.
        generations: their numbers.
        round: the last round that was closed.
        drawn: the new part of the evaluation sample.
        evaluation: its documents.
        queries: documents to learn from.
    """

    def ask(connection: Connection) -> None:
        if drawn:
            connection.execute(insert(sample), [{"purpose": "evaluation", **asdict(one)} for one in drawn])
        add_queries_in(connection, "evaluation", round, evaluation)
        add_queries_in(connection, "query", round, queries)
        advance_in(connection, generations, "asked")

    write(engine, ask)
