"""Shares from many cheap answers and few trusted ones: prediction-powered inference. Pure NumPy and SciPy.

Stratum h of H holds N_h documents. n_h of them, drawn at random, have a cheap answer, and m_h of these, again drawn at
random, have a trusted answer too. However wrong the cheap answers are, the estimates are unbiased: good cheap answers
make the intervals narrower, and bad ones do not help. Functions are vectorised over leading axes, written `...`, such
as classes or simulated samples.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
import scipy

from laud_ray.types import Bools, Floats

# A share is hits / (hits + misses) within a part of the population. According to an answer, a document is outside that
# part (NEITHER), or in it as a MISS or a HIT.
NEITHER, MISS, HIT = range(3)
_TAIL = 0.025
Share: TypeAlias = Literal["prevalence", "precision", "recall", "jaccard"]

# For each share, the unseen events that would lower it, and those that would raise it. An event is the outcome by the
# trusted answer, the outcome by the cheap answer, and the documents in which it can occur: those whose predicted label
# is the class ("given"), the others ("not given"), or all ("any").
_UNSEEN: Mapping[Share, tuple[list[tuple[int, int, str]], list[tuple[int, int, str]]]] = {
    "prevalence": ([(MISS, HIT, "any")], [(HIT, MISS, "any")]),
    "precision": ([(MISS, HIT, "given")], [(HIT, MISS, "given")]),
    "recall": ([(MISS, NEITHER, "not given")], [(HIT, NEITHER, "given"), (NEITHER, MISS, "not given")]),
    "jaccard": ([(MISS, NEITHER, "any")], [(HIT, MISS, "given")]),
}
# An estimated mass below this share of all documents is zero up to rounding.
TINY = 1e-9


def unseen_events(share: Share, given: Bools, not_given: Bools) -> tuple[Floats, Floats]:
    """Return two (..., H, 3, 3) tables of half events not seen in the sample: those that lower a share, then raise it.

    Each table is indexed by stratum, outcome of the trusted answer, and outcome of the cheap answer, as in
    `powered_limits`.

    Args:
        share: the kind of share.
        given, not_given: (..., H) whether a stratum has documents whose predicted label is the class, or is another.
            If no stratum has any, an event is added in all of them.
    """
    places = {"any": np.ones_like(given), "given": given, "not given": not_given}
    sides = (np.zeros((*given.shape, 3, 3)), np.zeros((*given.shape, 3, 3)))
    for side, events in zip(sides, _UNSEEN[share], strict=True):
        for trusted, cheap, place in events:
            where = places[place]
            side[..., trusted, cheap] = 0.5 * np.where(where.any(-1, keepdims=True), where, True)
    return sides


def powered_factor(table: Floats, rest: Floats, sizes: Floats) -> Floats:
    """Return the (...) weight of the cheap answers, in [0, 1], that minimises the variance of a share.

    With 0 the cheap answers are ignored; with 1 they count fully. The weight is the regression coefficient of the
    trusted answers' influence on the share on the cheap answers' influence, shrunk towards 0 by one event. The
    arguments are those of `powered_limits`.

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
    # Where the correction leaves no mass at all, the estimate uses the trusted answers alone.
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
    """Estimate a share as the trusted oracle would measure it; return the share and its lower and upper 95 % limits.

    Hits and misses are estimated by the difference estimator: the rate by the cheap answers of all n_h documents, times
    `factor`, plus the mean of (trusted - factor * cheap) over the m_h documents that have both. The variance is the
    linearised one of two-phase sampling: the variance that trusted answers for all n_h documents would have, plus that
    of the differences in the subsample of m_h. The limits are quantiles of the Beta distribution with this mean and
    variance. As in `share_limits`, half an unseen event is added in every stratum that could hold one, where it widens
    the interval; here it is an event on which the cheap answer is wrong.

    Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), "Prediction-Powered Inference"; Fisch et al. (2024),
    "Stratified Prediction-Powered Inference"; Cochran (1977), "Sampling Techniques", chapter 12 for two phases.
    Coverage: benchmarks/estimation_coverage.py.

    Args:
        table: (..., H, 3, 3) numbers of documents with both answers, by the outcome (NEITHER, MISS, HIT) of the
            trusted answer, then of the cheap one.
        rest: (..., H, 3) numbers of documents with a cheap answer only, by its outcome.
        sizes: (H,) N_h.
        factor: (...) from `powered_factor`.
        worse, better: (..., H, 3, 3) unseen events from `unseen_events`, added to `table` for the lower and for the
            upper limit.

    Returns:
        Three arrays (...): share, lower and upper limit. With neither hits nor misses: NaN, 0 and 1.
    """
    hits, misses = (one.clip(0) for one in _masses(table, rest, sizes, factor))
    nothing = TINY * sizes.sum()
    known = hits + misses > nothing
    value = np.divide(hits, hits + misses, out=np.full(np.shape(hits), np.nan), where=known)
    # If there is no miss, or no hit, a whole event is added instead of half of one, as in `share_limits`.
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
    return np.asarray(scipy.special.betaincinv(mean * size, (1 - mean) * size, level))


def _masses(table: Floats, rest: Floats, sizes: Floats, factor: Floats) -> tuple[Floats, Floats]:
    """Return the (...) estimated hits and misses in the population; the correction can make them negative."""
    mass = (sizes[:, None] * _corrected(table, rest, factor)).sum(-2)
    return mass[..., HIT], mass[..., MISS]


def _corrected(table: Floats, rest: Floats, factor: Floats) -> Floats:
    """Return the (..., H, 3) shares of the outcomes in each stratum by the difference estimator."""
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
    """Return the (..., 3) influence of a document on a share, by its outcome, times the mass of the part."""
    return np.stack([np.zeros_like(share), -share, 1 - share], -1)
