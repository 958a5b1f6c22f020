"""Shares from many cheap answers and few trusted ones: prediction-powered inference. Pure NumPy and SciPy.

Stratum h of H holds N_h documents. n_h of them, drawn at random, have a cheap answer, and m_h of these, again drawn at
random, a trusted one too. The cheap answers may be as wrong as they like: they make intervals narrow, never biased.
Leading axes, such as classes or simulated samples, go through.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import betaincinv

from laud_ray.types import Bools, Floats

# What an answer makes of a document: it is outside of the part that a share is of, or a miss in it, or a hit.
NEITHER, MISS, HIT = range(3)
_TAIL = 0.025
Share: TypeAlias = Literal["prevalence", "precision", "recall", "jaccard"]

# What nobody has seen may lower a share, or raise it: what the trusted answer makes of a document, what the cheap one
# does, and whether only documents that the model gives to the class can be so, or does not give, or any.
_UNSEEN: Mapping[Share, tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]] = {
    "prevalence": ([(MISS, HIT, "any")], [(HIT, MISS, "any")]),
    "precision": ([(MISS, HIT, "given")], [(HIT, MISS, "given")]),
    "recall": ([(MISS, NEITHER, "not given")], [(HIT, NEITHER, "given"), (NEITHER, MISS, "not given")]),
    "jaccard": ([(MISS, NEITHER, "any")], [(HIT, MISS, "given")]),
}
# Of all documents: what is less than this is nothing, but for rounding.
TINY = 1e-9


def unseen_events(share: Share, given: Bools, not_given: Bools) -> tuple[Floats, Floats]:
    """Return (..., H, 3, 3) half events that nobody has seen and that lower a share, and those that raise it.

    Args:
        given, not_given: (..., H) whether a stratum has documents that the model gives to the class, and others.
            Where no stratum has any, all might.
    """
    places = {"any": np.ones_like(given), "given": given, "not given": not_given}
    sides = (np.zeros((*given.shape, 3, 3)), np.zeros((*given.shape, 3, 3)))
    for side, events in zip(sides, _UNSEEN[share], strict=True):
        for trusted, cheap, place in events:
            where = places[place]
            side[..., trusted, cheap] = 0.5 * np.where(where.any(-1, keepdims=True), where, True)
    return sides


def powered_factor(table: Floats, rest: Floats, sizes: Floats) -> Floats:
    """Return the (...) weight of the cheap answers, in [0, 1], at which a share's variance is least.

    0: they are noise and are left out; 1: they are taken at their word. It is the regression of what trusted answers
    add to the share's error on what cheap ones add, drawn towards 0 by one event. Arguments as for `powered_limits`.

    Angelopoulos, Duchi and Zrnic (2023), "PPI++: Efficient Prediction-Powered Inference", arXiv 2311.01453.
    """
    m, n = _counts(table, rest)
    trusted = table.sum(-1)
    weight = sizes / m
    hits, misses = ((weight * trusted[..., one]).sum(-1) + 0.5 * weight.mean(-1) for one in (HIT, MISS))
    share = hits / (hits + misses)
    z = _influence(share)
    cells = table / m[..., None, None]
    by_trusted, by_cheap = cells.sum(-1), cells.sum(-2)
    z_trusted, z_cheap = ((z[..., None, :] * one).sum(-1) for one in (by_trusted, by_cheap))
    together = (cells * z[..., None, :, None] * z[..., None, None, :]).sum((-2, -1)) - z_trusted * z_cheap
    apart = (by_cheap * z[..., None, :] ** 2).sum(-1) - z_cheap**2 + (share * (1 - share))[..., None] / m
    gain = (sizes / sizes.sum()) ** 2 * (1 / m - 1 / n)
    factor = np.clip((gain * together).sum(-1) / np.maximum((gain * apart).sum(-1), 1e-12), 0, 1)
    # Where the correction takes more than there is, the trusted answers speak alone.
    hits, misses = _masses(table, rest, sizes, factor)
    return np.where(hits.clip(0) + misses.clip(0) > TINY * sizes.sum(), factor, 0.0)


def powered_limits(
    table: Floats,
    rest: Floats,
    sizes: Floats,
    factor: Floats,
    worse: Floats,
    better: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Return a share of a part of the population by trusted answers, and its lower and upper 95 % limits.

    Hits and misses are estimated by the difference estimator: what the cheap answers say of all n_h documents, plus
    what the m_h show that they are wrong by, the cheap ones times `factor`. The variance is that of a sample in two
    phases, linearised: that of the trusted answers if all n_h had one, plus that of the differences among m_h of n_h.
    The limits are quantiles of the Beta distribution with this mean and variance. As in `share_limits`, half an event
    that was not seen is added in every stratum that could hold one, on the side that hurts: here one that the cheap
    answer hides, or makes up.

    Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), "Prediction-Powered Inference"; Fisch et al. (2024),
    "Stratified Prediction-Powered Inference"; Cochran (1977), "Sampling Techniques", chapter 12 for two phases.
    Coverage: benchmarks/estimation_coverage.py.

    Args:
        table: (..., H, 3, 3) documents by what the trusted answer makes of them, then by what the cheap one does.
        rest: (..., H, 3) documents with a cheap answer alone.
        sizes: (H,) N_h.
        factor: (...) from `powered_factor`.
        worse, better: (..., H, 3, 3) events like those of `table` that nobody has seen, for the lower and the upper
            limit.

    Returns:
        Three arrays (...): the share, NaN without hits and misses, then [0, 1].
    """
    hits, misses = (one.clip(0) for one in _masses(table, rest, sizes, factor))
    nothing = TINY * sizes.sum()
    known = hits + misses > nothing
    value = np.divide(hits, hits + misses, out=np.full(np.shape(hits), np.nan), where=known)
    # Without any miss, or any hit, a whole event, as there.
    worse, better = (
        (1 + (one <= nothing))[..., None, None, None] * events for one, events in ((misses, worse), (hits, better))
    )
    sides = ((worse, _TAIL), (better, 1 - _TAIL))
    limits = [_quantile(table + events, rest, sizes, factor, level) for events, level in sides]
    low = np.where(known, np.fmin(limits[0], value), 0.0)
    return value, low, np.where(known, np.fmax(limits[1], value), 1.0)


