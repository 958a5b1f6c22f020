"""Get the answers to what was asked."""

from laud_ray.oracles import asking as stage
from laud_ray.steps.oracle import oracle_of
from laud_ray.steps.work import Progress, WaitingError, Work
from laud_ray.types import Purpose


def annotate(work: Work, purpose: Purpose, round: int) -> None:
    """Get the answers to what is open.

    Raises:
        WaitingError: if some stay pending.
    """
    if _is_answered(work, purpose, round):
        return
    with work.step("annotate", round) as progress:
        waiting = answer(work, purpose, round, progress)
    if waiting is not None:
        raise waiting


def answer(work: Work, purpose: Purpose, round: int, progress: Progress) -> WaitingError | None:
    """Get what answers there are to what is open; return why a run has to wait, if some stay pending."""
    if _is_answered(work, purpose, round):
        return None
    oracle = oracle_of(work, purpose, round)
    pending = stage.annotate(work.store, oracle, purpose, round, progress)
    return WaitingError(getattr(oracle, "waiting", None), pending) if pending else None


def _is_answered(work: Work, purpose: Purpose, round: int) -> bool:
    return all(a.answered for a in work.store.queries(purpose, round))
