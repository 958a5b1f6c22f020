"""The rules by which a multilabel model decides which labels apply. n documents, k labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from laud_ray.stats.multilabel.decisions import decide, exclusive_columns
from laud_ray.types import Bools, Floats, Indices

KIND = "multilabel"


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """The thresholds and limits of a multilabel model.

    Attributes:
        thresholds: (k,) the probability from which on a label applies.
        at_most: the most labels of a document; None for no limit.
        exclusive: groups of labels, by their columns, of which at most one applies.
    """

    thresholds: Floats
    at_most: int | None = None
    exclusive: tuple[tuple[int, ...], ...] = ()

    @staticmethod
    def of(description: Mapping[str, Any]) -> "Rules | None":
        """Return the rules in the description of a model, model.json; None for a model of another kind of task.

        Raises:
            ValueError: if there is not one threshold in [0, 1] for each label.
        """
        if description.get("kind_of_task") != KIND:
            return None
        names = description["labels"]
        thresholds = np.asarray(description["thresholds"], np.float64)
        if thresholds.shape != (len(names),) or not ((thresholds >= 0) & (thresholds <= 1)).all():
            raise ValueError(
                f"thresholds: are not valid; expected {len(names)} numbers from 0 to 1, one for each label"
            )
        groups = exclusive_columns(description.get("exclusive") or (), names)
        return Rules(thresholds, description.get("at_most"), tuple(one for one in groups if len(one) > 1))

    def applies(self, proba: Floats) -> Bools:
        """Map (n, k) probabilities to (n, k) whether a label applies."""
        return decide(proba, self.thresholds, at_most=self.at_most, exclusive=self.exclusive)

    def margin(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n,) distances of the probability that is nearest to its threshold."""
        nearest: Floats = np.abs(proba.astype(np.float64) - self.thresholds).min(axis=1)
        return nearest


def whole_set(proba: Floats, applies: Bools) -> Floats:
    """Return the (n,) probabilities that predicted sets are exactly right, if labels are independent of each other.

    Args:
        proba: (n, k) in [0, 1].
        applies: (n, k) the predicted sets.
    """
    right = np.where(applies, proba, 1 - proba.astype(np.float64))
    product: Floats = right.prod(axis=1)
    return product


def sets(proba: Floats, applies: Bools) -> list[list[int]]:
    """Return the predicted set of each of n documents: the columns of its labels, likeliest first."""
    rows, columns = ranked(proba, applies)
    ends = np.cumsum(np.bincount(rows, minlength=len(proba)))
    return [one.tolist() for one in np.split(columns, ends[:-1])] if len(proba) else []


def ranked(proba: Floats, applies: Bools) -> tuple[Indices, Indices]:
    """Return the document and the column of each label of all predicted sets: by document, the likeliest first.

    Only the labels that apply are sorted, which are few.
    """
    rows, columns = np.nonzero(applies)
    order = np.lexsort((-proba[rows, columns], rows))
    return rows[order], columns[order]
