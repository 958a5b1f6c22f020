"""The largest audience whose precision is shown: one threshold, from documents with known answers. Pure NumPy, SciPy.

n documents with answers, m thresholds.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, betaincinv

from laud_ray.stats.bounds import ERROR, tail
from laud_ray.types import Bools, Floats, Indices

# The share of the error that is spent at the threshold that is the likeliest to pass. The rest is for smaller
# audiences, in which a model may still be right that errs more often than its confidence says. The choice changes only
# how often something is shown, never whether what is shown holds.
MAIN = 0.5
# A smaller audience gets a share if it is at least this likely to pass with an average share and without an error.
_LEAST = 0.2
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
        first: the place of the threshold that is the likeliest to pass.
    """

    place: int | None
    low: float
    n: float
    first: int


def select(
    scores: Floats, right: Bools, weights: Floats, thresholds: Floats, reach: Floats, expected: Floats, target: float
) -> Selected:
    """Choose the lowest threshold whose precision is shown to reach the target with 95 % confidence.

    Thresholds are tested from the smallest audience to the largest, each with a share of the error of 5 % that does not
    depend on the answers, and with the error of the ones before it if these passed. That is the fallback procedure: a
    precision below the target is "shown" with a probability of 5 % at most. Each test is the exact binomial one.
    Documents of unequal weight count as (sum w)² / sum w² documents.

    Wiens (2003), "A Fixed Sequence Bonferroni Procedure for Testing Multiple Endpoints"; Angelopoulos et al. (2021),
    "Learn then Test", arXiv 2110.01052, section 1.2; Clopper and Pearson (1934); Korn and
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
    first, shares = _shares(effective(weights), reach, expected, target)
    hits, sizes = zip(*(_seen(scores, right, weights, threshold) for threshold in thresholds), strict=True)
    place, error = None, 0.0
    for tried, share in enumerate(shares.tolist()):
        error += share
        if error and sizes[tried] and tail(hits[tried], sizes[tried], target) <= error:
            place = tried
        else:
            error = 0.0
    at = first if place is None else place
    return Selected(place, bound(hits[at], sizes[at]), sizes[at], first)


def _seen(scores: Floats, right: Bools, weights: Floats, threshold: float) -> tuple[float, float]:
    """Return how many documents are right at a threshold, and how many there are; weighted ones count as fewer."""
    inside = scores >= threshold
    size = effective(weights[inside])
    return size * float(weights[inside & right].sum() / weights[inside].sum()) if size else 0.0, size


def effective(weights: Floats) -> float:
    """Return how many documents of equal weight tell as much, at least: (sum w)² / sum w². Kish (1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def bound(hits: float, n: float) -> float:
    """Return the one-sided 95 % lower bound of a share; see `laud_ray.stats.bounds.lower_bound`."""
    return float(betaincinv(hits, n - hits + 1, ERROR)) if hits > 0 else 0.0


def needed(target: float) -> int:
    """Return how many documents without an error show a precision, at least: 59 for 95 %."""
    return int(np.ceil(np.log(ERROR) / np.log(target)))


def _shares(n: float, reach: Floats, expected: Floats, target: float) -> tuple[int, Floats]:
    """Return the place of the threshold that is the likeliest to pass, and (m,) the share of the error of each."""
    shares: Floats = np.zeros(len(reach))
    first = _first(_chances(n, reach, expected, target, ERROR))
    average = (1 - MAIN) * ERROR / max(first, 1)
    perfect = _chances(n, reach[:first], np.ones(first), target, average)
    others = np.flatnonzero(perfect >= _LEAST)
    shares[others] = (1 - MAIN) * ERROR / max(len(others), 1)
    shares[first] = ERROR - shares.sum()
    return first, shares


def _first(chances: Floats) -> int:
    """Return the place of the threshold that is the likeliest to pass, the largest audience of about equals."""
    if chances.max() <= 0:  # no set is large enough: the largest shows most
        return len(chances) - 1
    return int(np.flatnonzero(chances >= chances.max() - _EQUAL)[-1])


def _chances(n: float, reach: Floats, expected: Floats, target: float, error: float) -> Floats:
    """Return (m,) how likely each threshold is to pass a test with an error, if the model expects rightly.

    How many of n documents a threshold reaches is binomial, and so is the number of wrong ones among them.
    """
    whole = min(int(n), _MOST)
    sizes: Indices = np.arange(whole + 1)
    allowed = _allowed(whole, target, error)
    wrong = np.clip(1 - expected, 1e-9, 1.0)[:, None]
    passes = np.where(allowed >= 0, bdtr(np.maximum(allowed, 0), sizes, wrong), 0.0)
    return np.asarray((_binomial(whole, np.clip(reach, 0, 1)[:, None]) * passes).sum(axis=1))


def _allowed(most: int, target: float, error: float) -> Indices:
    """Return (most + 1,) how many of 0, 1, ... documents may be wrong for a test to pass; -1 if none may."""
    found, wrong = np.full(most + 1, -1), -1
    for n in range(1, most + 1):  # one more document allows at most one more error
        wrong += wrong + 1 < n and tail(n - wrong - 1, n, target) <= error
        found[n] = wrong
    return found


def _binomial(n: int, p: Floats) -> Floats:
    """Return (m, n + 1) the probabilities of 0 to n of n events, for (m, 1) probabilities p."""
    up_to = bdtr(np.arange(n + 1), n, p)
    return np.diff(up_to, axis=1, prepend=0.0)
