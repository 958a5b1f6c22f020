"""The quality of a model of an earlier version of the labels, in the words of the version in force."""

import numpy as np

from laud_ray.evaluation.measure import decisive_answers, merge_unanswered, sampled_rows
from laud_ray.stats import Sample
from laud_ray.stats.estimates.accuracy import estimate_accuracy
from laud_ray.stats.hierarchy import hierarchical_f1
from laud_ray.storage.folder import Folder
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Sampled
from laud_ray.store.versions.record import history
from laud_ray.taxonomy.lineage import NONE
from laud_ray.taxonomy.task import by_path


def carried_quality(run: RunFolder, round: int) -> float | None:
    """Return the accuracy of a round's labels, or their hierarchical F1 in a taxonomy, each carried to today's version.

    A label whose leaf was split is an answer at the node above the new leaves; one whose leaf was removed is none. A
    label of a flat task that was split or removed is wrong.

    Returns:
        None without any answer.
    """
    task = run.config.task.to_task()
    tree = task.taxonomy
    node = {name: i for i, name in enumerate(task.names)} if tree is None else by_path(tree)
    versions = history(run.store.engine)
    answers, drawn = decisive_answers(run), run.store.sample("evaluation")
    labels = _labels(run.scores(round), drawn)
    told = [answers.get(one.document_id) for one in drawn]
    use = [i for i, label in enumerate(labels) if label is not None and told[i] is not None]
    if not use:
        return None
    if versions is not None:
        version = versions.of_round(round)
        labels = [versions.carry(one, version).label for one in labels]
    strata, sizes = merge_unanswered(drawn, [drawn[i] for i in use])
    # An answer that the task no longer has is none of its labels, as in the figures of a round.
    true = np.array([node.get(told[i] or "", len(node)) for i in use], np.int64)
    predicted = np.array([node.get(labels[i] or "", NONE) for i in use], np.int64)
    sample = Sample(true, predicted, np.ones(len(use)), strata, sizes)
    return estimate_accuracy(sample).value if tree is None else hierarchical_f1(sample, tree.parents).value


def _labels(scores: Folder, rows: list[Sampled]) -> list[str | None]:
    """Return the labels of documents in a pass; None for an error row."""
    found: list[str | None] = [None] * len(rows)
    for i, row in sampled_rows(scores, rows, ["label"]):
        found[i] = row["label"]
    return found
