"""Which answers are probably wrong, by a model that did not learn them."""

from laud_ray.config import EncoderZeroShotConfig
from laud_ray.models.encoder.encoding import BUNDLED
from laud_ray.quality.noise import LeftOut
from laud_ray.steps.annotation import second_opinions as stage
from laud_ray.steps.annotation.answers import asked, spent
from laud_ray.steps.work import Work
from laud_ray.store import rechecks
from laud_ray.store.store import Answered


def judged_answers(work: Work) -> stage.Judged:
    """Judge all answers so far."""
    return stage.judge(
        asked(work),
        rechecks.opinions(work.store.engine),
        work.task.names,
        lambda labelled: stage.out_of_fold(work.task, labelled, _encoder(work), seed=work.config.seed),
    )


def believed(work: Work, round: int) -> list[Answered]:
    """Return what a round's model learns: all answers; once all are bought, those that are probably right.

    Before that it would choose worse what to ask, and what it left out could be judged less well (docs/LOG.md).
    """
    if not work.config.audit.leaves_out or spent(work) < work.config.budget.annotations:
        return asked(work)
    with work.step("judge", round):
        judged = judged_answers(work)
    taught = stage.believed(judged)
    n = len(judged.judgements)
    left_out = LeftOut(round, n - len(taught), n, judged.rate)
    stage.keep(work.store, left_out)
    work.note("judge", round, str(left_out))
    return taught


def _encoder(work: Work) -> str:
    """The encoder that answers are judged with."""
    settings = work.config.zero_shot
    return settings.model if isinstance(settings, EncoderZeroShotConfig) else BUNDLED
