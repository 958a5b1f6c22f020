"""Ask again about answers that a change of the taxonomy made unclear."""

from laud_ray.steps.annotation.annotate import annotate
from laud_ray.steps.annotation.answers import spent
from laud_ray.steps.changed import asked_for_training, to_renew
from laud_ray.steps.work import WaitingError, Work, together
from laud_ray.store.versions import renewals
from laud_ray.store.versions.record import history


def renew(work: Work, round: int) -> None:
    """Ask about unclear answers before a round's queries, at most a batch of them, within the budget.

    Unclear answers to the evaluation sample were recorded as questions when the version came into force. All of them
    are asked before the first model of the version is trained.

    Raises:
        WaitingError: if answers stay pending.
    """
    found = history(work.store.engine)
    if found is None:
        return
    if work.store.setting(renewals.KEY.format(round)) is None:
        left = max(0, work.config.budget.annotations - spent(work))
        chosen = to_renew(found, asked_for_training(work.store), min(work.config.query.batch, left))
        renewals.record(work.store.engine, found.current.number, round, chosen)
    waiting: list[WaitingError] = []
    for purpose, asked_in in sorted({(a.purpose, a.round) for a in work.store.queries() if not a.answered}):
        try:
            annotate(work, purpose, asked_in)
        except WaitingError as one:
            waiting.append(one)
    if waiting:
        raise together(waiting)
