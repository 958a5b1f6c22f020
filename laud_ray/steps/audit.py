"""Ask again about answers that are probably wrong."""

from laud_ray import second_opinions
from laud_ray.config import EncoderZeroShotConfig
from laud_ray.encoding import BUNDLED
from laud_ray.stages import audit as stage
from laud_ray.steps.answers import asked, spent
from laud_ray.steps.oracle import second_oracle
from laud_ray.steps.work import WaitingError, Work


def audit(work: Work, round: int) -> None:
    """Ask again about what is probably wrong, in place of some of the round's queries.

    Raises:
        WaitingError: if answers stay pending.
    """
    engine = work.store.engine
    decided = work.store.queries("query", round) or second_opinions.asked_in(engine, round)
    n = 0 if decided else stage.quota(work.config, round, spent(work))
    if not n and not second_opinions.pending(engine, round):
        return
    with work.step("audit", round) as progress:
        second_opinions.record(engine, round, _doubts(work, n) if n else [])
        pending, waiting = stage.ask_again(engine, lambda n: second_oracle(work, n, round), round, progress)
    if pending:
        raise WaitingError(waiting, pending)


def _doubts(work: Work, n: int) -> list[second_opinions.SecondQuery]:
    opinions = second_opinions.opinions(work.store.engine)
    return stage.questions(
        asked(work),
        opinions,
        stage.settled(work.config, opinions).disputed,
        work.task.names,
        lambda labelled: stage.out_of_fold(work.task, labelled, _encoder(work), seed=work.config.seed),
        n,
    )


def _encoder(work: Work) -> str:
    """The encoder that an audit embeds with."""
    settings = work.config.zero_shot
    return settings.model if isinstance(settings, EncoderZeroShotConfig) else BUNDLED
