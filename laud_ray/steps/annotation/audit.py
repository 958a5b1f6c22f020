"""Ask again about answers that are probably wrong."""

from laud_ray.people.groups import Awaited
from laud_ray.steps.annotation import second_opinions as stage
from laud_ray.steps.annotation.annotate import second_oracle
from laud_ray.steps.annotation.answers import left_open, spent
from laud_ray.steps.annotation.doubt import judged_answers
from laud_ray.steps.work import WaitingError, Work
from laud_ray.store import rechecks


def audit(work: Work, round: int) -> None:
    """Ask again about answers that are probably wrong, in place of some of the round's queries.

    Raises:
        WaitingError: if answers stay pending.
    """
    engine = work.store.engine
    decided = work.store.queries("query", round) or rechecks.asked_in(engine, round)
    n = 0 if decided else stage.quota(work.config, round, spent(work) + len(left_open(work.store)))
    if not n and not rechecks.pending(engine, round):
        return
    with work.step("audit", round) as progress:
        rechecks.record(engine, round, _doubts(work, n) if n else [])
        pending, waiting = stage.ask_again(engine, lambda n: second_oracle(work, n, round), round, progress)
    if pending:
        attempts = range(rechecks.FIRST_ATTEMPT, work.config.most_answers + 1)
        raise WaitingError(waiting, pending, [Awaited("audit", round, attempt) for attempt in attempts])


def _doubts(work: Work, n: int) -> list[rechecks.SecondQuery]:
    attempts = rechecks.attempts(work.store.engine)
    return stage.questions(judged_answers(work), attempts, n, most=work.config.most_answers)
