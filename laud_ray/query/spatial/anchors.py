"""Choose documents near annotated documents of rare classes. Pure NumPy. n documents, k classes."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from laud_ray.query.ranking import require_pick
from laud_ray.query.rare import RareClass
from laud_ray.query.spatial.geometry import as_vectors, draw_seeds, squared_from
from laud_ray.query.spatial.space import require_space
from laud_ray.query.uncertainty import Margin
from laud_ray.types import Candidates, Floats, Indices, QueryStrategy, Space

_ANCHORS = 10  # for each class
_BREADTH = 5  # size of the subpool, as a multiple of the batch


@dataclass(frozen=True, slots=True)
class Anchors:
    """Let an inner strategy pick n documents from a subpool of 5 n candidates near annotated documents of each class.

    The subpool has about the same number of candidates for each class, filled from the rarest class on. A class
    contributes the candidates nearest to any of its anchors, which are up to 10 of its annotated documents that lie far
    apart. A class without annotated documents contributes the candidates to which the model gives it the highest
    probability. The shortlist is that of RareClass.

    Lesci and Vlachos (2024), "AnchorAL: Computationally Efficient Active Learning for Large and Imbalanced Datasets",
    arXiv 2404.05623.

    Attributes:
        counts: (k,) the number of annotations of each class so far.
        inner: the strategy that picks from the subpool; margin by default.

    Raises:
        ValueError: if a count is negative.
    """

    reach: ClassVar[int] = 50
    committee: ClassVar[int] = 0
    counts: tuple[int, ...]
    inner: QueryStrategy = field(default_factory=Margin)

    def __post_init__(self) -> None:
        RareClass(self.counts)

    def utility(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to (n, 1) utilities in (0, 1]; larger is better.

        Raises:
            ValueError: if k is not the number of counts.
        """
        return RareClass(self.counts).utility(proba)

    def pick(self, pool: Candidates, n: int, *, rng: np.random.Generator) -> Indices:
        """Return n row indices into pool, the inner strategy's best of the subpool first; rng breaks ties.

        Raises:
            PoolExhaustedError: if the pool holds fewer than n documents.
            ValueError: if the pool has no space.
        """
        require_pick(n, len(pool))
        space = require_space(pool, self)
        rows = _subpool(space, min(_BREADTH * n, len(pool)), rng)
        ranked = replace(pool.take(rows), utility=self.inner.utility(space.proba[rows]))
        return rows[self.inner.pick(ranked, n, rng=rng)]


def _subpool(space: Space, size: int, rng: np.random.Generator) -> Indices:
    """Return `size` rows of candidates, about the same number for each class."""
    vectors, known = as_vectors(space.vectors), as_vectors(space.known_vectors)
    k = space.proba.shape[1]
    asked: Indices = np.bincount(space.known_labels[space.known_labels >= 0], minlength=k)
    free = np.ones(len(vectors), bool)
    rows: list[int] = []
    for turn, label in enumerate(np.lexsort((rng.permutation(k), asked)).tolist()):
        quota = -(-(size - len(rows)) // (k - turn))
        if quota == 0:
            break
        examples = known[space.known_labels == label]
        close = (vectors @ _anchors(examples, rng).T).max(axis=1) if len(examples) else space.proba[:, label]
        candidates = np.flatnonzero(free)
        best = candidates[np.argpartition(-close[candidates], quota - 1)[:quota]]
        free[best] = False
        rows += best.tolist()
    return np.array(rows, np.int64)


def _anchors(examples: Floats, rng: np.random.Generator) -> Floats:
    """Return up to 10 of the (e, d) vectors of a class, e >= 1, that lie far apart."""
    if len(examples) <= _ANCHORS:
        return examples
    first = int(rng.integers(len(examples)))
    return examples[draw_seeds(len(examples), _ANCHORS, squared=squared_from(examples), first=first, rng=rng)]
