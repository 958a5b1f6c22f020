"""What is compared: a batch of new documents, and the reference that it is compared with. Pure NumPy and SciPy.

m documents in a batch, n in the reference, k labels.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from math import inf, log
from typing import Any

import numpy as np
from scipy.special import betaincinv

from laud_ray.stats.metrics import require_labels
from laud_ray.types import Floats, Indices

# The shares of the reference that lie nearer than each of the distances beyond which documents are counted. New kinds
# of text often lie hardly farther than the others: half of them beyond 80 %, a twelfth beyond 99 %.
FAR = (0.8, 0.9, 0.95, 0.98, 0.99)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What a model found in m documents; their order has no effect.

    Attributes:
        best: (m,) the likeliest labels, in [0, k).
        confidence: (m,) the probabilities of these labels, in [0, 1].
        far: (m,) beyond how many of the distances of FAR each document lies, in 0 to 5; at 5 it is novel, farther from
            all that is known than 99 % of the reference. None if that was not measured.

    Raises:
        ValueError: if the arrays differ in length, a label is negative, or a confidence is NaN or outside [0, 1].
    """

    best: Indices
    confidence: Floats
    far: Indices | None = None

    def __post_init__(self) -> None:
        lengths = [len(self.best), len(self.confidence), *([] if self.far is None else [len(self.far)])]
        if len(set(lengths)) > 1:
            raise ValueError(f"best, confidence and far have {lengths} documents; expected the same number")
        outside = ~((self.confidence >= 0) & (self.confidence <= 1))
        if outside.any():
            raise ValueError(f"confidence {self.confidence[outside][0]} is not valid; expected 0 to 1")
        if (self.best < 0).any():
            raise ValueError(f"label {self.best.min()} is not valid; expected at least 0")
        if self.far is not None and (strange := (self.far < 0) | (self.far > len(FAR))).any():
            raise ValueError(f"far {self.far[strange][0]} is not valid; expected 0 to {len(FAR)}")

    def __len__(self) -> int:
        return len(self.best)


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What a model found in the documents that new ones are compared with.

    Attributes:
        counts: (k,) the number of documents with each label, n in all.
        mean: of the confidence; 0 if there are no documents.
        variance: of the confidence.
        far: (5,) the number of documents beyond each distance of FAR, which is that of one of them.
        far_of: the number of documents for which that was measured.
        trained: the number of further documents that the model was trained on. What it would have found in them is not
            known, and they were not chosen at random.
    """

    counts: Indices
    mean: float
    variance: float
    far: Indices
    far_of: int
    trained: int = 0

    @classmethod
    def of(cls, batches: Iterable[Batch], k: int) -> "Reference":
        """Return the reference of all documents of some batches, which are read one at a time.

        Example:
            `Reference.of([Batch(best, confidence)], k=3)`.

        Raises:
            ValueError: if a label is outside [0, k).
        """
        nothing = cls(np.zeros(k, np.int64), 0.0, 0.0, np.zeros(len(FAR), np.int64), 0)
        return reduce(cls.__add__, (_of_one(batch, k) for batch in batches), nothing)

    def __add__(self, other: "Reference") -> "Reference":
        """Return the reference of the documents of both.

        Chan, Golub and LeVeque (1983), "Algorithms for Computing the Sample Variance", for the moments.
        """
        n = self.n + other.n
        share = other.n / n if n else 0.0
        apart = other.mean - self.mean
        return Reference(
            self.counts + other.counts,
            self.mean + share * apart,
            (1 - share) * self.variance + share * other.variance + share * (1 - share) * apart**2,
            self.far + other.far,
            self.far_of + other.far_of,
            self.trained + other.trained,
        )

    @property
    def n(self) -> int:
        """The number of documents."""
        return int(self.counts.sum())

    @property
    def shares(self) -> Floats:
        """(k,) the share of each label; 0 if there are no documents."""
        return np.asarray(self.counts / max(self.n, 1))

    @property
    def novel(self) -> float:
        """The share of documents beyond the last distance of FAR; 0 if that was not measured."""
        return int(self.far[-1]) / max(self.far_of, 1)

    def within(self, values: Floats | float) -> tuple[Floats, Floats]:
        """Return between what means or shares in [0, 1] lie, whatever the documents are like that were trained on."""
        share = self.trained / max(self.n + self.trained, 1)
        low = (1 - share) * np.asarray(values)
        return low, low + share

    def moved(self, other: "Reference", most: int = 3) -> tuple[tuple[int, float, float], ...]:
        """Return the labels whose shares differ most in other documents: each with its share here and there."""
        if not other.n:
            return ()
        order = np.argsort(-np.abs(other.shares - self.shares), kind="stable")[:most]
        return tuple((int(c), float(self.shares[c]), float(other.shares[c])) for c in order)

    def to_json(self) -> dict[str, Any]:
        """Return it as values that JSON knows."""
        return {
            "counts": self.counts.tolist(),
            "mean": self.mean,
            "variance": self.variance,
            "far": self.far.tolist(),
            "far_of": self.far_of,
            "trained": self.trained,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Reference":
        """Return what `to_json` was called on."""
        return cls(
            np.asarray(stored["counts"], np.int64),
            float(stored["mean"]),
            float(stored["variance"]),
            np.asarray(stored["far"], np.int64),
            int(stored["far_of"]),
            int(stored.get("trained", 0)),
        )


def label_counts(batch: Batch, k: int) -> Indices:
    """Return the (k,) number of documents with each label.

    Raises:
        ValueError: if a label is outside [0, k).
    """
    if len(batch):
        require_labels(batch.best, k)
    return np.bincount(batch.best, minlength=k).astype(np.int64)


def distances_of(far: Floats) -> tuple[Floats, Indices]:
    """Return the distances of FAR among n >= 1 distances, and how many lie beyond each; equal ones count as beyond."""
    at = np.floor(np.array(FAR) * (len(far) - 1)).astype(np.int64)
    return np.sort(far)[at], len(far) - 1 - at


def beyond(far: Indices) -> Indices:
    """Return the (5,) number of documents beyond each distance of FAR."""
    return np.asarray((far[:, None] > np.arange(len(FAR))).sum(0), np.int64)


def exact_bounds(counts: Indices, n: int, error: float) -> tuple[Floats, Floats]:
    """Return between what the true shares lie, each of the two bounds but for a probability `error`.

    Clopper and Pearson (1934), "The Use of Confidence or Fiducial Limits".

    Args:
        counts: (k,) of n documents; without documents the bounds are 0 and 1.
        n: the number of documents.
        error: in (0, 1).
    """
    seen = np.asarray(counts, np.float64)
    low = np.where(seen > 0, betaincinv(np.maximum(seen, 1), n - seen + 1, error), 0.0)
    high = np.where(seen < n, betaincinv(seen + 1, np.maximum(n - seen, 1), 1 - error), 1.0)
    return low, high


def radius(variance: Floats | float, n: int, error: float) -> Floats:
    """Return how far a mean of n values in [0, 1] may lie on one side of the true mean, but for a probability `error`.

    Maurer and Pontil (2009), "Empirical Bernstein Bounds and Sample-Variance Penalization", theorem 4.

    Args:
        variance: of the values, anything's shape.
        n: their number; below 2 the result is infinite.
        error: in (0, 1).
    """
    if n < 2:
        return np.full(np.shape(variance), inf)
    nats = log(2 / error)
    return np.asarray(np.sqrt(2 * np.asarray(variance) * nats / (n - 1)) + 7 * nats / (3 * (n - 1)))


def _of_one(batch: Batch, k: int) -> Reference:
    confidence = batch.confidence.astype(np.float64)
    return Reference(
        label_counts(batch, k),
        float(confidence.mean()) if len(batch) else 0.0,
        float(confidence.var()) if len(batch) else 0.0,
        np.zeros(len(FAR), np.int64) if batch.far is None else beyond(batch.far),
        0 if batch.far is None else len(batch.far),
    )
