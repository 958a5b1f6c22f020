"""95 % limits of a share within a part of the population, from a stratified sample. Pure NumPy and SciPy.

Stratum h of H holds N_h documents, of which n_h are in the sample. Prevalence, precision, recall and the Jaccard
index are all such shares: hits / (hits + misses). Functions are vectorised over leading axes, written `...`, such as
classes or simulated samples.
"""

import numpy as np
from scipy.special import betaincinv

from laud_ray.types import Bools, Floats

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
    design = (sizes, sampled, unseen)
    low = _quantile(hits + _spread(hits * weight), misses + event_down, hits + misses, design, _TAIL)
    high = _quantile(hits + event_up, misses + _spread(misses * weight), hits + misses, design, 1 - _TAIL)
    known = total > 0
    low = np.where(known & (hit_mass > 0), np.fmin(low, value), 0.0)
    high = np.where(known & (miss_mass > 0), np.fmax(high, value), 1.0)
    return value, low, high


def _spread(mass: Floats) -> Floats:
    """Distribute half an event over the strata, in proportion to the mass of the events seen."""
    return np.asarray(0.5 * (mass + _TINY) / (mass + _TINY).sum(-1, keepdims=True))


def _quantile(
    hits: Floats, misses: Floats, seen: Floats, design: tuple[Floats, Floats, Floats], level: float
) -> Floats:
    """Return a quantile of the Beta distribution with the mean and the linearised variance of the share."""
    sizes, sampled, unseen = design
    documents = sampled - seen + hits + misses
    hit, miss = hits / documents, misses / documents
    total = (sizes * (hit + miss)).sum(-1)
    mean = (sizes * hit).sum(-1) / total
    above, below = 1 - mean[..., None], mean[..., None]
    first, second = hit * above - miss * below, hit * above**2 + miss * below**2
    variance = (sizes**2 * unseen * (second - first**2) / (documents + 1)).sum(-1) / total**2
    size = np.maximum(mean * (1 - mean) / variance - 1, 1e-3)
    return np.asarray(betaincinv(mean * size, (1 - mean) * size, level))