def _quantile(table: Floats, rest: Floats, sizes: Floats, factor: Floats, level: float) -> Floats:
    """Return a quantile of the Beta distribution with the mean and the variance of the share."""
    hits, misses = (one.clip(0) for one in _masses(table, rest, sizes, factor))
    total = np.maximum(hits + misses, 1e-9)
    mean = np.clip(hits / total, 1e-6, 1 - 1e-6)
    z = _influence(mean)[..., None, :]
    m, n = _counts(table, rest)
    corrected = _corrected(table, rest, factor).clip(0)
    first, second = (corrected * z).sum(-1), (corrected * z**2).sum(-1)
    apart = z[..., :, None] - factor[..., None, None, None] * z[..., None, :]
    cells = table / m[..., None, None]
    differences = (cells * apart**2).sum((-2, -1)) - (cells * apart).sum((-2, -1)) ** 2
    unseen = np.maximum(sizes - n, 1) / np.maximum(sizes - 1, 1)
    of_sample = unseen * np.maximum(second - first**2, 0) / (n + 1)
    variance = sizes**2 * (of_sample + differences * (1 / (m + 1) - 1 / (n + 1)))
    size = np.maximum(mean * (1 - mean) / np.maximum(variance.sum(-1) / total**2, 1e-12) - 1, 1e-3)
    return np.asarray(betaincinv(mean * size, (1 - mean) * size, level))


def _masses(table: Floats, rest: Floats, sizes: Floats, factor: Floats) -> tuple[Floats, Floats]:
    """Return (...) estimated hits and misses in the population; the correction may leave less than none."""
    mass = (sizes[:, None] * _corrected(table, rest, factor)).sum(-2)
    return mass[..., HIT], mass[..., MISS]


def _corrected(table: Floats, rest: Floats, factor: Floats) -> Floats:
    """Return (..., H, 3) shares of each stratum by the difference estimator."""
    m, n = _counts(table, rest)
    cheap = table.sum(-2)
    everywhere = (cheap + rest) / n[..., None]
    by = factor[..., None, None]
    return np.asarray(by * everywhere + (table.sum(-1) - by * cheap) / m[..., None])


def _counts(table: Floats, rest: Floats) -> tuple[Floats, Floats]:
    """Return (..., H) m_h and n_h."""
    m = table.sum((-2, -1))
    return m, m + rest.sum(-1)


def _influence(share: Floats) -> Floats:
    """Return (..., 3) what a document adds to the linearised error of a share, times the part's mass."""
    return np.stack([np.zeros_like(share), -share, 1 - share], -1)
