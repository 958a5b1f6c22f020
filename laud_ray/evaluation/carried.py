"""The accuracy of a model of an earlier version of the taxonomy, in the words of the version in force."""

import numpy as np

from laud_ray.evaluation.measure import decisive_answers, merge_unanswered, sampled_rows
from laud_ray.stats import Sample
from laud_ray.stats.estimates.accuracy import estimate_accuracy
from laud_ray.storage.folder import Folder
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Sampled
from laud_ray.store.versions.record import history


def carried_accuracy(run: RunFolder, round: int) -> float | None:
    """Return the accuracy of a round's labels, each carried to the version in force; None if nothing can be compared.

    A label whose leaf was split or removed counts as wrong where the right one is a leaf.
    """
    store, leaves = run.store, set(run.config.task.to_task().names)
    versions = history(store.engine)
    answers, drawn = decisive_answers(run), store.sample("evaluation")
    labels = _labels(run.scores(round), drawn)
    if versions is not None:
        version = versions.of_round(round)
        labels = [None if one is None else versions.carry(one, version).label or "" for one in labels]
    use = [i for i, one in enumerate(drawn) if labels[i] is not None and answers.get(one.document_id) in leaves]
    if not use:
        return None
    strata, sizes = merge_unanswered(drawn, [drawn[i] for i in use])
    right = np.array([labels[i] == answers[drawn[i].document_id] for i in use], np.int64)
    sample = Sample(np.ones(len(use), np.int64), right, np.ones(len(use)), strata, sizes)
    return estimate_accuracy(sample).value


def _labels(scores: Folder, rows: list[Sampled]) -> list[str | None]:
    """Return the labels of documents in a pass; None for an error row."""
    found: list[str | None] = [None] * len(rows)
    for i, row in sampled_rows(scores, rows, ["label"]):
        found[i] = row["label"]
    return found
