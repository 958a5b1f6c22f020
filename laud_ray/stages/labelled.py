"""Figures of a model on a labelled file of the user's."""

from dataclasses import dataclass

import numpy as np

from laud_ray import sources
from laud_ray.errors import CorpusError
from laud_ray.estimation import Sample, figures
from laud_ray.labels import known_labels, no_known_label
from laud_ray.texts import normalise_text
from laud_ray.types import Figures, Floats, Indices, Scorer, Task


@dataclass(frozen=True, slots=True)
class LabelledFigures:
    """Figures of a file.

    Attributes:
        skipped: rows without a readable text and label, which cannot count.
        unknown_labels: rows whose label is not one of the task's.
    """

    figures: Figures
    skipped: int
    unknown_labels: int


def check_labelled(task: Task, path: str, *, text: str, label: str) -> None:
    """Find out before a model is loaded whether a file can say anything about it.

    Raises:
        CorpusError: if a file or column is missing, or the column holds labels and none of them is the task's.
    """
    known, others = known_labels(task), set[str]()
    for rows in sources.read(path, [text, label]):
        for cell in rows.columns[1]:
            found = (cell or b"").decode(errors="replace")
            if found in known:
                return
            if found and len(others) < 3:
                others.add(found)
    if others:
        raise no_known_label(task, path, label, others)


def evaluate_labelled(scorer: Scorer, task: Task, path: str, *, text: str, label: str, seed: int) -> LabelledFigures:
    """Score a file in a stream and compare with its labels.

    A label that is not one of the task's counts as a class of its own, which the model cannot get right; in a
    binary task, as everything but the positive one, it is `other`.

    Raises:
        CorpusError: if a file or column is missing, no row has both a text and a label, or no label is the task's.
    """
    check_labelled(task, path, text=text, label=label)
    known, unknown = known_labels(task), 0
    names = list(task.names)
    index = {name: i for i, name in enumerate(names)}
    true: list[int] = []
    parts: list[tuple[Indices, Floats]] = []
    skipped = 0
    for rows in sources.read(path, [text, label]):
        decoded = [_decode(t, g) for t, g in zip(*rows.columns, strict=True)]
        usable = [pair for pair in decoded if pair is not None]
        skipped += len(decoded) - len(usable)
        for _, gold in usable:
            unknown += gold not in known
            kept = gold if task.kind == "multiclass" or gold == names[0] else names[1]
            true.append(index.setdefault(kept, len(index)))
        if usable:
            proba = scorer.score([t for t, _ in usable])
            parts.append((proba.argmax(1), proba.max(1)))
    if not parts:
        raise CorpusError(f"{path}: no row has both {text!r} and {label!r}; expected at least one")
    predicted, confidence = (np.concatenate(column) for column in zip(*parts, strict=True))
    sample = Sample(
        np.asarray(true, np.int64),
        predicted,
        confidence.clip(0, 1),
        np.zeros(len(true), np.int64),
        sizes=None,
    )
    return LabelledFigures(figures(sample, list(index), seed=seed), skipped, unknown)


def _decode(text: bytes | None, label: bytes | None) -> tuple[str, str] | None:
    try:
        plain = normalise_text((text or b"").decode())
        gold = (label or b"").decode()
    except UnicodeDecodeError:
        return None
    return (plain, gold) if plain and gold else None
