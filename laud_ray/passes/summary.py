"""What a pass keeps of the class probabilities of its texts, computed chunk by chunk. Pure NumPy.

u distinct texts, k classes, t listed classes, c criteria, D levels. No (u, k) matrix is built.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from laud_ray.stats.multilabel.entropy import document_entropies
from laud_ray.stats.multilabel.rules import Rules, ranked, whole_set
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Floats, Indices, QueryStrategy

TOP = 5  # likeliest labels in a row of the scores
TOP_LEAVES = 64  # likeliest leaves of a taxonomy on a shortlist, and labels of a multilabel task in a row of the scores
# More than this many places are found by a partition, fewer by taking the largest again and again.
MOST_TURNS = 8
BLOCK = 65_536  # probabilities that are handled at once, so that they fit a processor's cache
SMALLEST = np.float32(1e-12)  # lower bound of a probability in a logarithm


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """The predicted sets of labels of u texts of a multilabel task.

    Attributes:
        counts: (u,) the number of labels in each set.
        columns: the labels of all sets, text by text, of each the likeliest first.
        whole: (u,) the probability that the whole set is right.
        margin: (u,) the smallest distance of a probability to its threshold.
    """

    counts: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]
    whole: Floats
    margin: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """The likeliest classes of u texts, and what a query strategy makes of all classes.

    Attributes:
        order: (u, t) the likeliest classes, likeliest first; equal ones in the order of the classes.
        best: (u, t) their probabilities.
        entropy: (u,) of all classes, in nats; of a multilabel task the sum of each label's.
        utility: (u, c) of the query strategy; None without one.
        confidences: (u, D) for a taxonomy: the probabilities of the likeliest leaf's ancestors from level 1 down, the
            leaf's own last; NaN below it. None for other tasks.
        decided: for a multilabel task; None for other tasks.
    """

    order: npt.NDArray[np.int32]
    best: Floats
    entropy: Floats
    utility: Floats | None = None
    confidences: Floats | None = None
    decided: Decided | None = None


class Summing:
    """Summarises the probabilities of u texts that arrive in chunks. Texts that never arrive are zero."""

    def __init__(
        self,
        u: int,
        k: int,
        *,
        strategy: QueryStrategy | None = None,
        taxonomy: Taxonomy | None = None,
        rules: Rules | None = None,
    ) -> None:
        """Prepare to summarise.

        Args:
            u: the number of texts; without any, the summary has one row of zeros.
            k: the number of classes.
            strategy: whose utilities are wanted.
            taxonomy: whose leaves the classes are.
            rules: by which a multilabel model decides which labels apply.
        """
        self._strategy, self._lines = strategy, None if taxonomy is None else Lines(taxonomy)
        self._deciding = None if rules is None else _Deciding(max(u, 1), rules)
        u, top = max(u, 1), min(TOP if taxonomy is None and rules is None else TOP_LEAVES, k)
        self._order, self._best = np.zeros((u, top), np.int32), np.zeros((u, top), np.float32)
        self._entropy = np.zeros(u, np.float32)
        self._utility: Floats | None = None
        levels = 0 if taxonomy is None else taxonomy.levels
        self._confidences = np.full((u, levels), np.nan, np.float32)

    def add(self, start: int, proba: Floats) -> None:
        """Summarise (n, k) probabilities, the first of which is that of text `start`."""
        rows = slice(start, start + len(proba))
        self._order[rows], self._best[rows], self._entropy[rows] = likeliest(proba, self._order.shape[1])
        if self._strategy is not None:
            utility = self._strategy.utility(proba)
            if self._utility is None:
                self._utility = np.zeros((len(self._order), utility.shape[1]), utility.dtype)
            self._utility[rows] = utility
        if self._lines is not None:
            self._confidences[rows] = self._lines.masses(proba, self._order[rows, 0])
        if self._deciding is not None:
            self._deciding.add(start, proba)
            self._entropy[rows] = document_entropies(proba)

    @property
    def summary(self) -> Summary:
        """The summary of all chunks so far."""
        utility = self._utility
        if utility is None and self._strategy is not None:
            utility = np.zeros((len(self._order), 1), np.float32)
        confidences = None if self._lines is None else self._confidences
        decided = None if self._deciding is None else self._deciding.decided
        return Summary(self._order, self._best, self._entropy, utility, confidences, decided)


class _Deciding:
    """Decides which labels apply to u texts that arrive in chunks; texts that never arrive have the empty set."""

    def __init__(self, u: int, rules: Rules) -> None:
        self._rules = rules
        self._counts, self._sets = np.zeros(u, np.int32), dict[int, npt.NDArray[np.int32]]()
        self._whole, self._margin = np.zeros(u, np.float32), np.zeros(u, np.float32)

    def add(self, start: int, proba: Floats) -> None:
        rows, applies = slice(start, start + len(proba)), self._rules.applies(proba)
        self._counts[rows] = applies.sum(axis=1)
        self._sets[start] = ranked(proba, applies)[1].astype(np.int32)
        self._whole[rows], self._margin[rows] = whole_set(proba, applies), self._rules.margin(proba)

    @property
    def decided(self) -> Decided:
        columns = [self._sets[start] for start in sorted(self._sets)]
        every = np.concatenate(columns) if columns else np.empty(0, np.int32)
        return Decided(self._counts, every, self._whole, self._margin)


def summarise(
    proba: Floats,
    *,
    strategy: QueryStrategy | None = None,
    taxonomy: Taxonomy | None = None,
    rules: Rules | None = None,
) -> Summary:
    """Summarise (u, k) probabilities."""
    summing = Summing(len(proba), proba.shape[1], strategy=strategy, taxonomy=taxonomy, rules=rules)
    summing.add(0, proba)
    return summing.summary


def likeliest(proba: Floats, top: int) -> tuple[npt.NDArray[np.int32], Floats, Floats]:
    """Find each row's largest probabilities, largest first; equal ones in the order of their columns.

    Repeated argmax over blocks that fit a processor's cache takes half the time of sorting for 100 classes, and a
    tenth for 1,000.

    Returns:
        (u, top) columns, (u, top) probabilities, and (u,) entropies in nats.
    """
    n, k = proba.shape
    order, best = np.empty((n, top), np.int32), np.empty((n, top), np.float32)
    entropy = np.empty(n, np.float32)
    step = max(1, BLOCK // k)
    for start in range(0, n, step):
        part = np.array(proba[start : start + step], np.float32)
        rows = np.arange(len(part))
        entropy[start : start + step] = -np.einsum("ij,ij->i", part, np.log(np.maximum(part, SMALLEST)))
        if top > MOST_TURNS:
            order[start : start + step], best[start : start + step] = _largest(part, top)
            continue
        for place in range(top):
            at = part.argmax(1)
            order[start : start + step, place], best[start : start + step, place] = at, part[rows, at]
            part[rows, at] = -np.inf
    return order, best, entropy


def _largest(part: Floats, top: int) -> tuple[Indices, Floats]:
    """Return the columns and the values of the largest; of equal ones at the last place, any may be among them."""
    found = np.sort(np.argpartition(-part, top - 1, axis=1)[:, :top], axis=1)
    values = np.take_along_axis(part, found, axis=1)
    falling = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(found, falling, axis=1), np.take_along_axis(values, falling, axis=1)


class Lines:
    """The ancestors of each leaf as ranges of leaves, level by level."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        """Find the ranges."""
        nodes = taxonomy.leaves
        depths = taxonomy.depths[nodes]
        self._ranges = []
        for depth in range(1, taxonomy.levels + 1):
            there = taxonomy.at_depth(nodes, depth)
            self._ranges.append((depths >= depth, taxonomy.leaf_starts[there], taxonomy.leaf_stops[there]))

    def masses(self, proba: Floats, leaves: npt.NDArray[np.int32]) -> Floats:
        """Map (n, k) probabilities and (n,) leaves to the (n, D) probabilities of the leaves' ancestors."""
        masses = np.full((len(proba), len(self._ranges)), np.nan, np.float32)
        for level, (reaches, starts, stops) in enumerate(self._ranges):
            # A sum of the leaves below, row by row: cumulative sums over all leaves take several times as long.
            for row in np.flatnonzero(reaches[leaves]).tolist():
                leaf = leaves[row]
                masses[row, level] = proba[row, starts[leaf] : stops[leaf]].sum(dtype=np.float64)
        return masses.clip(0, 1, out=masses)
