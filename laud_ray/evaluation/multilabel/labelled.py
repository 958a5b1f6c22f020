"""Sets of labels in a labelled file of the user: what they are, and what a model predicts in their place."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from laud_ray.data import sources
from laud_ray.data.formats.cells import SetColumn
from laud_ray.data.label_counts import LabelCounts, TwoLabels
from laud_ray.errors import CorpusError
from laud_ray.label_cells import parts_of, separator_in, set_of, several_labels, unknown_in
from laud_ray.label_sets import masks
from laud_ray.labels import Unknown, known_labels, no_known_label
from laud_ray.passes.scoring import score_texts
from laud_ray.printable import quoted
from laud_ray.stats.multilabel.decisions import exclusive_columns
from laud_ray.stats.multilabel.figures import multilabel_figures
from laud_ray.stats.multilabel.rules import Rules, whole_set
from laud_ray.stats.multilabel.sample import MultilabelSample, ranking_precision
from laud_ray.storage.text_reading import Reading
from laud_ray.types import Bools, Figures, Floats, MultilabelScorer, Task


def check_sets(task: Task, path: str, *, text: str, label: str, reading: Reading) -> None:
    """Check that a column holds labels of the task; see `laud_ray.evaluation.labelled_file.check_labelled`."""
    known, others = known_labels(task), LabelCounts()
    for rows in sources.read(path, [text, SetColumn(label)], reading):
        cells = {(cell or b"").decode(errors="replace") for cell in rows.columns[1]}
        parts = [part for cell in cells for part in parts_of(cell, task.separator, known.names) or ()]
        if task.separator is None and (several := separator_in(parts, known)) is not None:
            raise CorpusError(
                f"{path}: the column {label!r} holds {several_labels(several, known)}, and the task has no separator; "
                f"expected lists, or a run with task.separator: {quoted(several[1])}"
            )
        if any(known.find(part) is not None for part in parts):
            return
        others.add(parts)
    if others.rows:
        raise no_known_label(task, path, label, known.unknown(others.counts))


class SetsInFile:
    """Collects the true sets of labels of a file's rows, and the sets that a model predicts.

    A label that the task does not have is left out of a document's set, as a replay oracle leaves it out. An empty list
    is an answer: no label applies.

    Attributes:
        two: texts with different sets.
        strange: labels that the task does not have.
        unknown_rows: rows with such labels.
        failures: why texts cannot be scored.
    """

    def __init__(self, scorer: MultilabelScorer, task: Task) -> None:
        groups = exclusive_columns(task.exclusive, task.names)
        self._scorer, self._task = scorer, task
        self._rules = Rules(np.asarray(scorer.thresholds, np.float64), task.at_most, groups)
        self._known = known_labels(task)
        self._parts: list[tuple[npt.NDArray[np.int8], Bools, Floats, Floats]] = []
        self.two, self.strange, self.unknown_rows = TwoLabels(), LabelCounts(), 0
        self.failures: list[str] = []

    def answered(self, cell: str) -> str:
        """Return a cell that says which labels apply, if only that none does, as it is; an empty text for others."""
        return "" if set_of(cell, self._known) is None else cell

    def add(self, texts: Sequence[str], cells: Sequence[str]) -> list[str]:
        """Score texts, and keep the predictions beside the labels in their cells; return the texts that were scored."""
        answers = [found.text for cell in cells if (found := set_of(cell, self._known)) is not None]
        true = masks(answers, self._task.names)
        applies, precision, confidence = np.zeros(true.shape, np.bool_), np.zeros(len(texts)), np.zeros(len(texts))

        def keep(start: int, proba: Floats) -> None:
            rows = slice(start, start + len(proba))
            applies[rows] = self._rules.applies(proba)
            precision[rows] = ranking_precision(true[rows], proba)
            confidence[rows] = whole_set(proba, applies[rows])

        _, unscored = score_texts(self._scorer, texts, keep=keep)
        self.failures += unscored.values()
        scored = [i for i in range(len(texts)) if i not in unscored]
        self._parts.append((true[scored], applies[scored], precision[scored], confidence[scored]))
        self.two.add([texts[i] for i in scored], [answers[i] for i in scored])
        for i in scored:
            if strange := unknown_in(cells[i], self._known):
                self.unknown_rows += 1
                self.strange.add(strange)
        return [texts[i] for i in scored]

    def unknown(self) -> tuple[Unknown, ...]:
        """Return the most frequent labels that the task does not have."""
        return self._known.unknown(self.strange.counts)

    @property
    def rows(self) -> int:
        """The number of rows that were scored."""
        return sum(len(one[0]) for one in self._parts)

    def figures(self, seed: int) -> Figures:
        """Return the figures of all rows, at least one, as a simple random sample."""
        true, applies, precision, confidence = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        sample = MultilabelSample(
            true, applies, precision, confidence.clip(0, 1), np.zeros(len(true), np.int64), sizes=None
        )
        return multilabel_figures(sample, self._task.names, seed=seed)
