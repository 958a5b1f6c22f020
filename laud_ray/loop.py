"""The run: corpus -> zero-shot pass -> seed -> rounds of train -> score -> evaluate -> stop? -> select -> annotate.

LAUD, arXiv 2511.14738. The order is that of the paper: the stop rules are checked before a round buys annotations, so
that every paid answer is used for training.
"""

from collections.abc import Callable, Sequence

from laud_ray.cluster.connect import connect
from laud_ray.config import RunConfig
from laud_ray.evaluation.trusted import choose_first
from laud_ray.events import Event as Event
from laud_ray.events import Observer as Observer
from laud_ray.events import Outcome as Outcome
from laud_ray.models.language.warm import POOL, closing_engines
from laud_ray.passes.incomplete import drop_incomplete
from laud_ray.people.cost import spent_line
from laud_ray.people.groups import wait_for_answers
from laud_ray.people.questions import rules_of
from laud_ray.steps.annotation.annotate import annotate, annotate_left_open
from laud_ray.steps.annotation.audit import audit
from laud_ray.steps.annotation.renew import renew
from laud_ray.steps.changed import first_round
from laud_ray.steps.close import close
from laud_ray.steps.sample import draw_evaluation, trust
from laud_ray.steps.score import heal, score, zero_shot
from laud_ray.steps.selection.seed import can_learn, one_sided, seed
from laud_ray.steps.selection.select import exhausted, select
from laud_ray.steps.start import start
from laud_ray.steps.stop import reconsider
from laud_ray.steps.training.model import is_made
from laud_ray.steps.training.train import train
from laud_ray.steps.work import WaitingError, Work, together
from laud_ray.store.run import claim
from laud_ray.store.versions.acceptance import Accept

ZERO_SHOT_DONE = "the zero-shot pass is done; `laud run` without --zero-shot-only continues"


def run(
    config: RunConfig,
    observer: Observer = lambda event: None,
    *,
    zero_shot_only: bool = False,
    wait: bool = False,
    accept: Accept | None = None,
) -> Outcome:
    """Start a run, or continue the one in config.storage, until a stop rule ends it or answers are pending.

    A finished run continues if no rule ends it with the current budget and stop rules. If the labels are another
    version of the run's taxonomy, it asks about what is new, split or moved, and keeps all other answers.

    Example:
        outcome = run(laud_ray.load("task.yaml"))

    Args:
        config: the configuration of the run.
        observer: called with each event of the run.
        zero_shot_only: finish after the zero-shot pass, before any document is annotated; a later call continues.
        wait: wait for the answers of people instead of returning while some are pending.
        accept: called with the differences between the versions of the taxonomy before anything is asked; raises if the
            run is not to go on with the new one. None: the observer gets them as notes, and the run goes on.

    Raises:
        UserError: if the input is wrong; no half-written files are left.
    """
    with claim(config, accept or _told(observer)) as folder, closing_engines():
        reason = reconsider(config, folder.store)
        if reason is not None:
            return Outcome("finished", reason, folder.store.setting("current"))
        work = start(folder, observer)
        connect()
        while True:
            try:
                reason = _rounds(work, zero_shot_only)
            except WaitingError as waiting:
                if wait and _answered(work, waiting):
                    continue
                over = spent_line(folder.store.engine, rules_of(config))
                said = f"{waiting}; {over}" if over else str(waiting)
                return Outcome("waiting", said, folder.store.setting("current"), waiting.pending)
            return Outcome("finished", reason, folder.store.setting("current"))


def _told(observer: Observer) -> Accept:
    """Accept another version of a taxonomy, with its differences as notes."""

    def tell(lines: Sequence[str]) -> None:
        for line in lines:
            observer(Event("note", "corpus", 0, note=line))

    return tell


def _answered(work: Work, waiting: WaitingError) -> bool:
    """Wait for the answers of people; return False if none can come."""
    rules = rules_of(work.config)
    if rules is None:
        return False
    POOL.release()  # people may take days, and until then nothing is asked of an engine
    how = f"answer them with `laud annotate {work.config.storage}`"
    work.note("annotate", len(work.store.history()), f"{waiting}; {how}")
    return wait_for_answers(work.store.engine, waiting.awaited, rules)


def _rounds(work: Work, zero_shot_only: bool) -> str:
    """Run the loop, as in the paper's pseudo-code; return the reason why it ended."""
    round = len(work.store.history())
    if round == 0:
        if work.store.queries("evaluation") and is_made(work.run.models, work.run.model_name(0)):
            heal(work, 0)  # an earlier call has waited for answers
        else:
            zero_shot(work)
        if zero_shot_only:
            return ZERO_SHOT_DONE
        draw_evaluation(work)
        choose_first(work.store, work.config)
        _first_answers(work)
        close(work, 0)
        round = 1
    elif zero_shot_only:
        return ZERO_SHOT_DONE
    if round == first_round(work.store):
        # The scores of the last round have labels of another version of the taxonomy, so nothing is chosen by them.
        renew(work, round - 1)
        return _learn(work, round)
    heal(work, round - 1)
    if round == 1:
        seed(work)
        if (reason := one_sided(work)) is not None:
            return reason
    else:
        # The previous process may have ended after it closed the last round and before it had all of its answers.
        if (reason := _query(work, round - 1)) is not None:
            return reason
    return _learn(work, round)


def _learn(work: Work, round: int) -> str:
    """Train, score, evaluate and annotate, round by round, until the run ends; return the reason."""
    while True:
        train(work, round)
        score(work, round)
        reason = close(work, round)
        if reason is not None:
            return reason
        if (reason := _query(work, round)) is not None:
            return reason
        round += 1


def _first_answers(work: Work) -> None:
    """Get the answers to the evaluation sample.

    People are asked the seed queries at the same time. While they still answer the evaluation sample, the first model
    is trained, because it learns only the seed.
    """
    if rules_of(work.config) is None:
        annotate(work, "evaluation", 0)
        trust(work)
        return
    learned = _waiting(lambda: seed(work))
    measured = [one for step in _measuring(work) if (one := _waiting(step)) is not None]
    if learned is None and measured and can_learn(work) and not _is_scored(work, 1):
        train(work, 1)
        score(work, 1)
        measured = [one for step in _measuring(work) if (one := _waiting(step)) is not None]
    waiting = [*([] if learned is None else [learned]), *measured]
    if waiting:
        raise together(waiting)


def _is_scored(work: Work, round: int) -> bool:
    """Whether an earlier call has trained the model of a round and scored every document with it."""
    made = is_made(work.run.models, work.run.model_name(round))
    return made and not drop_incomplete(work.corpus, work.run.scores(round))


def _measuring(work: Work) -> tuple[Callable[[], None], ...]:
    return (lambda: annotate(work, "evaluation", 0), lambda: trust(work))


def _waiting(step: Callable[[], None]) -> WaitingError | None:
    """Do a step; return why it has to wait, if it has to."""
    try:
        step()
    except WaitingError as waiting:
        return waiting
    return None


def _query(work: Work, round: int) -> str | None:
    audit(work, round)
    renew(work, round)
    select(work, round)
    annotate(work, "query", round)
    annotate_left_open(work, round)
    return exhausted(work, round)
