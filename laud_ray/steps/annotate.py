"""Get the answers to what was asked."""

from laud_ray.stages import annotate as stage
from laud_ray.steps.oracle import oracle_of
from laud_ray.steps.work import WaitingError, Work
from laud_ray.types import Purpose


def annotate(work: Work, purpose: Purpose, round: int) -> None:
    """Get the answers to what is open.

    Raises:
        WaitingError: if some stay pending.
    """
    if all(a.answered for a in work.store.queries(purpose, round)):
        return
    with work.step("annotate", round) as progress:
        oracle = oracle_of(work, purpose, round)
        pending = stage.annotate(work.store, oracle, purpose, round, progress)
    if pending:
        raise WaitingError(getattr(oracle, "waiting", None), pending)
