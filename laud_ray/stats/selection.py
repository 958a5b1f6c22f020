"""The largest audience whose precision is shown: one threshold, from documents with known answers. Pure NumPy, SciPy.

n documents with answers, m thresholds.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, betaincinv

from laud_ray.stats.bounds import ERROR, most_disagreements, tail
from laud_ray.types import Bools, Floats, Indices

# The model is taken to be wrong this many times as often as its confidence says when the first threshold is chosen.
# The choice changes only how often something is shown, never whether what is shown holds.
PESSIMISM = 2.0
# Beyond these documents, chance hardly matters. Chances this close are about equal.
_MOST, _EQUAL = 2000, 0.01


@dataclass(frozen=True, slots=True)
class Selected:
    """The result.

    Attributes:
        place: of the threshold whose audience is the largest that is shown; None if none is.
        low: the one-sided 95 % lower bound of its precision; if none is shown, that of the threshold that was
            the likeliest to be, which is `first`.
        n: the documents at that threshold; weighted ones count less.
        first: the place at which the tests began.
    """

    place: int | None
    low: float
    n: float
    first: int


def select(
    scores: Floats, right: Bools, weights: Floats, thresholds: Floats, reach: Floats, expected: Floats, target: float
) -> Selected:
    """Choose the lowest threshold whose precision is shown to reach the target with 95 % confidence.

    Thresholds are tested in an order that does not depend on the answers, from the one that is the likeliest to pass
    towards larger audiences, up to the first that fails. That is fixed-sequence testing: a precision below the target
    is "shown" with a probability of 5 % at most. Each test is the exact binomial one. Documents of unequal weight count
    as (sum w)² / sum w² documents.

    Angelopoulos et al. (2021), "Learn then Test", arXiv 2110.01052, section 1.2; Clopper and Pearson (1934); Korn and
    Graubard (1998), "Confidence Intervals for Proportions with Small Expected Number of Positive Counts Estimated from
    Survey Data", and Kish (1965), "Survey Sampling", for weights.

    Args:
        scores: (n,) of the documents that may be in the audience.
        right: (n,) whether each belongs to it.
        weights: (n,) the documents that each represents, above 0.
        thresholds: (m,) falling; a document is in the audience if its score reaches the threshold.
        reach: (m,) the share of the possible audience that each reaches, in (0, 1].
        expected: (m,) the mean score of these, which is the precision that the model expects.
        target: the precision, in (0, 1).

    Raises:
        ValueError: if lengths differ, there are no thresholds, they do not fall, or the target is out of range.
    """
    lengths = {len(scores), len(right), len(weights)}, {len(thresholds), len(reach), len(expected)}
    if any(len(one) > 1 for one in lengths) or not len(thresholds) or (np.diff(thresholds) > 0).any():
        raise ValueError(f"got {lengths} documents and thresholds; expected equal lengths, and falling thresholds")
    if not 0 < target < 1 or not (weights > 0).all():
        raise ValueError(f"target = {target}; expected a share above 0 and below 1, and weights above 0")
    whole = effective(weights)
    first = _first(whole, reach, expected, target)
    place, low, n = None, 0.0, 0.0
    for tried in range(first, len(thresholds)):
        inside = scores >= thresholds[tried]
        size = effective(weights[inside])
        hits = size * float(weights[inside & right].sum() / weights[inside].sum()) if size else 0.0
        shown = size > 0 and tail(hits, size, target) <= ERROR
        if shown or tried == first:
            low, n = bound(hits, size), size
        if not shown:
            break
        place = tried
    return Selected(place, low, n, first)


def effective(weights: Floats) -> float:
    """Return how many documents of equal weight tell as much, at least: (sum w)² / sum w². Kish (1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def bound(hits: float, n: float) -> float:
    """Return the one-sided 95 % lower bound of a share; see `laud_ray.stats.bounds.lower_bound`."""
    return float(betaincinv(hits, n - hits + 1, ERROR)) if hits > 0 else 0.0


def needed(target: float) -> int:
    """Return how many documents without an error show a precision, at least: 59 for 95 %."""
    return int(np.ceil(np.log(ERROR) / np.log(target)))


def _first(n: float, reach: Floats, expected: Floats, target: float) -> int:
    """Return the place of the threshold that is the likeliest to pass, the largest audience of about equals.

    How many of n documents a threshold reaches is binomial, and so is the number of wrong ones among them.
    """
    whole = min(int(n), _MOST)
    sizes: Indices = np.arange(whole + 1)
    allowed = np.array([most_disagreements(int(size), target) if size else -1 for size in sizes])
    wrong = np.clip(PESSIMISM * (1 - expected), 1e-9, 1.0)[:, None]
    passes = np.where(allowed >= 0, bdtr(np.maximum(allowed, 0), sizes, wrong), 0.0)
    chance = (_binomial(whole, np.clip(reach, 0, 1)[:, None]) * passes).sum(axis=1)
    if chance.max() <= 0:  # no set is large enough: the largest shows most
        return len(reach) - 1
    return int(np.flatnonzero(chance >= chance.max() - _EQUAL)[-1])


def _binomial(n: int, p: Floats) -> Floats:
    """Return (m, n + 1) the probabilities of 0 to n of n events, for (m, 1) probabilities p."""
    up_to = bdtr(np.arange(n + 1), n, p)
    return np.diff(up_to, axis=1, prepend=0.0)
