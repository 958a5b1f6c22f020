"""All figures of a model in a taxonomy from one sample. Pure NumPy. n documents, k nodes, D levels."""

import numpy as np

from laud_ray.stats.estimates.accuracy import estimate_accuracy
from laud_ray.stats.estimates.macro import bootstrap, estimate_macro_f1, mean_ratio
from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.estimates.shares import estimate_ratio
from laud_ray.taxonomy.lineage import NONE, lineages
from laud_ray.types import Bools, Estimate, HierarchyFigures, Indices, LevelFigures

_RESAMPLED = 20_000_000  # documents that the bootstrap of one figure draws at most, in all its replicates
_REPLICATES = 1000, 100


def hierarchical_f1(sample: Sample, parents: Indices) -> Estimate:
    """Return the hierarchical F1 of `hierarchy_figures` alone, from the same sample."""
    lineage = lineages(parents)
    common, depth, predicted_depth = shared(lineage[sample.true], lineage[sample.predicted])
    return estimate_ratio(sample, 2.0 * common, (depth + predicted_depth).astype(np.float64))


def shared(true: Indices, predicted: Indices) -> tuple[Indices, Indices, Indices]:
    """Return how many levels (n, D) paths share, and how many the true and the predicted ones have: (n,) each."""
    known = true != NONE
    return ((true == predicted) & known).sum(axis=1), known.sum(axis=1), (predicted != NONE).sum(axis=1)


def hierarchy_figures(
    sample: Sample, parents: Indices, *, seed: int, least: int = 10, outside: int = 0
) -> HierarchyFigures:
    """Return all figures of a model in a taxonomy, with 95 % intervals.

    A level looks only at what is known there. A true node that ends above it, because the taxonomy has no more levels
    there or because the oracle knew no more, is in no figure of that level. A predicted node that ends above it is not
    an answer there, however wrong it is higher up: it lowers the coverage, not the accuracy. A document whose true
    label is none of the nodes counts at every level, and each answer to it is wrong.

    A true path that the taxonomy lacks may be given as a node outside, below the deepest node of it that the taxonomy
    has. It is right or wrong at the levels that it shares with the taxonomy, each answer below these is wrong, and
    recall counts its whole length. A node outside is in no macro-F1.

    Hierarchical precision, recall and F1 count each node and its ancestors, without an artificial root, in sums over
    documents (micro): Kiritchenko, Matwin and Famili (2005), "Functional Annotation of Genes Using Hierarchical Text
    Categorization". A deeper prediction below a true inner node lowers precision, since nobody knows that it is right.
    An answer that backs off to a right ancestor keeps precision and lowers recall.

    Shares and ratios have the intervals of `estimate_ratio`, accuracy has that of `estimate_accuracy`, macro-F1 that of
    `estimate_macro_f1`. The macro-F1 of all nodes is bootstrapped as well: a document
    is drawn with all its levels. Time and memory are linear in n, k and D.

    Args:
        sample: true are nodes in [0, k], leaves or inner ones, where k is none of the nodes; predicted are nodes in
            [-1, k), where -1 is no answer.
        parents: (k,) the parent of each node, which comes before it; -1 for a root. k >= 1.
        seed: seeds the bootstrap of macro-F1.
        least: the number of documents that a node must be true for to be in the macro-F1 of its level, at least 1.
        outside: how many nodes, the last ones, are outside the taxonomy; they are never predicted.

    Raises:
        ValueError: if a node is outside its range, a parent is not an earlier node, or k or least is less than 1.
    """
    k, own = len(parents), len(parents) - outside
    if own < 1 or least < 1:
        raise ValueError(f"{own} nodes, least = {least}; expected at least 1 of each")
    _require_nodes("true", sample.true, 0, k)
    _require_nodes("predicted", sample.predicted, NONE, own - 1)
    lineage = lineages(parents)
    true, predicted = lineage[sample.true], lineage[sample.predicted]
    common, depth, predicted_depth = shared(true, predicted)
    inner = np.zeros(k + 1, np.bool_)
    inner[parents[:own][parents[:own] != NONE]] = True
    depths = int((lineage[:own] != NONE).any(axis=0).sum())

    def ratio(part: Indices | Bools, whole: Indices | Bools) -> Estimate:
        return estimate_ratio(sample, part.astype(np.float64), whole.astype(np.float64))

    every = np.ones(len(sample), np.bool_)
    f1 = ratio(2 * common, depth + predicted_depth)
    macro, macro_nodes = _macro_f1_of_nodes(sample, true, predicted, k, own, seed=seed, least=least, floor=f1.low)
    return HierarchyFigures(
        n=len(sample),
        accuracy=estimate_accuracy(sample),
        precision=ratio(common, predicted_depth),
        recall=ratio(common, depth),
        f1=f1,
        common_depth=_times(ratio(common, depths * every), depths),
        backed_off=ratio(inner[sample.predicted], every),
        answered=tuple(ratio(predicted_depth == one, every) for one in range(depths + 1)),
        levels=tuple(
            _level(sample, true[:, one], predicted[:, one], one + 1, k, own, seed=seed, least=least)
            for one in range(depths)
        ),
        macro_f1=macro,
        macro_nodes=macro_nodes,
        least=least,
    )


