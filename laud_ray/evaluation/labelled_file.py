"""Figures of a model on a labelled file of the user."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from laud_ray.data import sources
from laud_ray.data.formats.cells import SetColumn
from laud_ray.data.label_counts import LabelCounts, TwoLabels
from laud_ray.data.seen import Seen
from laud_ray.errors import CorpusError
from laud_ray.evaluation.multilabel.labelled import SetsInFile, check_sets
from laud_ray.evaluation.outside import Outside
from laud_ray.labels import Unknown, known_labels, no_known_label
from laud_ray.passes.scoring import score_texts
from laud_ray.stats import Sample, figures
from laud_ray.stats.hierarchy import leaf_figures
from laud_ray.stats.legibility import ENOUGH, Legibility, LegibleScorer
from laud_ray.storage.text_reading import AS_FOUND, Reading
from laud_ray.taxonomy.task import numbers_of
from laud_ray.texts import cut, normalise_text
from laud_ray.types import Figures, Floats, Indices, MultilabelScorer, Scorer, Task

_NOWHERE = -1


class _Best:
    """Collects the likeliest label of each of n texts, and its probability, without an (n, k) matrix."""

    def __init__(self, n: int) -> None:
        self.label, self.confidence = np.zeros(n, np.int64), np.zeros(n, np.float32)

    def add(self, start: int, proba: Floats) -> None:
        rows = slice(start, start + len(proba))
        self.label[rows], self.confidence[rows] = proba.argmax(1), proba.max(1)


class _Truths:
    """Collects the numbers of the true labels of rows: of classes, or in a taxonomy of nodes.

    Attributes:
        places: by row; _NOWHERE for a label that is none of them.
        partly: rows whose label is a path that begins in the taxonomy, and ends outside it.
        outside: the parents of the nodes that the taxonomy lacks, see `laud_ray.evaluation.outside`.
    """

    def __init__(self, task: Task) -> None:
        tree = task.taxonomy
        self._index = numbers_of(task)
        self._outside = None if tree is None else Outside(tree)
        self.places: list[int] = []
        self.partly = 0

    @property
    def outside(self) -> Sequence[int]:
        return () if self._outside is None else self._outside.parents

    def add(self, labels: Sequence[str], classes: Sequence[str | None]) -> None:
        """Add the labels of rows, and the names of the classes or nodes that they name."""
        for label, name in zip(labels, classes, strict=True):
            place = self._index.get(name or "", _NOWHERE)
            if place == _NOWHERE and self._outside is not None and (found := self._outside.place(label)) is not None:
                place, known = found
                self.partly += known > 0
            self.places.append(place)

    def numbers(self) -> Indices:
        """Return (n,) the numbers; a label that is none of them has the next one."""
        places = np.asarray(self.places, np.int64)
        return np.where(places == _NOWHERE, len(self._index) + len(self.outside), places)


@dataclass(frozen=True, slots=True)
class LabelledFigures:
    """Figures of a file.

    Attributes:
        left_out: rows that are left out, by the reason.
        unknown_labels: rows whose label the task does not have.
        unknown: the most frequent of those labels.
        two_labels: texts that occur with two different labels, one of which is wrong.
        partly_known: rows of these whose label is a path that begins in the taxonomy, and ends outside it.
        above_leaves: rows whose label is an inner node of a taxonomy that is known no deeper; they are not in the flat
            figures.
        legibility: the share of unknown tokens in the texts; empty if the tokenizer has no unknown tokens.
    """

    figures: Figures
    left_out: Mapping[str, int]
    unknown_labels: int
    unknown: tuple[Unknown, ...] = ()
    two_labels: int = 0
    legibility: Legibility = field(default_factory=Legibility)
    above_leaves: int = 0
    partly_known: int = 0


def check_labelled(task: Task, path: str, *, text: str, label: str, reading: Reading = AS_FOUND) -> None:
    """Check before a model is loaded that a file can be used to evaluate it.

    Raises:
        CorpusError: if a file or column is missing, or the column holds labels and the task has none of them.
    """
    if text == label:
        raise CorpusError(f"--label {label}: is also the column of the texts; expected another column")
    sources.require_columns(path, [text, label], reading)
    if task.multilabel:
        check_sets(task, path, text=text, label=label, reading=reading)
        return
    known, others = known_labels(task), LabelCounts()
    for rows in sources.read(path, [text, label], reading):
        found = [normalise_text((cell or b"").decode(errors="replace")) for cell in rows.columns[1]]
        if any(known.find(one) is not None for one in set(found)):
            return
        others.add([one for one in found if one])
    if others.rows:
        raise no_known_label(task, path, label, known.unknown(others.counts))


def evaluate_labelled(
    scorer: Scorer,
    task: Task,
    path: str,
    *,
    text: str,
    label: str,
    seed: int,
    max_chars: int,
    reading: Reading = AS_FOUND,
    seen: Seen | None = None,
) -> LabelledFigures:
    """Score a file in a stream and compare the predictions with its labels.

    A document with a label that the task does not have counts as an error; if the label is a path that begins in a
    taxonomy, only below its deepest node that the taxonomy has. Such a label is no class of macro-F1, which
    is the mean over the task's classes. In a binary task it is `other`. A label of a taxonomy may be an inner node:
    `laud_ray.stats.hierarchy.leaf_figures` says how it counts. In a multilabel task, labels that the task does not have
    are left out of the sets; see `laud_ray.evaluation.multilabel.labelled`.

    Args:
        max_chars: longer texts are truncated, as in the run's corpus.
        reading: the stated format of text files.
        seen: collects notes on how they were read.

    Raises:
        CorpusError: if a file or column is missing, no row has both a text and a label, the task has none of the
            labels, or no text can be scored.
        EngineError: if the model's engine fails for any text.
    """
    check_labelled(task, path, text=text, label=label, reading=reading)
    if isinstance(scorer, MultilabelScorer):
        sets, rows_read = SetsInFile(scorer, task), sources.read(path, [text, SetColumn(label)], reading, seen)
        return _of_sets(sets, scorer, rows_read, f"{path}: no row has both {text!r} and {label!r}", max_chars, seed)
    known = known_labels(task)
    strange, two = LabelCounts(), TwoLabels()
    truths = _Truths(task)
    parts: list[tuple[Indices, Floats]] = []
    left_out, legible, failures = Counter[str](), Legibility(), list[str]()
    for rows in sources.read(path, [text, label], reading, seen):
        usable = list(_usable(rows, max_chars, left_out))
        if not usable:
            continue
        best = _Best(len(usable))
        _, unscored = score_texts(scorer, [one for one, _ in usable], keep=best.add)
        failures += unscored.values()
        scored = [i for i in range(len(usable)) if i not in unscored]
        texts, golds = [usable[i][0] for i in scored], [usable[i][1] for i in scored]
        strange.add(Counter(gold for gold in golds if known.find(gold) is None))
        classes = [known.find_class(gold) for gold in golds]
        truths.add(golds, classes)
        two.add(texts, [one or gold for one, gold in zip(classes, golds, strict=True)])
        if isinstance(scorer, LegibleScorer):
            legible += scorer.legibility(texts[:ENOUGH])
        parts.append((best.label[scored], best.confidence[scored]))
    if failures:
        left_out[f"cannot be scored (first: {failures[0]})"] = len(failures)
    if failures and not truths.places:
        raise CorpusError(f"{path}: none of its {len(failures):,} texts can be scored; the first: {failures[0]}")
    if not parts:
        raise CorpusError(f"{path}: no row has both {text!r} and {label!r}; expected at least one")
    predicted, confidence = (np.concatenate(column) for column in zip(*parts, strict=True))
    predicted = predicted if task.taxonomy is None else task.taxonomy.leaves[predicted]
    one_stratum = np.zeros(len(predicted), np.int64)
    sample = Sample(truths.numbers(), predicted, confidence.clip(0, 1), one_stratum, sizes=None)
    if task.taxonomy is None:
        found = figures(sample, task.names, seed=seed)
    else:
        found = leaf_figures(sample, task, seed=seed, outside=truths.outside)
    return LabelledFigures(
        found,
        dict(left_out.most_common()),
        strange.rows,
        known.unknown(strange.counts),
        two.count(),
        legible,
        len(sample) - found.n,
        truths.partly,
    )


def _of_sets(
    sets: SetsInFile, scorer: Scorer, parts: Iterable[sources.Rows], nothing: str, max_chars: int, seed: int
) -> LabelledFigures:
    """Return the figures of the rows of a file whose labels are sets."""
    left_out, legible = Counter[str](), Legibility()
    for rows in parts:
        if usable := list(_usable(rows, max_chars, left_out, sets.answered, "labels")):
            texts, cells = zip(*usable, strict=True)
            scored = sets.add(texts, cells)
            if isinstance(scorer, LegibleScorer):
                legible += scorer.legibility(scored[:ENOUGH])
    if sets.failures:
        left_out[f"cannot be scored (first: {sets.failures[0]})"] = len(sets.failures)
    if not sets.rows:
        raise CorpusError(f"{nothing}, of which the model can score one; expected at least one")
    return LabelledFigures(
        sets.figures(seed),
        dict(left_out.most_common()),
        sets.unknown_rows,
        sets.unknown(),
        sets.two.count(),
        legible,
    )


def _usable(
    rows: sources.Rows,
    max_chars: int,
    left_out: Counter[str],
    label_of: Callable[[str], str] = normalise_text,
    what: str = "a label",
) -> Iterator[tuple[str, str]]:
    """Yield the normalised, truncated text and the label of each row with both; count other rows in `left_out`.

    `label_of` returns the label in a cell, an empty text if there is none; `what` says in words what cells hold.
    """
    for pair in zip(*rows.columns, strict=True):
        try:
            text, cell = ((one or b"").decode() for one in pair)
        except UnicodeDecodeError:
            left_out["not UTF-8"] += 1
            continue
        text, label = normalise_text(text), label_of(cell)
        if text and label:
            yield cut(text, max_chars), label
        else:
            left_out["without a text" if label else f"without {what}" if text else "without both"] += 1
