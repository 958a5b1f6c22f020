"""Two models' labels for the same documents of the evaluation sample, in the words of the labels in force."""

from collections.abc import Sequence

import numpy as np

from laud_ray.data.generations.manifest import number_of
from laud_ray.evaluation.measure import decisive_answers, merge_unanswered, sampled_rows
from laud_ray.stats import Sample
from laud_ray.steps.work import Work
from laud_ray.store.store import Sampled
from laud_ray.store.versions.record import history
from laud_ray.types import Indices


def sampled_in(work: Work, numbers: Sequence[int], *, without: bool = False) -> list[Sampled]:
    """Return the documents of the evaluation sample in some generations, or in all others."""
    return [one for one in work.store.sample("evaluation") if (number_of(one.range) in numbers) != without]


def samples(work: Work, rows: Sequence[Sampled], rounds: Sequence[int]) -> list[Sample]:
    """Return a sample for each of some rounds' models, of the same documents: those with a label and scores of all.

    A label that is no longer one of the task's counts as wrong. The result is empty if no document is left.
    """
    answers = decisive_answers(work.run)
    told = [_labels(work, rows, round) for round in rounds]
    use = [
        i
        for i, one in enumerate(rows)
        if answers.get(one.document_id) is not None and all(labels[i] is not None for labels in told)
    ]
    if not use:
        return []
    names = dict.fromkeys([*work.task.names, *(str(answers[rows[i].document_id]) for i in use)])
    index = {name: i for i, name in enumerate(names)}
    strata, sizes = merge_unanswered(rows, [rows[i] for i in use])

    def places(labels: Sequence[str | None]) -> Indices:
        return np.asarray([index.get(labels[i] or "", -1) for i in use], np.int64)

    true = places([answers.get(one.document_id) for one in rows])
    return [Sample(true, places(labels), np.ones(len(use)), strata, sizes) for labels in told]


def _labels(work: Work, rows: Sequence[Sampled], round: int) -> list[str | None]:
    """Return the labels of documents by a round's model; None for one that it could not score."""
    found: list[str | None] = [None] * len(rows)
    versions = history(work.store.engine)
    for i, row in sampled_rows(work.run.scores(round), rows, ["label"]):
        found[i] = row["label"]
    if versions is None:
        return found
    version = versions.of_round(round)
    return [None if one is None else versions.carry(one, version).label or "" for one in found]
