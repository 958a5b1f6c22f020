"""Rows of classes: figures are computed for the classes that occur, however many there are. Pure NumPy. k classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from laud_ray.types import ClassFigures, Indices

# Up to this number of classes each one has a row; beyond it, only those that are the label of a document.
ALL_ROWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Occurring:
    """The classes that are a label of at least one document.

    Attributes:
        k: the number of all classes.
        classes: (m,) those that occur, ascending.
    """

    k: int
    classes: Indices

    @classmethod
    def of(cls, k: int, *labels: Indices) -> "Occurring":
        """Return the classes in [0, k) that some arrays of labels have; what is outside is no class."""
        found = np.unique(np.concatenate(labels))
        return cls(k, found[(found >= 0) & (found < k)])

    @property
    def count(self) -> int:
        """m, the number of classes that occur."""
        return len(self.classes)

    def place(self, labels: Indices) -> Indices:
        """Return the place of each label among those that occur: m for the label k, -1 for -1."""
        known = np.append(self.classes, self.k)
        return np.where(labels < 0, labels, np.searchsorted(known, labels))


def class_rows(
    found: Sequence[ClassFigures], labels: Sequence[str], occurring: Occurring, all_rows: int = ALL_ROWS
) -> tuple[ClassFigures, ...]:
    """Name the figures of classes, in the order of classes.

    Args:
        found: figures of the m classes that occur, and last those of any class that does not.
        labels: the k names.
        all_rows: the largest k with a row for each class.
    """
    *rows, missing = found
    named = {c: replace(row, label=labels[c]) for c, row in zip(occurring.classes.tolist(), rows, strict=True)}
    if occurring.k > all_rows:
        return tuple(named.values())
    return tuple(named.get(c) or replace(missing, label=label) for c, label in enumerate(labels))
