"""Labels of a model of an earlier version of the labels, in the words of the version in force."""

from collections.abc import Sequence

import numpy as np

from laud_ray.evaluation.measure import decisive_answers, sampled_rows
from laud_ray.evaluation.strata import merge_unanswered
from laud_ray.stats import Sample
from laud_ray.stats.estimates.accuracy import estimate_accuracy
from laud_ray.stats.hierarchy import hierarchical_f1
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Sampled
from laud_ray.store.versions.record import history
from laud_ray.taxonomy.lineage import NONE
from laud_ray.taxonomy.task import numbers_of
from laud_ray.types import Indices


def carried_quality(run: RunFolder, round: int) -> float | None:
    """Return the accuracy of a round's labels, or their hierarchical F1 in a taxonomy, each carried to today's version.

    Returns:
        None without any answer.
    """
    tree, found = run.config.task.to_task().taxonomy, carried_samples(run, run.store.sample("evaluation"), [round])
    if not found:
        return None
    return estimate_accuracy(found[0]).value if tree is None else hierarchical_f1(found[0], tree.parents).value


def carried_samples(run: RunFolder, rows: Sequence[Sampled], rounds: Sequence[int]) -> list[Sample]:
    """Return a sample for each of some rounds' models, of the same documents: those with a label and scores of all.

    An answer that the task no longer has is none of its labels, as in the figures of a round. The result is empty if no
    document is left.
    """
    answers, index = decisive_answers(run), numbers_of(run.config.task.to_task())
    told = [carried_labels(run, rows, round) for round in rounds]
    right = [answers.get(one.document_id) for one in rows]
    use = [i for i, label in enumerate(right) if label is not None and all(labels[i] is not None for labels in told)]
    if not use:
        return []

    def places(labels: Sequence[str | None], missing: int) -> Indices:
        return np.array([index.get(labels[i] or "", missing) for i in use], np.int64)

    strata, sizes = merge_unanswered(rows, [rows[i] for i in use])
    true = places(right, len(index))
    return [Sample(true, places(labels, NONE), np.ones(len(use)), strata, sizes) for labels in told]


def carried_labels(run: RunFolder, rows: Sequence[Sampled], round: int) -> list[str | None]:
    """Return the labels of documents by a round's model, in the words of today's version.

    A label whose leaf was split is an answer at the node above the new leaves; one whose leaf was removed is none. A
    label of a flat task that was split or removed is wrong.

    Returns:
        None for a document that the model could not score, and "" for a label that today's version lacks.
    """
    found: list[str | None] = [None] * len(rows)
    for i, row in sampled_rows(run.scores(round), rows, ["label"]):
        found[i] = row["label"]
    versions = history(run.store.engine)
    if versions is None:
        return found
    version = versions.of_round(round)
    return [None if one is None else versions.carry(one, version).label or "" for one in found]
