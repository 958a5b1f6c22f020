"""Close a round: measure its model, decide whether the run ends with it, and make it current."""

from collections.abc import Sequence
from dataclasses import replace

from laud_ray import stopping
from laud_ray.client import notify
from laud_ray.config import RunConfig, StopConfig
from laud_ray.evaluation.measure import agreement, evaluate_round
from laud_ray.events import Event
from laud_ray.models.kinds import ZERO_SHOT
from laud_ray.steps.answers import said, spent
from laud_ray.steps.work import Work
from laud_ray.store.store import Store
from laud_ray.types import Figures, RoundResult, StoppingRule


def verdict(config: RunConfig, history: Sequence[RoundResult]) -> str | None:
    """Return why the run ends after these rounds, or None to go on. The budget and the pool always hold."""
    rules = [*map(_rule, config.stop), stopping.Budget(), stopping.PoolExhausted()]
    return stopping.first_verdict(rules, history) if len(history) > 1 else None


def reconsider(config: RunConfig, store: Store) -> str | None:
    """Judge the last closed round by today's budget and rules, which may have changed; record and return the verdict.

    Once that round's queries are recorded the decision stands: what they buy, a model must learn from.
    """
    history = store.history()
    before = store.stop_reason()
    if not history or store.queries("query", history[-1].number):
        return before
    today = replace(history[-1], budget=config.budget.annotations)
    reason = verdict(config, [*history[:-1], today])
    if reason != before:
        store.set_stop_reason(reason)
    return reason


def _rule(config: StopConfig) -> StoppingRule:
    rule: StoppingRule = stopping.RULES[config.kind](**config.model_dump(exclude={"kind"}))
    return rule


def close(work: Work, round: int) -> str | None:
    """Evaluate the round's model, decide whether to stop, and record both; return the reason to stop, or None."""
    config, store = work.config, work.store
    with work.step("evaluate", round):
        result = _result(work, round)
        reason = verdict(config, [*store.history(), result])
    # What comes after a round is closed, such as its answers, is added where the history is read.
    result = replace(result, seconds=store.timings().get(round, {}))
    kind = config.learner.kind if round else ZERO_SHOT[config.zero_shot.engine]
    store.close_round(result, kind, reason)
    work.observer(Event("round", "evaluate", round, result=result))
    if result.accepted and (failure := notify.reload(config.serving)) is not None:
        work.note("evaluate", round, failure)
    return reason


def floor(work: Work, figures: Figures) -> float:
    """Zero-shot's accuracy on the same documents; a model that does worse is not taken.

    `laud evaluate --budget` may have bought answers since it was measured first.
    """
    first, scores = work.store.history()[0].figures, work.run.scores(0)
    whole = {part.name for part in work.corpus.ranges} <= scores.names()
    if (first.n, first.trusted) == (figures.n, figures.trusted) or not whole:
        return first.accuracy.value
    return evaluate_round(work.run, 0).accuracy.value


def _result(work: Work, round: int) -> RoundResult:
    run, store, task = work.run, work.store, work.task
    figures = evaluate_round(run, round)
    history, kappa, change = store.history(), None, None
    if round:
        before, after = run.scores(round - 1), run.scores(round)
        kappa, change = agreement(before, after, store.sample("stop"), task.names, binary=task.kind == "binary")
    return RoundResult(
        number=round,
        model=run.model_name(round),
        annotations=spent(work),
        budget=work.config.budget.annotations,
        pool=work.corpus.pool_size - len(store.queries()),
        figures=figures,
        kappa=kappa,
        accepted=not history or figures.accuracy.value >= floor(work, figures),
        seconds={},
        feedback=len(said(work, round)) if round else 0,
        delta_f=change,
    )
