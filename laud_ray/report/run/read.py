"""Read a run's summary from its store and files."""

import math
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from laud_ray.config import unpriced
from laud_ray.data.corpus import open_corpus
from laud_ray.data.generations.manifest import number_of
from laud_ray.evaluation.carried import carried_samples
from laud_ray.evaluation.trusted import oracle_error
from laud_ray.label_sets import LabelSet, named, shown
from laud_ray.people.cost import spent_line
from laud_ray.people.figures import people_figures
from laud_ray.people.questions import rules_of
from laud_ray.quality.diagnosis import Reply, diagnose
from laud_ray.quality.noise import LeftOut
from laud_ray.report.run.opinions import read_agreement, read_audit
from laud_ray.report.run.summary import LeavesShown, ModelShown, QueryShown, RunSummary, State
from laud_ray.report.run.updates import UpdatesShown
from laud_ray.stats.estimates.accuracy import estimate_accuracy
from laud_ray.steps import legible
from laud_ray.steps.annotation import second_opinions
from laud_ray.steps.annotation.answers import left_open
from laud_ray.steps.selection.choices import recorded
from laud_ray.steps.selection.seed_walk import in_groups, naming, not_found, outcome, sought_groups
from laud_ray.store import model_records, rechecks
from laud_ray.store.feedback import judge
from laud_ray.store.ledger import Ledger
from laud_ray.store.round_results import recorded_candidates
from laud_ray.store.run import RunFolder, is_held
from laud_ray.store.store import Answered, Store
from laud_ray.store.updates import alarms
from laud_ray.store.updates.decisions import decided
from laud_ray.store.updates.evidence import evidence
from laud_ray.store.updates.generations import is_open, updated
from laud_ray.store.updates.proposals import undecided
from laud_ray.store.versions.record import history as history_of
from laud_ray.store.versions.record import outstanding
from laud_ray.store.versions.tasks import task_of_round
from laud_ray.taxonomy.task import agrees, answer_names
from laud_ray.types import Estimate, RoundResult, Task

SHOWN_VERSIONS = ("laud_ray", "ray", "torch", "transformers", "peft", "pyarrow", "numpy")


def read(run: RunFolder, *, by_generation: bool = False) -> RunSummary:
    """Collect the summary of a run, in whatever state it is.

    Args:
        run: the run.
        by_generation: whether to measure the accuracy on each generation of its corpus, which reads scores.
    """
    store, task = run.store, run.config.task.to_task()
    corpus, asked = open_corpus(run.corpus), store.queries()
    reason, seeds = store.stop_reason(), [a for a in asked if a.purpose == "seed"]
    people = judge(store.feedback(), task.names, run.config.corpus.max_chars, multilabel=task.multilabel)
    labelled = [a for a in asked if a.purpose != "evaluation"]
    history = tuple(store.history())
    # While the seed walk waits for answers, it may still find a class.
    walked = bool(history and seeds) and all(a.answered for a in seeds)
    groups = sought_groups(task, run.config)
    versions = history_of(store.engine)
    # The seed walk has not looked for labels that a change brought.
    brought = set() if versions is None else {label for label, _, _ in outstanding(versions)}
    names = naming(groups)
    missing = not_found(in_groups(labelled, groups), groups.names, names) if walked else ()
    missing = tuple(name for name in missing if name not in brought)
    updates = _updates(run, by_generation=by_generation)
    ended = reason is not None and not (updates and updates.is_open)
    waiting = _is_waiting(run, asked) or bool(updates and updates.proposals)
    return RunSummary(
        name=task.name,
        kind=task.kind,
        labels=task.names,
        state="finished" if ended else _state(run, waiting=waiting),
        stop_reason=reason,
        current_model=store.setting("current"),
        history=history,
        corpus=dict(corpus.counts) if corpus else {},
        annotations=store.counts(),
        budget=run.config.budget.annotations,
        cost=max(store.cost(), Ledger(store).cost()),
        unpriced=_unpriced(run),
        leaves=_leaves(task, labelled),
        candidates=recorded_candidates(store),
        not_found=missing,
        queries=tuple(
            QueryShown(
                a.query.document.id,
                a.query.document.text,
                a.purpose,
                a.round,
                a.query.reason,
                _said(task, a.query.predicted),
                a.query.confidence,
                _said(task, a.label),
                above=_is_above(task, a),
            )
            for a in asked
        ),
        models=read_models(run, history),
        config_yaml=run.config.dump(),
        versions={"python": platform.python_version(), **{name: version(name) for name in SHOWN_VERSIONS}},
        storage=run.folder.uri,
        feedback={"answers": len(people.labels), "wrong": len(people.wrong)},
        promoted=model_records.promotion(store.engine),
        choices={r.number: choice for r in history if (choice := recorded(store, r.number)) is not None},
        diagnosis=diagnose(history, [_reply(task, a) for a in asked if a.answered]),
        not_found_in={one.name: one.queries for one in outcome(seeds, missing, names)},
        audit=read_audit(run, asked, people.labels),
        agreement=read_agreement(run, asked, people.labels),
        oracle_error=oracle_error(store, task, seed=run.config.seed),
        left_out=_left_out(store, history),
        legibility=legible.last(store, len(history)),
        notes=corpus.notes if corpus else (),
        asks_people=(rules := rules_of(run.config)) is not None,
        people=None
        if rules is None
        else people_figures(store.engine, rules, len(answer_names(task)), multilabel=task.multilabel),
        people_over=None if ended else spent_line(store.engine, rules),
        updates=updates,
    )


