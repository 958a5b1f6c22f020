"""Find answers that are probably wrong, with a model that was not trained on them."""

from laud_ray.config import EncoderZeroShotConfig
from laud_ray.models.encoder.encoding import BUNDLED
from laud_ray.quality.noise import LeftOut
from laud_ray.steps.annotation import second_opinions as stage
from laud_ray.steps.annotation.answers import asked, spent
from laud_ray.steps.work import Work
from laud_ray.store import rechecks
from laud_ray.store.store import Answered


def judged_answers(work: Work) -> stage.Judged:
    """Estimate for all answers so far how probably they are right."""
    answers, model, seed = asked(work), _encoder(work), work.config.seed
    groups = stage.judged_in(work.task, len(answers))
    return stage.judge(
        answers,
        rechecks.opinions(work.store.engine),
        groups,
        lambda labelled: stage.out_of_fold(work.task, labelled, model, groups, seed=seed),
    )


def training_answers(work: Work, round: int) -> list[Answered]:
    """Return the answers on which a round's model is trained.

    These are all answers until the budget is spent, and then only those that are probably right. Leaving answers out
    earlier makes both the choice of queries and the judgement of answers worse (docs/LOG.md).
    """
    if not work.config.audit.leaves_out or spent(work) < work.config.budget.annotations:
        return asked(work)
    with work.step("judge", round):
        judged = judged_answers(work)
    taught = stage.probably_right(judged)
    n = len(judged.judgements)
    left_out = LeftOut(round, n - len(taught), n, judged.rate)
    stage.record_left_out(work.store, left_out)
    work.note("judge", round, str(left_out))
    return taught


def _encoder(work: Work) -> str:
    """The encoder whose embeddings are used to judge answers."""
    settings = work.config.zero_shot
    return settings.model if isinstance(settings, EncoderZeroShotConfig) else BUNDLED
