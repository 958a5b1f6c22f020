"""Get the trusted answers to a part of the evaluation sample."""

from laud_ray.evaluation import trusted
from laud_ray.steps.work import WaitingError, Work
from laud_ray.store import rechecks


def trust(work: Work) -> None:
    """Ask the trusted oracle what is open, where a run has one.

    Raises:
        WaitingError: if answers stay pending.
    """
    if not rechecks.pending_trusted(work.store.engine):
        return
    with work.step("annotate", 0) as progress:
        pending, waiting = trusted.ask(work.store, work.config, work.corpus, progress)
    if pending:
        raise WaitingError(waiting, pending)
