"""Ask the oracle what is open."""

from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from laud_ray.store import rechecks
from laud_ray.store.rechecks import SecondQuery
from laud_ray.store.store import Store
from laud_ray.types import Oracle, Purpose

AT_ONCE = 64


def annotate(store: Store, oracle: Oracle, purpose: Purpose, round: int, progress: Callable[[int, int], None]) -> int:
    """Ask about the recorded queries without an answer, and store each answer as it comes.

    An oracle with an attribute `at_once` is given that many documents at a time.

    Returns:
        How many are still pending.
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
    """Ask recorded questions about documents that have an answer, and store each further answer as it comes.

    Args:
        oracle_of: who answers for a document the second or third time.

    Returns:
        How many are still pending, and an oracle's reason to wait.
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
