"""Shares from few trusted answers and many cheap ones: prediction-powered inference. Pure NumPy and SciPy.

Stratum h of H holds N_h documents; n_h of them have a trusted answer (yes or no) and a cheap one, the rest, or part
of it, the cheap one alone. The cheap answers may be as wrong as they like: they make intervals narrow, never biased.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import betaincinv

from laud_ray.types import Bools, Estimate, Floats, Indices

_TAIL = 0.025


def estimate_powered_share(
    trusted: Bools, cheap: Bools, strata: Indices, sizes: Mapping[int, int], cheap_alone: Mapping[int, tuple[int, int]]
) -> Estimate:
    """Estimate the share of documents whose trusted answer would be yes.

    Args:
        trusted, cheap: (n,) the two answers to the documents of a stratified random sample.
        strata: (n,) the stratum of each.
        sizes: the number N_h of documents in each stratum.
        cheap_alone: for each stratum, how many others have the cheap answer yes, and how many have one at all: a
            random part of the stratum, or all of it.

    Raises:
        ValueError: if the arrays differ in length, or a stratum has no document in the sample.
    """
    if not len(trusted) == len(cheap) == len(strata) or set(strata.tolist()) != set(sizes):
        raise ValueError(
            f"{len(trusted)} trusted answers, {len(cheap)} cheap ones and {len(strata)} strata, of which "
            f"{sorted(set(strata.tolist()))} of {sorted(sizes)} occur; expected one length, and every stratum"
        )
    present, stratum = np.unique(strata, return_inverse=True)
    table = np.zeros((len(present), 2, 2))
    np.add.at(table, (stratum, trusted.astype(int), cheap.astype(int)), 1)
    yes, alone = (np.array([cheap_alone.get(int(h), (0, 0))[i] for h in present], float) for i in (0, 1))
    value, low, high = powered_limits(table, np.array([sizes[int(h)] for h in present], float), yes, alone)
    return Estimate(float(value), float(low), float(high), len(trusted))


def powered_limits(table: Floats, sizes: Floats, yes: Floats, alone: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the share of trusted yes in the population, and its lower and upper 95 % limits.

    The estimate is the difference estimator: the share of cheap yes everywhere, plus what the sample says that the
    cheap answers are wrong by, both times a factor that makes the variance least (0: the cheap answers are noise and
    are left out; 1: they are taken at their word). Limits are those of `share_limits`: the Beta distribution with
    this mean and variance, where half an error that was not seen is added in every stratum on the side that hurts.

    Angelopoulos, Bates, Fannjiang, Jordan and Zrnic (2023), "Prediction-Powered Inference"; Angelopoulos, Duchi and
    Zrnic (2023), "PPI++" (arXiv 2311.01453) for the factor; Fisch et al. (2024), "Stratified Prediction-Powered
    Inference". Coverage: benchmarks/estimation_coverage.py.

    Args:
        table: (..., H, 2, 2) documents of the sample by trusted answer (no, yes), then by cheap answer.
        sizes: (H,) N_h.
        yes: (..., H) documents outside of the sample whose cheap answer is yes.
        alone: (H,) how many have a cheap answer alone.
    """
    sampled = table.sum((-2, -1))
    everywhere = alone + sampled >= sizes
    share = sizes / sizes.sum()
    cheap_yes = (yes + table[..., :, 1].sum(-1)) / (alone + sampled)
    of_the_rest = np.where(everywhere, 0.0, 1 / np.maximum(alone, 1e-9))
    factor = _factor(table, share, of_the_rest, alone)
    unseen = np.maximum(sizes - sampled, 1) / np.maximum(sizes - 1, 1)
    design = (share, unseen, of_the_rest, factor)

    def moments(counts: Floats) -> tuple[Floats, Floats]:
        return _moments(counts, cheap_yes, np.where(everywhere, 0.0, yes / np.maximum(alone, 1)), design)

    value = np.clip(moments(table)[0], 0, 1)
    limits = []
    for level, error in ((_TAIL, (0, 1)), (1 - _TAIL, (1, 0))):
        more = table.copy()
        more[..., error[0], error[1]] += 0.5
        mean, variance = moments(more)
        mean = np.clip(mean, 1e-6, 1 - 1e-6)
        size = np.maximum(mean * (1 - mean) / variance - 1, 1e-3)
        limits.append(betaincinv(mean * size, (1 - mean) * size, level))
    return value, np.fmin(limits[0], value), np.fmax(limits[1], value)


def _factor(table: Floats, share: Floats, of_the_rest: Floats, alone: Floats) -> Floats:
    """Return the (...) factor of least variance in [0, 1], one for all strata; 0 without cheap answers alone."""
    n = table.sum((-2, -1)) + 2
    cells = table + 0.5
    both, trusted, cheap = cells[..., 1, 1] / n, cells[..., 1, :].sum(-1) / n, cells[..., :, 1].sum(-1) / n
    together = (share**2 * (both - trusted * cheap) / n).sum(-1)
    apart = (share**2 * cheap * (1 - cheap) * (1 / n + of_the_rest)).sum(-1)
    return np.asarray(np.clip(together / apart, 0, 1) if alone.sum() else np.zeros(np.shape(together)))


def _moments(
    counts: Floats, cheap_yes: Floats, rest_yes: Floats, design: tuple[Floats, Floats, Floats, Floats]
) -> tuple[Floats, Floats]:
    """Return the mean and the variance of the estimate, for counts of the sample."""
    share, unseen, of_the_rest, factor = design
    by = factor[..., None]
    n = counts.sum((-2, -1))
    false, missed = counts[..., 0, 1] / n, counts[..., 1, 0] / n
    agreed = counts[..., 1, 1] / n
    # trusted - factor * cheap is 1 where missed, 1 - factor where both say yes, -factor where falsely cheap.
    first = missed + (1 - by) * agreed - by * false
    second = missed + (1 - by) ** 2 * agreed + by**2 * false
    mean = (share * (by * cheap_yes + first)).sum(-1)
    variance = share**2 * (unseen * (second - first**2) / (n + 1) + by**2 * rest_yes * (1 - rest_yes) * of_the_rest)
    return mean, np.maximum(variance.sum(-1), 1e-12)
