"""A stratified random sample of annotated documents. Pure NumPy.

n annotated documents. Stratum h holds N_h documents of the corpus. n_h of them are in the sample, and each of these
represents N_h / n_h documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from laud_ray.types import Bools, Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Annotated documents, drawn uniformly without replacement from each stratum, with a model's predictions.

    Attributes:
        true: (n,) labels from the oracle.
        predicted: (n,) labels from the model.
        confidence: (n,) probability, in [0, 1], that the model gives to its label.
        strata: (n,) the stratum of each document.
        sizes: the number N_h of documents in each stratum of the population; None if the documents are a
            simple random sample of an infinite population, such as a labelled test file.

    Raises:
        ValueError: if the arrays are empty or differ in length, or a stratum has no document in the sample, is not
            in sizes, or is smaller than its sample.
    """

    true: Indices
    predicted: Indices
    confidence: Floats
    strata: Indices
    sizes: Mapping[int, int] | None

    def __post_init__(self) -> None:
        lengths = [len(self.true), len(self.predicted), len(self.confidence), len(self.strata)]
        if len(set(lengths)) > 1 or not lengths[0]:
            raise ValueError(
                f"true, predicted, confidence and strata have {lengths} documents; expected the same number, at least 1"
            )
        if self.sizes is None:
            _require_one_stratum(self.strata)
        else:
            _require_sampled_strata(self.strata, self.sizes)

    def __len__(self) -> int:
        return len(self.true)

    def part(self, kept: Bools) -> "Sample":
        """Return the sample without some documents, which are represented by the others of their stratum.

        A stratum that loses all its documents joins the nearest one that has some.

        Args:
            kept: (n,), at least one is True.
        """
        strata, sizes = self.strata[kept], self.sizes
        if sizes is not None:
            left = np.unique(strata).tolist()
            joined = dict.fromkeys(left, 0)
            for stratum, size in sizes.items():
                joined[min(left, key=lambda other: (abs(other - stratum), other))] += size
            sizes = joined
        return Sample(self.true[kept], self.predicted[kept], self.confidence[kept], strata, sizes)

    @property
    def weights(self) -> Floats:
        """(n,) the number of documents N_h / n_h that each document represents; 1 if sizes is None."""
        if self.sizes is None:
            return np.ones(len(self))
        present, stratum, sampled = np.unique(self.strata, return_inverse=True, return_counts=True)
        sizes = np.array([self.sizes[int(h)] for h in present])
        return (sizes / sampled)[stratum]

    @property
    def design(self) -> tuple[Floats, Floats, Floats]:
        """(H,) sizes N_h, numbers n_h in the sample, and `unseen`, of the strata in the sample, in ascending order.

        If sizes is None, the only stratum counts as large as its sample: a ratio depends on no more.
        """
        present, sampled = np.unique(self.strata, return_counts=True)
        known = self.sizes
        sizes = sampled if known is None else np.array([known[int(h)] for h in present])
        return sizes.astype(np.float64), sampled.astype(np.float64), self.unseen

    @property
    def unseen(self) -> Floats:
        """(H,) the finite population correction (N_h - n_h) / (N_h - 1) of each of the H strata in the sample.

        At least one document of a stratum counts as unseen, so that the interval has a width even if all were drawn.
        """
        present, sampled = np.unique(self.strata, return_counts=True)
        if self.sizes is None:
            return np.ones(len(present))
        sizes = np.array([self.sizes[int(h)] for h in present])
        return np.asarray(np.maximum(sizes - sampled, 1) / np.maximum(sizes - 1, 1))


def _require_one_stratum(strata: Indices) -> None:
    present = len(np.unique(strata))
    if present > 1:
        raise ValueError(f"the sample has {present} strata and no sizes; expected the size of each stratum")


def _require_sampled_strata(strata: Indices, sizes: Mapping[int, int]) -> None:
    present, counts = np.unique(strata, return_counts=True)
    sampled = dict(zip(present.tolist(), counts.tolist(), strict=True))
    for stratum in sampled.keys() | sizes.keys():
        drawn, size = sampled.get(stratum, 0), sizes.get(stratum, 0)
        if drawn > size:
            raise ValueError(f"stratum {stratum} has {drawn} documents in the sample; expected at most {size}")
        if size and not drawn:
            raise ValueError(f"stratum {stratum} holds {size} documents; expected at least 1 of them in the sample")
