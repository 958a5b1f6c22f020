"""Bets that shares, or the mean of values in [0, 1], lie outside an interval. Pure. m documents, J bets a side.

All bets of a batch are fixed before it is seen, and multiply over its documents: the order of documents has no effect.
If the documents are independent, or drawn without replacement, the expected product is at most that of equal means, by
the inequality of arithmetic and geometric means. So the hypotheses are about the mean of a batch, not about each
document in it, and a catalog may come sorted.
"""

import numpy as np
from scipy.special import betaln

from laud_ray.stats.betting.wealth import Moves
from laud_ray.types import Floats, Indices

# Bets are on these parts of the way from the edge of what is tolerated to 0 or 1: half as far each time.
STEPS = 0.9 * 0.5 ** np.arange(9.0)
# Part of the largest stake with which the wealth stays positive whatever comes.
BOLDEST = 0.9
# Documents whose gains are computed at once.
BLOCK = 16_384


def bets_on_shares(counts: Indices, m: int, shares: Floats, low: Floats, high: Floats, n: int) -> Moves:
    """Return what m documents did to bets that some share of k lies below `low` or above `high`.

    The gains are ratios of binomial likelihoods.

    Args:
        counts: (k,) documents of the batch that count for each share.
        m: documents of the batch.
        shares: (k,) of the reference.
        low, high: (k,) what is tolerated; a side that is not within (0, 1) has no bets.
        n: documents of the reference.

    Returns:
        The moves of 2 k J bets.
    """
    below, above = (low > 0) & (low < 1), (high > 0) & (high < 1)
    low, high = np.where(below, low, 0.5)[:, None], np.where(above, high, 0.5)[:, None]
    seen, others = counts[:, None].astype(np.float64), (m - counts)[:, None].astype(np.float64)
    gone = np.log1p(-STEPS)
    up = seen * np.log1p(STEPS * (1 - high) / high) + others * gone
    down = seen * gone + others * np.log1p(STEPS * low / (1 - low))
    # A share of 0 or 1 in the reference counts as half a document.
    p = np.clip(shares, 0.5 / max(n, 1), 1 - 0.5 / max(n, 1))[:, None]
    # Against the reference instead of the edge: the edge's own likelihood ratio is added.
    up_sum = up + seen * np.log(high / p) + others * np.log((1 - high) / (1 - p))
    down_sum = down + seen * np.log(low / p) + others * np.log((1 - low) / (1 - p))
    able = np.broadcast_to(np.stack([below, above], 1)[:, :, None], (len(shares), 2, len(STEPS)))
    return Moves(
        np.stack([down, up], 1).ravel(),
        np.stack([down_sum, up_sum], 1).ravel(),
        able.ravel(),
    )


def bets_on_tails(counts: Indices, m: int, tolerated: Floats, beyond: Indices, n: int) -> Moves:
    """Return what m documents did to bets that more than is tolerated lie beyond each of k distances.

    A gain is the smaller one of two likelihood ratios, so that it is fair under either of two hypotheses.

    1. The share beyond each distance is at most the tolerated one. The ratio is against the share at that edge.
    2. Nothing has changed: the documents, those before them, and those by which the distances were chosen are
       exchangeable. The ratio is against Pólya's urn, in which a document lies beyond a distance with a probability of
       (beyond + 1) / (n + 1), given those before. That is exact: if a of n random documents lie beyond the distance of
       one of them, the share of all documents beyond it has the distribution Beta(a + 1, n - a), of which later
       documents make the posterior. So nothing needs to be added for the error of few documents.

    Wilks (1941), "Determination of Sample Sizes for Setting Tolerance Limits"; Vovk, Gammerman and Shafer (2005),
    "Algorithmic Learning in a Random World", for tests of exchangeability by betting.

    Args:
        counts: (k,) documents of the batch that lie beyond each distance.
        m: documents of the batch.
        tolerated: (k,) shares in (0, 1).
        beyond: (k,) earlier documents beyond each distance: those by which it was chosen, each distance being that of
            one of them, and those of earlier batches.
        n: the number of these earlier documents; there are no bets if it is 0.

    Returns:
        The moves of k J bets.
    """
    edge, seen, others = (
        tolerated[:, None],
        counts[:, None].astype(np.float64),
        (m - counts)[:, None].astype(np.float64),
    )
    bold = edge + STEPS * (1 - edge)
    on = seen * np.log(bold) + others * np.log1p(-bold)
    against_edge = on - seen * np.log(edge) - others * np.log1p(-edge)
    a, b = beyond[:, None] + 1.0, np.maximum(n - beyond, 1)[:, None].astype(np.float64)
    against_urn = on - betaln(a + seen, b + others) + betaln(a, b)
    able = np.full(on.size, n > 0)
    return Moves(np.minimum(against_edge, against_urn).ravel(), against_urn.ravel(), able)


def bets_on_mean(values: Floats, mean: float, variance: float, low: float, high: float) -> Moves:
    """Return what m documents did to bets that the mean of values in [0, 1] lies below `low` or above `high`.

    The gain of a bet is the product of 1 + stake * (value - high), or of 1 + stake * (low - value): Waudby-Smith and
    Ramdas (2024), section 4. A stake is the one of Kelly for the mean that it bets on.

    Args:
        values: (m,) of the batch.
        mean, variance: of the reference.
        low, high: what is tolerated; a side that is not within (0, 1) has no bets.

    Returns:
        The moves of 2 J bets.
    """
    sides = []
    for sign, edge in ((-1, low), (1, high)):
        able = 0 < edge < 1
        at = edge if able else 0.5
        far = STEPS * (1 - at if sign > 0 else at)
        spread = max(variance, (edge - mean) ** 2, 1e-6) if able else 1.0
        stakes = np.minimum(far / (spread + far**2), BOLDEST / (at if sign > 0 else 1 - at))
        apart = at + sign * far - mean
        evidence = apart * (values.sum() - len(values) * mean) - len(values) * apart**2 / 2
        sides.append((_gains(values, sign * stakes, at), evidence / spread, np.full(len(STEPS), able)))
    return Moves(*(np.concatenate(parts) for parts in zip(*sides, strict=True)))


def _gains(values: Floats, stakes: Floats, edge: float) -> Floats:
    """Return the (J,) logs of the products of 1 + stake * (value - edge)."""
    total = np.zeros(len(stakes))
    for start in range(0, len(values), BLOCK):
        part = values[start : start + BLOCK].astype(np.float64) - edge
        total += np.log1p(part[:, None] * stakes).sum(0)
    return total
