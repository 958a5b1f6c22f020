"""The accuracy of a model of an earlier version of the taxonomy, in the words of the version in force."""

import numpy as np
import pyarrow as pa

from laud_ray.data.range_files import side_by_side
from laud_ray.evaluation.measure import evaluation_answers, merge_unanswered
from laud_ray.stats import Sample
from laud_ray.stats.estimates.accuracy import estimate_accuracy
from laud_ray.storage.folder import Folder
from laud_ray.store import rechecks
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Sampled
from laud_ray.store.versions.record import history


def carried_accuracy(run: RunFolder, round: int) -> float | None:
    """Return the accuracy of a round's labels, each carried to the version in force; None if nothing can be compared.

    A label whose leaf was split or removed counts as wrong where the right one is a leaf.
    """
    store, leaves = run.store, set(run.config.task.to_task().names)
    versions = history(store.engine)
    trusted = run.config.evaluation.trusted is not None
    answers = rechecks.trusted_answers(store.engine) if trusted else evaluation_answers(store)
    drawn = store.sample("evaluation")
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
    by_range: dict[str, list[int]] = {}
    for i, one in enumerate(rows):
        by_range.setdefault(one.range, []).append(i)
    tables = side_by_side(lambda name: scores.read_table(name, ["label"]), by_range)
    for places, table in zip(by_range.values(), tables, strict=True):
        column = table.column("label").take(pa.array([rows[i].row for i in places]))
        for i, label in zip(places, column.to_pylist(), strict=True):
            found[i] = label
    return found
