"""The accuracy of an oracle by the answers of a trusted one on the same random documents. Pure NumPy.

n documents of a stratified random sample, in H strata. A label of -1 is no label.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from laud_ray.stats import Sample, estimate_accuracy
from laud_ray.stats.estimates.powered import HIT, MISS, NEITHER, powered_factor, powered_limits, unseen_events
from laud_ray.types import Bools, Estimate, Floats, Indices

NONE = -1


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The accuracy of an oracle's labels; abstentions are no labels.

    Attributes:
        estimate: on the documents of the corpus that the oracle labels; its n is the number of labels it is from.
        trusted: how many of these n have a trusted label too.
        powered: whether the labels without a trusted one count too, by a model's predictions (prediction-powered).
    """

    estimate: Estimate
    trusted: int
    powered: bool


def accuracy(
    given: Indices,
    trusted: Indices,
    strata: Indices,
    sizes: Mapping[int, int],
    predicted: Indices | None = None,
) -> Accuracy | None:
    """Estimate the share of an oracle's labels that are the trusted oracle's.

    Where the oracle labelled more documents than the trusted one, and a model predicted labels of all, whether the
    oracle's label is the model's is known of every document. It is the cheap measurement of
    `laud_ray.stats.estimates.powered`, and the trusted answers correct it: however wrong the model is, the estimate is
    unbiased, and if its errors tell those of the oracle, the interval is narrower.

    Args:
        given: (n,) the oracle's labels.
        trusted: (n,) the trusted oracle's labels, of documents drawn at random within each stratum.
        strata: (n,) the stratum of each document. Each has a document with a label of both.
        sizes: the number of documents in each stratum of the population.
        predicted: (n,) a model's labels. The model learned none of these documents.

    Returns:
        None if no document has a label of both.
    """
    both = (given != NONE) & (trusted != NONE)
    if not both.any():
        return None
    asked = trusted != NONE
    if predicted is not None and ((given != NONE) & ~asked).any():
        found = powered(given, trusted, predicted, strata, sizes)
        return Accuracy(found, int(both.sum()), powered=True)
    known = {int(h) for h in np.unique(strata[both])}
    sample = Sample(
        trusted[both], given[both], np.ones(int(both.sum())), strata[both], {h: sizes[h] for h in sorted(known)}
    )
    return Accuracy(estimate_accuracy(sample), int(both.sum()), powered=False)


def powered(
    given: Indices, trusted: Indices, predicted: Indices, strata: Indices, sizes: Mapping[int, int]
) -> Estimate:
    """Return the prediction-powered accuracy of `accuracy`; every stratum has a document with a trusted label."""
    present, stratum = np.unique(strata, return_inverse=True)
    size = np.array([float(sizes[int(h)]) for h in present])
    by_trusted, by_model = (
        np.where(given == NONE, NEITHER, np.where(given == labels, HIT, MISS)) for labels in (trusted, predicted)
    )
    asked = trusted != NONE
    table = _count(3 * by_trusted + by_model, stratum, asked, len(present), 9).reshape(1, len(present), 3, 3)
    rest = _count(by_model, stratum, ~asked, len(present), 3)[None]
    anywhere = np.ones((1, len(present)), np.bool_)
    factor = powered_factor(table, rest, size)
    limits = powered_limits(table, rest, size, factor, *unseen_events("prevalence", anywhere, anywhere))
    value, low, high = (float(one[0]) for one in limits)
    return Estimate(value, low, high, int((given != NONE).sum()))


def _count(kinds: Indices, stratum: Indices, use: Bools, strata: int, of: int) -> Floats:
    """Count documents in `use` by stratum and kind in [0, of): (strata, of)."""
    counts = np.bincount(stratum[use] * of + kinds[use], minlength=strata * of)
    return np.asarray(counts.reshape(strata, of), np.float64)