def _level(
    sample: Sample, true: Indices, predicted: Indices, level: int, k: int, own: int, *, seed: int, least: int
) -> LevelFigures:
    """Return the figures of one level from the (n,) true and predicted nodes there; -1 where there is none.

    Args:
        k: none of the nodes, as a true one.
        own: the nodes of the taxonomy, the first ones.
    """
    counts = (true != NONE) | (sample.true == k)
    answered = counts & (predicted != NONE)
    seen = np.union1d(true[counts], predicted[answered])
    support = np.bincount(true[true != NONE], minlength=k)
    averaged = np.flatnonzero(support[:own] >= least)
    return LevelFigures(
        level=level,
        accuracy=estimate_ratio(
            sample, (answered & (true == predicted)).astype(np.float64), answered.astype(np.float64)
        ),
        coverage=estimate_ratio(sample, answered.astype(np.float64), counts.astype(np.float64)),
        macro_f1=_macro_f1(sample, true, np.where(answered, predicted, NONE), averaged, k, seed)
        if len(averaged)
        else None,
        nodes=len(averaged),
        left_out=int(((seen != NONE) & (seen < own)).sum()) - len(averaged),
    )


def _macro_f1(sample: Sample, true: Indices, predicted: Indices, averaged: Indices, k: int, seed: int) -> Estimate:
    """Return the mean F1 of the averaged nodes; all others, and what does not count, are one class outside the mean."""
    classes = len(averaged)
    place = np.full(k + 1, classes)
    place[averaged] = np.arange(classes)
    classed = Sample(place[true], place[predicted], sample.confidence, sample.strata, sample.sizes)
    most, fewest = _REPLICATES
    replicates = min(most, max(fewest, _RESAMPLED // len(sample)))
    return estimate_macro_f1(classed, classes + 1, seed=seed, replicates=replicates, averaged=classes)


def _macro_f1_of_nodes(
    sample: Sample, true: Indices, predicted: Indices, k: int, own: int, *, seed: int, least: int, floor: float
) -> tuple[Estimate | None, int]:
    """Return the mean F1 of the nodes of all levels with enough documents, and how many they are.

    Args:
        true, predicted: (n, D) the nodes of the paths; -1 below their ends.
        k, own: as in `_level`.
        floor: the lower limit if there is no error, which the bootstrap cannot produce.
    """
    averaged = np.flatnonzero(np.bincount(true[true != NONE], minlength=own)[:own] >= least)
    if not len(averaged):
        return None, 0
    place = np.full(k + 1, len(averaged))
    place[averaged] = np.arange(len(averaged))
    known = (true != NONE) | (sample.true == k)[:, None]
    truths, predictions, weights = place[true], place[np.where(known, predicted, NONE)], sample.weights

    def mean_f1(rows: Indices) -> float:
        one, other = truths[rows].ravel(), predictions[rows].ravel()
        mass, size = np.repeat(weights[rows], true.shape[1]), len(averaged) + 1
        hits = np.bincount(one, mass * (one == other), minlength=size)[:-1]
        both = (np.bincount(one, mass, minlength=size) + np.bincount(other, mass, minlength=size))[:-1]
        return mean_ratio(2 * hits[both > 0], both[both > 0])

    value = mean_f1(np.arange(len(sample)))
    if value == 1:
        return Estimate(value, floor, 1.0, len(sample)), len(averaged)
    most, fewest = _REPLICATES
    replicates = min(most, max(fewest, _RESAMPLED // true.size))
    return bootstrap(value, sample.strata, mean_f1, seed=seed, replicates=replicates), len(averaged)


def _times(share: Estimate, levels: int) -> Estimate:
    return Estimate(share.value * levels, share.low * levels, share.high * levels, share.n)


def _require_nodes(kind: str, nodes: Indices, least: int, most: int) -> None:
    if nodes.min() < least or nodes.max() > most:
        raise ValueError(f"{kind} nodes range from {nodes.min()} to {nodes.max()}; expected {least} to {most}")
