"""95 % limits of a share within a part of the population, from a stratified sample. Pure NumPy and SciPy.

Stratum h of H holds N_h documents, of which n_h are in the sample. Prevalence, precision, recall and the Jaccard
index are all such shares: hits / (hits + misses). In the general case a document counts as a part of a whole, not as a
hit or a miss: the nodes of a path that are right, of all nodes on it. Functions are vectorised over leading axes,
written `...`, such as classes or simulated samples.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from laud_ray.stats.estimates.sample import Sample
from laud_ray.types import Bools, Estimate, Floats

_TAIL = 0.025
_TINY = 1e-9


def share_limits(
    hits: Floats, misses: Floats, sizes: Floats, sampled: Floats, unseen: Floats, can_hit: Bools, can_miss: Bools
) -> tuple[Floats, Floats, Floats]:
    """Return the share hits / (hits + misses) in the population, and its lower and upper 95 % limits.

    This is Jeffreys' interval, the quantiles of Beta(hits + 1/2, misses + 1/2), extended to strata: a Beta distribution
    is fitted to the mean and the linearised variance of the share (Korn and Graubard 1998 use the effective size in the
    same way). For rare classes the limits depend on events that the sample has not seen, since one document of a large
    stratum represents many. So the half event that Jeffreys adds is added in every stratum that could hold one, and
    only where it widens the interval: half misses for the lower limit, half hits for the upper limit (the idea of Fay
    and Feuer 1997 for weighted sums of counts). If there is no hit at all, a whole event is added for the upper limit,
    as in the modified Jeffreys interval of Brown, Cai and DasGupta, and likewise for the lower limit if there is no
    miss.

    Brown, Cai and DasGupta (2001), "Interval Estimation for a Binomial Proportion"; Korn and Graubard (1998),
    "Confidence Intervals for Proportions with Small Expected Number of Positive Counts Estimated from Survey Data";
    Fay and Feuer (1997), "Confidence Intervals for Directly Standardized Rates: A Method Based on the Gamma
    Distribution"; Cochran (1977), section 5.4 and, for ratios, 6.11. Coverage: benchmarks/estimation_coverage.py.

    Args:
        hits, misses: (..., H) numbers of documents in the sample; the others of the n_h are outside the part.
        sizes: (H,) N_h, or anything proportional to it.
        sampled: (H,) n_h, at least 1.
        unseen: (H,) finite population corrections, in (0, 1].
        can_hit, can_miss: (..., H) whether a stratum could hold a hit, or a miss, that the sample has not seen.

    Returns:
        Three arrays (...): share, lower and upper limit. With neither hits nor misses: NaN, 0 and 1.
    """
    weight = sizes / sampled
    hit_mass, miss_mass = (hits * weight).sum(-1), (misses * weight).sum(-1)
    total = hit_mass + miss_mass
    value = np.divide(hit_mass, total, out=np.full(np.shape(total), np.nan), where=total > 0)
    # If no stratum could hold an event, the sample says nothing about the share: every stratum might hold one.
    can_hit = np.where(can_hit.any(-1, keepdims=True), can_hit, True)
    can_miss = np.where(can_miss.any(-1, keepdims=True), can_miss, True)
    event_up = np.where(hit_mass > 0, 0.5, 1.0)[..., None] * can_hit
    event_down = np.where(miss_mass > 0, 0.5, 1.0)[..., None] * can_miss
    sides = (
        (hits + _spread(hits * weight), misses + event_down, _TAIL),
        (hits + event_up, misses + _spread(misses * weight), 1 - _TAIL),
    )
    low, high = (
        _quantile(_events(sampled - hits - misses + hit + miss, hit, miss, 1.0), sizes, unseen, level)
        for hit, miss, level in sides
    )
    known = total > 0
    low = np.where(known & (hit_mass > 0), np.fmin(low, value), 0.0)
    high = np.where(known & (miss_mass > 0), np.fmax(high, value), 1.0)
    return value, low, high


def _spread(mass: Floats) -> Floats:
    """Distribute half an event over the strata, in proportion to the mass of the events seen."""
    return np.asarray(0.5 * (mass + _TINY) / (mass + _TINY).sum(-1, keepdims=True))


@dataclass(frozen=True, slots=True)
class _Moments:
    """(..., H) sums over the documents of a stratum: their number, the parts, the wholes, and the products of these."""

    documents: Floats
    part: Floats
    whole: Floats
    part_part: Floats
    part_whole: Floats
    whole_whole: Floats

    def __add__(self, other: "_Moments") -> "_Moments":
        return _Moments(*(getattr(self, one) + getattr(other, one) for one in self.__slots__))


def _events(documents: Floats, hits: Floats, misses: Floats, whole: Floats | float) -> _Moments:
    """Return the moments of hits and misses, each of which counts as `whole`, among these documents."""
    part, of = hits * whole, (hits + misses) * whole
    return _Moments(documents, part, of, part * whole, part * whole, of * whole)


def _quantile(seen: _Moments, sizes: Floats, unseen: Floats, level: float) -> Floats:
    """Return a quantile of the Beta distribution with the mean and the linearised variance of part / whole."""
    n = seen.documents
    total = (sizes * seen.whole / n).sum(-1)
    mean = (sizes * seen.part / n).sum(-1) / total
    ratio = mean[..., None]
    first = (seen.part - ratio * seen.whole) / n
    second = (seen.part_part - 2 * ratio * seen.part_whole + ratio**2 * seen.whole_whole) / n
    variance = (sizes**2 * unseen * (second - first**2) / (n + 1)).sum(-1) / total**2
    size = np.maximum(mean * (1 - mean) / variance - 1, 1e-3)
    return np.asarray(scipy.special.betaincinv(mean * size, (1 - mean) * size, level))


def estimate_ratio(sample: Sample, part: Floats, whole: Floats) -> Estimate:
    """Estimate the ratio of two sums over the population, such as right nodes of all predicted ones, in [0, 1].

    The limits are those of `share_limits`, whose variance is the linearised one of a ratio (the delta method); where
    each whole is 0 or 1 and each part too, they are the same. An unseen event is a document whose part is nothing, or
    everything, of the mean whole.

    Cochran (1977), "Sampling Techniques", section 6.11; Korn and Graubard (1998).

    Args:
        sample: gives the strata and their sizes; its labels do not matter.
        part: (n,) in [0, whole].
        whole: (n,) at least 0; a document with 0 is outside of what the ratio is about.

    Returns:
        The estimate, whose n counts the documents with a whole above 0. Without any: 0 with the interval [0, 1].

    Raises:
        ValueError: if a part is below 0 or above its whole, or the lengths differ.
    """
    if not len(part) == len(whole) == len(sample) or not ((part >= 0) & (part <= whole)).all():
        raise ValueError(
            f"got {len(part)} parts and {len(whole)} wholes of {len(sample)} documents; expected as many, and each "
            "part in [0, whole]"
        )
    stratum = np.unique(sample.strata, return_inverse=True)[1]
    sizes, sampled, unseen = sample.design

    def summed(values: Floats | Bools) -> Floats:
        return np.bincount(stratum, values, minlength=len(sizes)).astype(np.float64)

    inside = summed(whole > 0)
    n = int(inside.sum())
    if not n:
        return Estimate(0.0, 0.0, 1.0, 0)
    typical = float(whole.sum() / n)
    seen = _Moments(sampled, *(summed(one) for one in (part, whole, part * part, part * whole, whole * whole)))
    weight, could = sizes / sampled, inside > 0
    part_mass, miss_mass = seen.part * weight, (seen.whole - seen.part) * weight
    value = float(part_mass.sum() / (part_mass + miss_mass).sum())
    up, down = (np.where(mass.sum() > 0, 0.5, 1.0) * could for mass in (part_mass, miss_mass))
    worse, better = (_spread(part_mass), down), (up, _spread(miss_mass))
    low, high = (
        float(_quantile(seen + _events(hit + miss, hit, miss, typical), sizes, unseen, level))
        for (hit, miss), level in ((worse, _TAIL), (better, 1 - _TAIL))
    )
    return Estimate(
        value,
        min(low, value) if part_mass.sum() > 0 else 0.0,
        max(high, value) if miss_mass.sum() > 0 else 1.0,
        n,
    )
