"""Close a round: measure its model, decide whether the run ends with it, and make it current."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from laud_ray.client import notify
from laud_ray.evaluation.agreement import agreement
from laud_ray.evaluation.candidate_recall import candidate_recall, list_size
from laud_ray.evaluation.carried import carried_quality
from laud_ray.evaluation.measure import decisive_answers, evaluate_round
from laud_ray.events import Event
from laud_ray.models.kinds import ZERO_SHOT
from laud_ray.oracles.trees.candidates import Candidates
from laud_ray.steps.annotation.annotate import encoder_of
from laud_ray.steps.annotation.answers import asked, feedback_labels, spent
from laud_ray.steps.changed import first_round, since
from laud_ray.steps.stop import verdict
from laud_ray.steps.work import Work
from laud_ray.storage.model_folder import failure_of
from laud_ray.store.round_results import record_candidates
from laud_ray.types import CandidateRecall, Example, Figures, RoundResult


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a round's model becomes current, and what is recorded together with that."""

    accepted: bool
    record: Callable[[Connection], None]


def close(work: Work, round: int, judge: Callable[[RoundResult], Judgement] | None = None) -> str | None:
    """Evaluate the round's model, decide whether to stop, and record both; return the reason to stop, or None.

    The model becomes current unless it is worse than zero-shot, or its training recorded that it has not learned.

    Args:
        work: the run.
        round: its number.
        judge: decides instead of the comparison with zero-shot whether the model becomes current, and a run that had
            ended stays so.
    """
    config, store = work.config, work.store
    also: Callable[[Connection], None] = lambda connection: None  # noqa: E731
    with work.step("evaluate", round):
        result = _result(work, round)
        _measure_candidates(work, round)
        reason = verdict(config, [*store.history(), result], since(store, round))
        if judge is not None:
            judged = judge(result)
            result = replace(result, accepted=judged.accepted)
            reason, also = store.stop_reason() or reason, judged.record
    # Steps that run after the round is closed, such as its annotation, are added to its times when the history is read.
    result = replace(result, seconds=store.timings().get(round, {}))
    kind = config.learner.kind if round else ZERO_SHOT[config.zero_shot.engine]
    store.close_round(result, kind, reason, also)
    work.observer(Event("round", "evaluate", round, result=result))
    if result.accepted and (failure := notify.reload(config.serving)) is not None:
        work.note("evaluate", round, failure)
    return reason


def floor(work: Work, figures: Figures) -> float:
    """Return the accuracy of zero-shot on the documents of `figures`, or its hierarchical F1 in a taxonomy.

    A model below it is not accepted. In a taxonomy all levels count, because few of thousands of leaves are right: a
    model may be better above the leaves and name as few of them. Zero-shot is measured again if `laud evaluate
    --budget` has bought answers since it was measured first, or if the labels have changed.
    """
    first, scores = work.store.history()[0].figures, work.run.scores(0)
    # Ranges that were appended later have no zero-shot scores.
    whole = {one.range for one in work.store.sample("evaluation")} <= scores.names()
    if first_round(work.store):
        found = carried_quality(work.run, 0) if whole else None
        return 0.0 if found is None else found
    if _measured_on(first) == _measured_on(figures) or not whole:
        return first.compared.value
    return evaluate_round(work.run, 0).compared.value


def _measured_on(figures: Figures) -> tuple[int | None, ...]:
    return figures.n, figures.compared.n, figures.trusted


def has_learned(work: Work, round: int) -> bool:
    """Whether the model has learned; one that names a single label may still be better than zero-shot."""
    return failure_of(work.run.models / work.run.model_name(round)) is None


def _measure_candidates(work: Work, round: int) -> None:
    """Record how often the list from which a language model chooses holds the right leaf, if one does."""
    tree, store = work.task.taxonomy, work.store
    found = None if tree is None else list_size(work.config, round, len(tree.leaves))
    if tree is None or found is None:
        return
    size, own = found
    examples = [Example(a.query.document.text, a.label) for a in asked(work, round) if a.label is not None]
    candidates = Candidates(work.task, size, examples, encoder_of(work, round) if own else None)
    queries = store.queries("evaluation")
    texts = {a.query.document.id: a.query.document.text for a in queries}
    recall = candidate_recall(tree, store.sample("evaluation"), texts, decisive_answers(work.run), candidates)
    if recall is not None:
        record_candidates(store, CandidateRecall(round, size, recall))


def _result(work: Work, round: int) -> RoundResult:
    run, store, task = work.run, work.store, work.task
    figures = evaluate_round(run, round)
    history, kappa, change = store.history(), None, None
    if round and round != first_round(store):  # a model of another version of the taxonomy has other labels
        before, after = run.scores(round - 1), run.scores(round)
        kappa, change = agreement(before, after, store.sample("stop"), task)
    return RoundResult(
        number=round,
        model=run.model_name(round),
        # People may have answered seed queries before the zero-shot classifier was measured, which learned nothing.
        annotations=spent(work) if round else 0,
        budget=work.config.budget.annotations,
        pool=work.corpus.pool_size - len(store.queries()),
        figures=figures,
        kappa=kappa,
        accepted=not history or (has_learned(work, round) and figures.compared.value >= floor(work, figures)),
        seconds={},
        feedback=len(feedback_labels(work, round)) if round else 0,
        delta_f=change,
    )
