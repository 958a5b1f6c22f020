"""Figures of a round's model on the evaluation sample."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from laud_ray.data.range_files import side_by_side
from laud_ray.errors import RunError
from laud_ray.evaluation.multilabel.measure import figures_of_sets
from laud_ray.evaluation.multilabel.predicted import COLUMNS, PredictedSets, predicted_in
from laud_ray.evaluation.strata import merge_unanswered, nearest_answered
from laud_ray.query import auto
from laud_ray.stats import PoweredSample, Sample, figures, powered_figures
from laud_ray.stats.hierarchy import leaf_figures
from laud_ray.storage.folder import Folder
from laud_ray.store import rechecks
from laud_ray.store.ledger import Ledger
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Sampled, Store
from laud_ray.taxonomy.task import agrees, by_path, numbers_of
from laud_ray.types import Bools, Estimate, Figures, Floats, Indices, Task

# Reasons why a document of the sample does not count in the figures.
ABSTAINED, PENDING, NOT_ASKED, NOT_SCORED = "abstained", "pending", "not asked", "not scored"
INNER = "answered above the leaves"


def predictions(scores: Folder, rows: Sequence[Sampled], names: Sequence[str]) -> tuple[Indices, Floats]:
    """Look up a pass's predictions for m documents.

    Returns:
        (m,) class indices, -1 for an error row, and (m,) confidences.
    """
    index = {name: i for i, name in enumerate(names)}
    label, confidence = np.full(len(rows), -1, np.int64), np.zeros(len(rows))
    for i, row in sampled_rows(scores, rows, ["label", "confidence"]):
        if row["label"] is not None:
            label[i], confidence[i] = index[row["label"]], row["confidence"]
    return label, confidence


def predicted_sets(scores: Folder, rows: Sequence[Sampled], names: Sequence[str]) -> PredictedSets:
    """Look up the predicted sets of a pass of a multilabel model for m documents."""
    return predicted_in(sampled_rows(scores, rows, COLUMNS), len(rows), names)


def sampled_rows(
    scores: Folder, rows: Sequence[Sampled], columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the place of each of m documents with its row of a pass, range by range."""
    by_range: dict[str, list[int]] = {}
    for i, one in enumerate(rows):
        by_range.setdefault(one.range, []).append(i)
    tables = side_by_side(lambda name: scores.read_table(name, list(columns)), by_range)
    for places, table in zip(by_range.values(), tables, strict=True):
        found = table.take(pa.array([rows[i].row for i in places]))
        yield from zip(places, found.to_pylist(), strict=True)


def evaluate(
    scores: Folder,
    drawn: Sequence[Sampled],
    answers: Mapping[str, str | None],
    task: Task,
    *,
    seed: int,
    trusted: Mapping[str, str | None] | None = None,
    reasons: Mapping[str, str] | None = None,
) -> Figures:
    """Estimate the quality of a pass's labels from the answers for the evaluation sample.

    A document without an answer or without a score is represented by the rest of its stratum. In a taxonomy, an answer
    may be an inner node: `laud_ray.stats.hierarchy.leaf_figures` says how it counts. With trusted answers, the tree's
    figures are those of the documents that have one.

    In a multilabel task, labels are the text forms of sets of labels.

    Args:
        scores: the folder of the pass.
        drawn: the evaluation sample.
        answers: labels by document id, None for an abstention.
        trusted: labels from a trusted oracle for a part of the sample. If given, the figures are estimates of the
            agreement with the trusted oracle, and `answers` are the run's own (prediction-powered inference).
        reasons: reasons for missing answers other than abstentions, by document id.

    Raises:
        RunError: if no document has an answer with a label.
    """
    if task.multilabel:
        sets = predicted_sets(scores, drawn, task.names)
        label, confidence = np.where(sets.scored, 0, -1), sets.confidence
    else:
        sets, (label, confidence) = None, predictions(scores, drawn, task.names)
    decisive = answers if trusted is None else trusted
    use = [i for i, one in enumerate(drawn) if label[i] >= 0 and decisive.get(one.document_id) is not None]
    if not use:
        raise RunError(
            f"evaluation: the oracle gave no label for any of {len(drawn)} documents; expected at least one label"
        )
    asked = [i for i, one in enumerate(drawn) if trusted is None or one.document_id in trusted]
    unanswered = _unanswered([drawn[i].document_id for i in asked], label[asked] >= 0, decisive, reasons or {})
    if sets is not None:
        found = figures_of_sets(sets, drawn, answers, trusted, seed=seed)
    elif trusted is not None:
        found = _powered(task, drawn, answers, trusted, label, confidence, seed=seed)
        if task.taxonomy is not None:
            tree = _measured(task, drawn, trusted, label, confidence, use, seed=seed).hierarchy
            assert tree is not None, "a taxonomy has one"
            found = replace(found, hierarchy=tree, macro_f1=tree.macro_f1 or found.macro_f1)
    else:
        found = _measured(task, drawn, answers, label, confidence, use, seed=seed)
        if found.hierarchy is not None and (inner := found.hierarchy.n - found.n):
            unanswered |= {INNER: inner}
    return replace(found, unanswered=unanswered)


