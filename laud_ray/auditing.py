"""Which annotations are probably wrong. Pure NumPy and cleanlab. n annotations, k classes.

Probabilities must be out of fold: what a model says of an annotation that had no part in its training.
"""

import warnings

import numpy as np

from laud_ray.types import Floats, Indices


def doubtful(proba: Floats, labels: Indices) -> Indices:
    """Return the positions of the annotations that are probably wrong, the most doubtful first.

    Confident learning: an annotation is doubted where the likeliest of the classes whose probability passes what
    their own annotations have on average is not the annotated one: the counts off the diagonal of the confident
    joint. They are ranked by the probability of their own label. To prune by estimated noise rates instead finds too
    few where classes have a handful of annotations (docs/LOG.md).

    Northcutt, Jiang and Chuang (2021), "Confident Learning: Estimating Uncertainty in Dataset Labels",
    arXiv 1911.00068.

    Args:
        proba: (n, k) out-of-fold probabilities; rows sum to 1.
        labels: (n,) annotated classes in [0, k).

    Raises:
        ValueError: if the lengths differ or a label is outside [0, k).
    """
    _require(proba, labels)
    if len(np.unique(labels)) < 2:
        return np.empty(0, np.int64)
    from cleanlab.filter import find_label_issues  # seconds to import, and only an audit needs it

    with warnings.catch_warnings():
        # Of classes with few annotations, which are the rule here.
        warnings.simplefilter("ignore", UserWarning)
        found = find_label_issues(
            labels,
            proba,
            filter_by="confident_learning",
            return_indices_ranked_by="self_confidence",
            min_examples_per_class=0,
            n_jobs=1,
        )
    return np.asarray(found, np.int64)


def self_confidence(proba: Floats, labels: Indices) -> Floats:
    """Return (n,) probabilities in [0, 1] of the annotated labels themselves; arguments as in `doubtful`."""
    _require(proba, labels)
    return np.take_along_axis(proba, labels[:, None], axis=1)[:, 0]


def _require(proba: Floats, labels: Indices) -> None:
    n, k = proba.shape
    if n != len(labels):
        raise ValueError(f"got {n} rows of probabilities and {len(labels)} labels, expected as many")
    outside = (labels < 0) | (labels >= k)
    if outside.any():
        raise ValueError(f"label {labels[outside][0]} is outside [0, {k})")
