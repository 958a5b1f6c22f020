"""Documents whose labels are known, with a model's predicted labels. Pure NumPy. n documents, k labels, H strata."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from laud_ray.label_sets import APPLIES, NOT_ASKED
from laud_ray.stats.estimates.sample import Sample
from laud_ray.types import Bools, Floats, Indices

_BLOCK = 1 << 20  # probabilities that are ranked at once


@dataclass(frozen=True, slots=True, eq=False)
class MultilabelSample:
    """Annotated documents, drawn uniformly without replacement from each stratum, with a model's predictions.

    Attributes:
        true: (n, k) int8, APPLIES, DOES_NOT or NOT_ASKED; see laud_ray.label_sets.
        predicted: (n, k) whether the model predicts a label.
        precision: (n,) the ranking precision of each document, from `ranking_precision`; NaN without an applying label.
        confidence: (n,) the probability, in [0, 1], that the predicted labels are exactly the right ones.
        strata: (n,) the stratum of each document.
        sizes: the number N_h of documents in each stratum of the population; None if the documents are a simple random
            sample of an infinite population, such as a labelled test file.

    Raises:
        ValueError: if the shapes differ, or as for `Sample`.
    """

    true: npt.NDArray[np.int8]
    predicted: Bools
    precision: Floats
    confidence: Floats
    strata: Indices
    sizes: Mapping[int, int] | None

    def __post_init__(self) -> None:
        if self.true.ndim != 2 or self.true.shape != self.predicted.shape or len(self.precision) != len(self.true):
            raise ValueError(
                f"true {self.true.shape}, predicted {self.predicted.shape}, precision {self.precision.shape}; "
                "expected (n, k), (n, k) and (n,)"
            )
        _ = self.by_exactness

    def __len__(self) -> int:
        return len(self.true)

    @property
    def by_exactness(self) -> Sample:
        """The same documents, each with the one class that its predicted labels are exactly right (1), or not (0)."""
        exact = ((self.true == APPLIES) == self.predicted).all(axis=1)
        return Sample(np.ones(len(self), np.int64), exact.astype(np.int64), self.confidence, self.strata, self.sizes)

    @property
    def weights(self) -> Floats:
        """(n,) the number of documents that each document represents; see `Sample`."""
        return self.by_exactness.weights

    @property
    def whole(self) -> Bools:
        """(n,) whether the oracle was asked about all labels of a document."""
        return np.asarray((self.true != NOT_ASKED).all(axis=1))


def ranking_precision(true: npt.NDArray[np.int8], proba: Floats) -> Floats:
    """Return the (n,) ranking precision of documents; NaN for a document without an applying label.

    It is the mean, over the labels that apply, of the share of applying labels among those that the model ranks at
    least as high. Labels that were not asked about are left out of the ranking. The mean over documents is the label
    ranking average precision: Schapire and Singer (2000), "BoosTexter"; Tsoumakas, Katakis and Vlahavas (2010), "Mining
    Multi-label Data".

    Args:
        true: (n, k) int8, as in `MultilabelSample`.
        proba: (n, k) probabilities of the labels.
    """
    n, k = true.shape
    found, step = np.full(n, np.nan), max(1, _BLOCK // max(k, 1))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        found[rows] = _precision_of(true[rows], proba[rows].astype(np.float64))
    return found


def _precision_of(true: npt.NDArray[np.int8], proba: Floats) -> Floats:
    k = true.shape[1]
    ranked = np.where(true != NOT_ASKED, -proba, np.inf)
    order = np.argsort(ranked, axis=1)
    ranked, right = np.take_along_axis(ranked, order, axis=1), np.take_along_axis(true == APPLIES, order, axis=1)
    # Labels with equal probabilities share the last place of them.
    last = np.ones(right.shape, np.bool_)
    last[:, :-1] = ranked[:, 1:] != ranked[:, :-1]
    place = np.minimum.accumulate(np.where(last, np.arange(k), k)[:, ::-1], axis=1)[:, ::-1]
    hits = np.take_along_axis(right.cumsum(axis=1), place, axis=1)
    applying = right.sum(axis=1)
    total = np.where(right, hits / (place + 1), 0.0).sum(axis=1)
    mean: Floats = np.divide(total, applying, out=np.full(len(true), np.nan), where=applying > 0)
    return mean