def read_models(run: RunFolder, history: Sequence[RoundResult] | None = None) -> tuple[ModelShown, ...]:
    """Collect the models of a run, in the order of their rounds; `history` as the store has it, if it is read."""
    closed = run.store.history() if history is None else history
    measured = {result.model: result.figures.accuracy for result in closed}
    finite = {name: accuracy for name, accuracy in measured.items() if math.isfinite(accuracy.value)}
    micro = {result.model: sets.micro_f1 for result in closed if (sets := result.figures.multilabel) is not None}
    return tuple(
        ModelShown(m.name, m.current, m.round, m.kind, m.accepted, m.created_at, finite.get(m.name), micro.get(m.name))
        for m in model_records.models(run.store.engine)
    )


def _is_waiting(run: RunFolder, asked: Sequence[Answered]) -> bool:
    """Whether the run waits for answers. What a closed round left open it needs only once nothing else can be asked."""
    store = run.store
    if rechecks.pending(store.engine) or rechecks.pending_trusted(store.engine):
        return True
    unanswered, late = sum(not a.answered for a in asked), len(left_open(store))
    return unanswered > late or (late > 0 and store.spent() + late >= run.config.budget.annotations)


def _left_out(store: Store, history: Sequence[RoundResult]) -> LeftOut | None:
    """Return what the last round's model was trained without.

    None if it was trained on all answers, as it is again after the budget was raised.
    """
    found = second_opinions.recorded_left_out(store)
    return found if found is not None and history and found.round == history[-1].number else None


def _said(task: Task, label: str | None) -> str | None:
    """Return a label as people read it."""
    return None if label is None else shown(label, multilabel=task.multilabel)


def _reply(task: Task, answered: Answered) -> Reply:
    query = answered.query
    # An inner node above the predicted leaf does not contradict it.
    label = query.predicted if _is_above(task, answered) else answered.label
    if task.multilabel and label is not None:
        label = LabelSet.of(named(label)).text  # an answer about some labels is compared as one about all
    return Reply(answered.round, answered.purpose, query.document.text, query.predicted, query.confidence, label)


def _is_above(task: Task, answered: Answered) -> bool:
    predicted = answered.query.predicted
    return predicted is not None and predicted != answered.label and agrees(task, predicted, answered.label)


def _leaves(task: Task, labelled: Sequence[Answered]) -> LeavesShown | None:
    if task.taxonomy is None:
        return None
    leaves, named = set(task.names), [a.label for a in labelled if a.label is not None]
    above = sum(label not in leaves for label in named)
    return LeavesShown(len(leaves), task.taxonomy.levels, len(leaves & set(named)), above)


def _state(run: RunFolder, *, waiting: bool) -> State:
    if is_held(run):
        return "running"
    return "waiting" if waiting else "stopped"


def _unpriced(run: RunFolder) -> tuple[str, ...]:
    """Return the models without prices that were asked."""
    named = {model: None for config in run.config.asked_oracles().values() for model in unpriced(config)}
    return tuple(model for model in named if Ledger(run.store).totals(f"llm:{model}").calls)


def _updates(run: RunFolder, *, by_generation: bool) -> UpdatesShown | None:
    """Return the updates of a run; None if it was never updated."""
    engine = run.store.engine
    found = updated(engine)
    if not found:
        return None
    accuracy = _accuracy_by_generation(run) if by_generation else {}
    proposed, more = len(undecided(engine)), is_open(engine)
    told, made, alarm = tuple(evidence(engine)), tuple(decided(engine)), alarms.last(run.store)
    return UpdatesShown(tuple(found), told, made, accuracy, more, proposed, alarm)


def _accuracy_by_generation(run: RunFolder) -> Mapping[int, Estimate]:
    """Estimate the accuracy of the current model on each generation that has answers for evaluation.

    It is empty for a taxonomy, and if the labels have changed since the model was trained.
    """
    current = next((one for one in model_records.models(run.store.engine) if one.current), None)
    task = run.config.task.to_task()
    if current is None or task.taxonomy is not None:
        return {}
    if task_of_round(run.config, run.store, current.round).names != task.names:
        return {}
    found: dict[int, Estimate] = {}
    drawn = run.store.sample("evaluation")
    for number in sorted({number_of(one.range) for one in drawn}):
        rows = [one for one in drawn if number_of(one.range) == number]
        try:
            told = carried_samples(run, rows, [current.round])
        except FileNotFoundError:  # not scored with this model yet
            continue
        if told:
            found[number] = estimate_accuracy(told[0])
    return found
