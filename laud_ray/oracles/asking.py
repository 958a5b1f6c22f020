"""Ask an oracle about the recorded queries that have no answer yet."""

from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from laud_ray.store import rechecks
from laud_ray.store.rechecks import SecondQuery
from laud_ray.store.store import Store
from laud_ray.types import Oracle, Purpose

AT_ONCE = 64


def annotate(store: Store, oracle: Oracle, purpose: Purpose, round: int, progress: Callable[[int, int], None]) -> int:
    """Ask about the recorded queries without an answer, and store each batch of answers as it arrives.

    Args:
        oracle: its attribute `at_once`, if it has one, is the number of documents in each call.
        progress: called with the answered queries and all queries.

    Returns:
        The number of queries that are still pending.
    """
    queries = store.queries(purpose, round)
    pending = [q.query.document for q in queries if not q.answered]
    answered = len(queries) - len(pending)
    at_once = min(getattr(oracle, "at_once", AT_ONCE), max(len(pending), 1))
    for start in range(0, len(pending), at_once):
        answers = oracle.annotate(pending[start : start + at_once])
        store.add_annotations(answers)
        answered += len(answers)
        progress(answered, len(queries))
    return len(queries) - answered


def ask_again(
    engine: Engine,
    questions: Sequence[SecondQuery],
    oracle_of: Callable[[int], Oracle],
    progress: Callable[[int, int], None],
) -> tuple[int, str | None]:
    """Ask the recorded second and third questions about documents, and store each batch of answers as it arrives.

    Args:
        oracle_of: returns the oracle for an attempt (2 or 3).
        progress: called with the answered questions and all questions.

    Returns:
        The number of questions that are still pending, and an oracle's reason to wait, if it has one.
    """
    left, waiting = len(questions), None
    for attempt in sorted({one.attempt for one in questions}):
        documents = [one.document for one in questions if one.attempt == attempt]
        oracle = oracle_of(attempt)
        at_once = min(getattr(oracle, "at_once", AT_ONCE), len(documents))
        for start in range(0, len(documents), at_once):
            answers = oracle.annotate(documents[start : start + at_once])
            rechecks.add(engine, attempt, answers)
            left -= len(answers)
            progress(len(questions) - left, len(questions))
        waiting = waiting or getattr(oracle, "waiting", None)
    return left, waiting
