"""The cosine head of an encoder: rows of unit vectors, each owned by a class. Pure NumPy.

n texts, k classes, r rows, d dimensions.
"""

from dataclasses import dataclass, field

import numpy as np

from laud_ray.stats.calibration import BLOCK, softmax
from laud_ray.types import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Maps unit vectors to class probabilities: a softmax over the rows, added up by class.

    A class has at least one row. If the first k rows are those of the k classes in order, further rows, such as
    annotated texts, cost time in proportion to their number only.

    Attributes:
        weight: (r, d) unit rows.
        owners: (r,) the class of each row.
        scale: the factor from cosines to logits, with the temperature included.
        classes: k.
    """

    weight: Floats
    owners: Indices
    scale: float
    classes: int
    _ordered: bool = field(init=False, repr=False)
    _firsts: Indices = field(init=False, repr=False)
    _also: Indices = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Sort the further rows by class."""
        k, owners = self.classes, np.asarray(self.owners)
        further = owners[k:]
        order = np.argsort(further, kind="stable")
        also, firsts = np.unique(further[order], return_index=True)
        ordered = bool(np.array_equal(owners[:k], np.arange(k)))
        weight = np.concatenate([self.weight[:k], self.weight[k:][order]]) if ordered else self.weight
        values = {"weight": weight, "_ordered": ordered, "_firsts": firsts, "_also": also}
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if ordered:
            object.__setattr__(self, "owners", np.concatenate([owners[:k], further[order]]))

    def proba(self, vectors: Floats) -> Floats:
        """Map (n, d) unit vectors to (n, k) probabilities, float32."""
        k = self.classes
        if not self._ordered:
            rows = softmax(self.scale * vectors @ self.weight.T)
            summed: Floats = np.zeros((len(vectors), k), np.float32)
            np.add.at(summed.T, self.owners, rows.T)
            return summed
        scaled = np.float32(self.scale) * vectors
        proba: Floats = scaled @ self.weight[:k].T
        if len(self.owners) == k:
            return softmax(proba, overwrite=True)
        further = scaled @ self.weight[k:].T
        step = max(1, BLOCK // k)
        for start in range(0, len(proba), step):
            part, more = proba[start : start + step], further[start : start + step]
            highest = np.maximum(part.max(axis=1), more.max(axis=1))[:, None]
            part -= highest
            np.exp(part, out=part)
            part[:, self._also] += np.add.reduceat(np.exp(more - highest), self._firsts, axis=1)
            part /= part.sum(axis=1, keepdims=True)
        return proba