def _measured(
    task: Task,
    drawn: Sequence[Sampled],
    answers: Mapping[str, str | None],
    label: Indices,
    confidence: Floats,
    use: Sequence[int],
    *,
    seed: int,
) -> Figures:
    """Return the figures from the answers for the documents at the places `use`, each of which has one."""
    answered = [drawn[i] for i in use]
    strata, sizes = merge_unanswered(drawn, answered)
    true = _places(numbers_of(task), answers, answered)
    if task.taxonomy is None:
        return figures(Sample(true, label[use], confidence[use], strata, sizes), task.names, seed=seed)
    # A label that the taxonomy no longer has is none of its nodes.
    true = np.where(true < 0, len(task.taxonomy.nodes), true)
    sample = Sample(true, task.taxonomy.leaves[label[use]], confidence[use], strata, sizes)
    return leaf_figures(sample, task, seed=seed)


def _powered(
    task: Task,
    drawn: Sequence[Sampled],
    answers: Mapping[str, str | None],
    trusted: Mapping[str, str | None],
    label: Indices,
    confidence: Floats,
    *,
    seed: int,
) -> Figures:
    """Return the flat figures from both oracles' answers.

    An inner node of a taxonomy is a class of its own if it may be a right answer, which no leaf matches; else it counts
    as no answer.
    """
    index = {name: i for i, name in enumerate(task.names)}
    names = task.names
    if task.taxonomy is not None and task.inner:
        names = (*names, "")
        index = {name: index.get(name, len(task.names)) for name in by_path(task.taxonomy)}
    scored = np.flatnonzero(label >= 0)
    rows = [drawn[i] for i in scored]
    known = [one for one in rows if (trusted.get(one.document_id) or "") in index]
    if not known:
        nothing = Estimate(0.0, 0.0, 1.0, 0)
        return Figures(0, nothing, nothing, 0.0, (), trusted=0, absent=len(task.names))
    into, sizes = nearest_answered(drawn, known), merge_unanswered(drawn, known)[1]
    strata = np.asarray([into[one.stratum] for one in rows], np.int64)
    cheap, final = (_places(index, said, rows) for said in (answers, trusted))
    powered = PoweredSample(cheap, final, label[scored], confidence[scored], strata, sizes)
    found = powered_figures(powered, names, seed=seed)
    per_class = tuple(row for row in found.per_class if row.label)
    return replace(found, per_class=per_class, absent=len(task.names) - len(per_class))


def _places(index: Mapping[str, int], said: Mapping[str, str | None], rows: Sequence[Sampled]) -> Indices:
    """Return (m,) the numbers of the labels of some documents, -1 where there is none."""
    return np.asarray([index.get(said.get(one.document_id) or "", -1) for one in rows], np.int64)


def _unanswered(
    ids: Sequence[str], scored: Bools, answers: Mapping[str, str | None], reasons: Mapping[str, str]
) -> dict[str, int]:
    """Count the documents that are missing from the figures by the reason, the most frequent first."""
    whys = [
        NOT_SCORED if answers.get(name) else reasons.get(name, ABSTAINED if name in answers else NOT_ASKED)
        for name, fine in zip(ids, scored, strict=True)
        if not fine or answers.get(name) is None
    ]
    return dict(Counter(whys).most_common())


def why_unanswered(store: Store) -> dict[str, str]:
    """Return the reason for each missing answer of the evaluation sample, abstentions apart, by document id."""
    trusted = {one.document.id for one in rechecks.pending_trusted(store.engine)}
    asked = store.queries("evaluation")
    pending = trusted | {a.query.document.id for a in asked if not a.answered}
    return Ledger(store).without_label([a.query.document.id for a in asked]) | dict.fromkeys(pending, PENDING)


def evaluate_round(run: RunFolder, round: int) -> Figures:
    """Estimate the quality of a round's model from all answers for evaluation; see `evaluate`.

    Raises:
        RunError: if no document has an answer with a label.
    """
    store, task = run.store, run.config.task.to_task()
    trusted = None if run.config.evaluation.trusted is None else rechecks.trusted_answers(store.engine)
    drawn, answers = store.sample("evaluation"), evaluation_answers(store)
    seed, reasons = run.config.seed, why_unanswered(store)
    return evaluate(run.scores(round), drawn, answers, task, seed=seed, trusted=trusted, reasons=reasons)


def evaluation_answers(store: Store) -> dict[str, str | None]:
    """The labels of the evaluation sample by document id; None for an abstention or a pending answer."""
    return {a.query.document.id: a.label for a in store.queries("evaluation")}


def decisive_answers(run: RunFolder) -> dict[str, str | None]:
    """Return the same from the trusted oracle, if there is one; a document that it was not asked about is missing."""
    if run.config.evaluation.trusted is None:
        return evaluation_answers(run.store)
    return rechecks.trusted_answers(run.store.engine)


def confidence_auc(run: RunFolder, round: int) -> float | None:
    """Return the AUC with which the confidence of a round's model separates correct answers from errors."""
    drawn, task = run.store.sample("evaluation"), run.config.task.to_task()
    # Errors of the run's own oracle would count as errors of the model, which its confidence cannot reflect.
    answers = decisive_answers(run)
    label, confidence = predictions(run.scores(round), drawn, task.names)
    use = [i for i, one in enumerate(drawn) if label[i] >= 0 and answers.get(one.document_id) is not None]
    right = np.asarray([agrees(task, task.names[label[i]], answers[drawn[i].document_id]) for i in use], np.bool_)
    return auto.confidence_auc(confidence[use], right)
