"""The quality of a model of an earlier version of the taxonomy, in the words of the version in force."""

import numpy as np

from laud_ray.evaluation.measure import decisive_answers, merge_unanswered, sampled_rows
from laud_ray.stats import Sample
from laud_ray.stats.hierarchy import hierarchical_f1
from laud_ray.storage.folder import Folder
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Sampled
from laud_ray.store.versions.record import history
from laud_ray.taxonomy.lineage import NONE
from laud_ray.taxonomy.task import by_path


def carried_f1(run: RunFolder, round: int) -> float | None:
    """Return the hierarchical F1 of a round's labels, each carried to the version in force; None without any answer.

    A label whose leaf was split is an answer at the node above the new leaves; one whose leaf was removed is none.
    """
    tree = run.config.task.to_task().taxonomy
    assert tree is not None, "only a taxonomy has versions"
    node, versions = by_path(tree), history(run.store.engine)
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
    # An answer that the taxonomy no longer has is none of its nodes, as in the figures of a round.
    true = np.array([node.get(told[i] or "", len(node)) for i in use], np.int64)
    predicted = np.array([node.get(labels[i] or "", NONE) for i in use], np.int64)
    sample = Sample(true, predicted, np.ones(len(use)), strata, sizes)
    return hierarchical_f1(sample, tree.parents).value


def _labels(scores: Folder, rows: list[Sampled]) -> list[str | None]:
    """Return the labels of documents in a pass; None for an error row."""
    found: list[str | None] = [None] * len(rows)
    for i, row in sampled_rows(scores, rows, ["label"]):
        found[i] = row["label"]
    return found
