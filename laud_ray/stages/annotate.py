"""Ask the oracle what is open."""

from collections.abc import Callable

from laud_ray.store import Store
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
