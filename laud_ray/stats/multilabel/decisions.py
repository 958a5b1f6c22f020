"""Decide which labels apply, from probabilities and thresholds. n documents, k labels."""

from collections.abc import Sequence

import numpy as np

from laud_ray.types import Bools, Floats, Indices


def decide(
    proba: Floats, thresholds: Floats, *, at_most: int | None = None, exclusive: Sequence[Sequence[int]] = ()
) -> Bools:
    """Map (n, k) independent probabilities to (n, k) whether a label applies.

    A label applies if its probability reaches its threshold. Of labels that exclude each other only the one that
    exceeds its threshold by most applies, and of more than `at_most` labels only as many, chosen alike; of equal ones
    the first in the order of the labels.

    Args:
        proba: in [0, 1]; rows need not sum to 1.
        thresholds: (k,) in [0, 1].
        at_most: the most labels of a document; None for no limit.
        exclusive: groups of labels, by their columns, of which at most one applies.

    Raises:
        ValueError: if the shapes differ.
    """
    if proba.ndim != 2 or thresholds.shape != (proba.shape[1],):
        raise ValueError(f"proba {proba.shape}, thresholds {thresholds.shape}; expected (n, k) and (k,)")
    excess = proba.astype(np.float64) - thresholds
    applies: Bools = excess >= 0
    for group in exclusive:
        columns = np.asarray(group, np.int64)
        applies[:, columns] &= _first(excess[:, columns], 1)
    if at_most is not None and at_most < proba.shape[1]:
        applies &= _first(np.where(applies, excess, -np.inf), at_most)
    return applies


def exclusive_columns(groups: Sequence[Sequence[str]], names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return groups of labels as groups of columns; labels that `names` lacks are left out."""
    index = {name: i for i, name in enumerate(names)}
    return tuple(tuple(index[name] for name in group if name in index) for group in groups)


def _first(values: Floats, most: int) -> Bools:
    """Mark the largest values of each row; of equal ones the first."""
    order: Indices = np.argsort(-values, axis=1, kind="stable")[:, :most]
    marked = np.zeros(values.shape, np.bool_)
    np.put_along_axis(marked, order, True, axis=1)
    return marked
