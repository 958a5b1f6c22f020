"""Measure the oracles of a run by the trusted one's answers about the same random documents."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from laud_ray.evaluation.carried import carried_labels
from laud_ray.evaluation.strata import nearest_answered
from laud_ray.quality.oracles.accuracy import NONE, Accuracy, accuracy
from laud_ray.quality.oracles.answers import Reply
from laud_ray.quality.oracles.split import correlation
from laud_ray.quality.oracles.thresholds import Calibration, calibrate
from laud_ray.quality.oracles.worth import effective, per_right
from laud_ray.report.oracle.page import Price
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Sampled
from laud_ray.taxonomy.task import by_path
from laud_ray.types import Estimate, Floats, Indices

Unit: TypeAlias = Literal["dollars", "seconds"]


@dataclass(frozen=True, slots=True)
class Truth:
    """The right labels of random documents, and a model's predictions on the whole sample.

    Attributes:
        drawn: the evaluation sample.
        labels: the trusted oracle's by document; documents without a label are left out.
        predicted: the current model's, by document; None if its scores are not there.
    """

    names: tuple[str, ...]
    drawn: tuple[Sampled, ...]
    labels: Mapping[str, str]
    predicted: Mapping[str, str] | None

    def rows(self, documents: Collection[str]) -> list[Sampled]:
        """Return the rows of the sample that are about these documents; a text that occurs twice may have two."""
        return [one for one in self.drawn if one.document_id in documents]

    def weights(self, rows: Sequence[Sampled]) -> Floats:
        """Return (n,) documents of the corpus that each of n rows of the sample represents."""
        into, sizes = self._strata(rows)
        strata = [into[one.stratum] for one in rows]
        sampled = Counter(strata)
        return np.array([sizes[h] / sampled[h] for h in strata])

    def _strata(self, some: Sequence[Sampled]) -> tuple[dict[int, int], dict[int, int]]:
        """Merge each stratum without one of these documents into the nearest; return the map, and the sizes."""
        into = nearest_answered(self.drawn, some)
        sizes: dict[int, int] = {}
        for stratum, size in {one.stratum: one.stratum_size for one in self.drawn}.items():
            sizes[into[stratum]] = sizes.get(into[stratum], 0) + size
        return into, sizes

    def accuracy_of(self, replies: Mapping[str, Reply]) -> Accuracy | None:
        """Estimate the accuracy of an oracle's labels of sampled documents; None if none has a trusted label."""
        rows = self.rows(replies)
        both = [one for one in rows if replies[one.document_id].label is not None and one.document_id in self.labels]
        if not both:
            return None
        into, sizes = self._strata(both)
        given = self._indices(rows, {name: one.label for name, one in replies.items()})
        trusted = self._indices(rows, self.labels)
        strata = np.asarray([into[one.stratum] for one in rows], np.int64)
        return accuracy(given, trusted, strata, sizes, self._predictions(rows))

    def _predictions(self, rows: Sequence[Sampled]) -> Indices | None:
        return None if self.predicted is None else self._indices(rows, self.predicted)

    def _indices(self, rows: Sequence[Sampled], said: Mapping[str, str | None] | Mapping[str, str]) -> Indices:
        index = {name: i for i, name in enumerate(self.names)}
        return np.asarray([index.get(said.get(one.document_id) or "", NONE) for one in rows], np.int64)

    def calibration_of(self, replies: Mapping[str, Reply], wanted: float, seed: int) -> Calibration | None:
        """Describe the confidence of an oracle, also of answers below its threshold; None if nothing is known."""
        known = {
            name: (one.confidence, one.leaning == self.labels[name])
            for name, one in replies.items()
            if one.leaning is not None and one.confidence is not None and name in self.labels
        }
        if not (rows := self.rows(known)):
            return None
        confidence, right = zip(*(known[one.document_id] for one in rows), strict=True)
        sure, good = np.clip(confidence, 0, 1), np.asarray(right, np.bool_)
        return calibrate(sure, good, wanted, weights=self.weights(rows), seed=seed)

    def correlation_of(self, replies: Mapping[str, Reply], seed: int) -> Estimate | None:
        """Return the correlation of the current model's being right by an oracle, and by the trusted one."""
        if self.predicted is None:
            return None
        cheap = {name: one.label for name, one in replies.items() if one.label is not None}
        if not (rows := self.rows(cheap.keys() & self.labels.keys() & self.predicted.keys())):
            return None
        by_trusted, by_cheap = (
            np.asarray([said[one.document_id] == self.predicted[one.document_id] for one in rows], np.bool_)
            for said in (self.labels, cheap)
        )
        return correlation(by_trusted, by_cheap, self.weights(rows), seed=seed)

    def price(
        self, replies: Mapping[str, Reply], unit: Unit, found: Accuracy | None, classes: int, *, right: bool
    ) -> Price | None:
        """Return what an oracle's labels cost; None if that is unknown of a document, or there is no label.

        Args:
            right: whether its labels are the truth, all of them right.
        """
        rows = self.rows(replies)
        costs = [
            replies[one.document_id].dollars if unit == "dollars" else replies[one.document_id].seconds for one in rows
        ]
        known = [cost for cost in costs if cost is not None]
        labelled = np.array([replies[one.document_id].label is not None for one in rows], np.bool_)
        if not labelled.any() or len(known) < len(costs):
            return None
        weights = self.weights(rows)
        each = float((weights * np.array(known)).sum() / weights[labelled].sum())
        if right:
            sure = Estimate(each, each, each, int(labelled.sum()))
            return Price(each, sure, sure)
        if found is None:
            return Price(each, None, None)
        return Price(each, per_right(each, found.estimate), effective(each, found.estimate, classes))


def truth_of(run: RunFolder, labels: Mapping[str, str]) -> Truth:
    """Return what a run knows of the right labels; `labels` are the trusted oracle's by document.

    An inner node of a taxonomy is a right label if the task has it as an answer; else the right leaf is not known.
    """
    task = run.config.task.to_task()
    names = task.names if task.taxonomy is None or not task.inner else tuple(by_path(task.taxonomy))
    known = set(names)
    drawn = tuple(run.store.sample("evaluation"))
    right = {document: label for document, label in labels.items() if label in known}
    return Truth(names, drawn, right, _predicted(run, drawn))


def _predicted(run: RunFolder, drawn: Sequence[Sampled]) -> dict[str, str] | None:
    """Return the predictions of the current model, or of the latest, on the sample; None if its scores are gone.

    Those of a model with the labels of an earlier version are carried to the version in force.
    """
    history, current = run.store.history(), run.store.setting("current")
    if not history or not drawn:
        return None
    shown = next((one for one in history if one.model == current), history[-1])
    scores = run.scores(shown.number)
    if not {one.range for one in drawn} <= set(scores.names()):
        return None
    said = carried_labels(run, drawn, shown.number)
    return {one.document_id: label for one, label in zip(drawn, said, strict=True) if label}
