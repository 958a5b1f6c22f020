"""How to stratify by a score, and how many documents to draw from each stratum. Pure NumPy. H strata."""

import heapq

import numpy as np

from laud_ray.types import Floats, Indices

BINS = 1000


def boundaries(counts: Indices, strata: int) -> Indices:
    """Cut a histogram into at most `strata` strata, and return the first bin of each but the lowest, ascending.

    Equal steps of the cumulated square root of the frequencies: Dalenius and Hodges (1959), "Minimum Variance
    Stratification". At most BINS bins over what is occupied count, so that the frequencies are more than noise.

    Raises:
        ValueError: if strata is less than 1, or the histogram is empty.
    """
    if strata < 1 or not counts.sum():
        raise ValueError(f"{strata} strata of {counts.sum()} documents, expected at least 1 of at least 1")
    occupied = np.flatnonzero(counts)
    first, last = int(occupied[0]), int(occupied[-1]) + 1
    width = -(-(last - first) // BINS)
    starts = np.arange(first, last, width)
    roots = np.sqrt(np.add.reduceat(counts[:last], starts)).cumsum()
    ends = np.searchsorted(roots, roots[-1] * np.arange(1, strata) / strata) + 1
    return np.unique(starts[ends[ends < len(starts)]]).astype(np.int64)


def share_out(
    sizes: Indices, variance: Floats, n: int, *, taken: Indices | None = None, room: Indices | None = None
) -> Indices:
    """Deal n documents out to H strata by Neyman's rule, but never trust a score's own word for its errors.

    A third is dealt out evenly, and no stratum counts as less varied than half of the whole: a score that is too
    sure of itself would otherwise leave nobody to look where it errs.

    Args:
        variance: (H,) what the score claims: the mean of p (1 - p) within each stratum.
        sizes, taken, room: as for `allocate`.
    """
    overall = np.average(variance, weights=np.maximum(sizes, 1e-9))
    spread = np.maximum(np.sqrt(variance), 0.5 * np.sqrt(overall))
    total = n + (0 if taken is None else int(taken.sum()))
    return allocate(sizes, spread, n, least=max(2, total // (3 * len(sizes))), taken=taken, room=room)


def allocate(
    sizes: Indices, spread: Floats, n: int, *, least: int = 2, taken: Indices | None = None, room: Indices | None = None
) -> Indices:
    """Deal n documents out to H strata so that the variance of the total is least.

    Neyman's n_h ~ N_h S_h in whole numbers: each document goes where it takes most from the sum of
    N_h² S_h² / n_h, once every stratum has `least`. Exact: Wright (2012), "The Equivalence of Neyman Optimum
    Allocation for Sampling and Equal Proportions for Apportioning the U.S. House of Representatives".

    Args:
        sizes: (H,) N_h.
        spread: (H,) standard deviations S_h within the strata, at least 0.
        least: at least 1: what every stratum gets first, as far as n goes; the smallest strata last.
        taken: (H,) documents that are in the sample already; they count as drawn, but not in n.
        room: (H,) how many each stratum can still give; by default all that are not taken.

    Returns:
        (H,) how many to draw, n in all, or as many as there is room for.

    Raises:
        ValueError: if n is negative, least is less than 1, or the arrays differ in length.
    """
    taken = np.zeros(len(sizes), np.int64) if taken is None else taken
    room = np.maximum(sizes - taken, 0) if room is None else room
    if n < 0 or least < 1 or len({len(sizes), len(spread), len(taken), len(room)}) > 1:
        raise ValueError(
            f"n = {n}, least = {least}, {len(sizes)} sizes, {len(spread)} spreads, {len(taken)} taken, {len(room)} "
            "room; expected n of at least 0, least of at least 1, and one length"
        )
    drawn = np.zeros(len(sizes), np.int64)
    mass = sizes * spread

    def gain(h: int) -> tuple[bool, float, int, int]:
        have = int(taken[h] + drawn[h])
        needy = have < least
        return (
            not needy,
            -float(sizes[h]) / (have + 1) if needy else -float(mass[h] ** 2) / (have * (have + 1)),
            -h,
            h,
        )

    queue = [gain(h) for h in range(len(sizes)) if room[h] > 0]
    heapq.heapify(queue)
    for _ in range(n):
        if not queue:
            break
        h = heapq.heappop(queue)[-1]
        drawn[h] += 1
        if drawn[h] < room[h]:
            heapq.heappush(queue, gain(h))
    return drawn
