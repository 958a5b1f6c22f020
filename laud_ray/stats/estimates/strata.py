"""Stratify documents by a score, and allocate a sample to the strata. Pure NumPy. H strata."""

import heapq

import numpy as np

from laud_ray.types import Floats, Indices

BINS = 1000


def boundaries(counts: Indices, strata: int) -> Indices:
    """Cut a histogram into at most `strata` strata; return the first bin of each stratum but the lowest, ascending.

    The cuts are equal steps of the cumulated square root of the frequencies: Dalenius and Hodges (1959), "Minimum
    Variance Stratification". Neighbouring bins are merged until the occupied range has at most BINS of them, so that
    the frequencies are not mostly noise.

    Args:
        counts: (b,) the number of documents in each bin of the score.
        strata: how many strata are wanted, at least 1.

    Raises:
        ValueError: if strata is less than 1, or the histogram is empty.
    """
    if strata < 1 or not counts.sum():
        raise ValueError(f"strata = {strata}, {counts.sum()} documents; expected at least 1 of each")
    occupied = np.flatnonzero(counts)
    first, last = int(occupied[0]), int(occupied[-1]) + 1
    width = -(-(last - first) // BINS)
    starts = np.arange(first, last, width)
    roots = np.sqrt(np.add.reduceat(counts[:last], starts)).cumsum()
    ends = np.searchsorted(roots, roots[-1] * np.arange(1, strata) / strata) + 1
    return np.unique(starts[ends[ends < len(starts)]]).astype(np.int64)


def allocate_robustly(
    sizes: Indices, variance: Floats, n: int, *, taken: Indices | None = None, room: Indices | None = None
) -> Indices:
    """Allocate n documents to H strata by Neyman's rule, made robust against an overconfident score.

    A third of the sample is allocated evenly, and the standard deviation of a stratum counts as at least half of the
    overall one. Otherwise, strata in which the score is wrong but confident would get hardly any document.

    Args:
        sizes, taken, room: as for `allocate`.
        variance: (H,) the variance according to the score: the mean of p (1 - p) within each stratum.
        n: as for `allocate`.
    """
    overall = np.average(variance, weights=np.maximum(sizes, 1e-9))
    spread = np.maximum(np.sqrt(variance), 0.5 * np.sqrt(overall))
    total = n + (0 if taken is None else int(taken.sum()))
    return allocate(sizes, spread, n, least=max(2, total // (3 * len(sizes))), taken=taken, room=room)


def allocate(
    sizes: Indices, spread: Floats, n: int, *, least: int = 2, taken: Indices | None = None, room: Indices | None = None
) -> Indices:
    """Allocate n documents to H strata so that the variance of the estimated total is smallest.

    This is Neyman's allocation, n_h proportional to N_h S_h, in whole numbers. First every stratum gets `least`
    documents; then each document goes to the stratum in which it reduces the sum of N_h² S_h² / n_h most. The result
    is exact: Wright (2012), "The Equivalence of Neyman Optimum Allocation for Sampling and Equal Proportions for
    Apportioning the U.S. House of Representatives".

    Args:
        sizes: (H,) N_h.
        spread: (H,) standard deviations S_h within the strata, at least 0.
        n: how many documents to draw in all, at least 0.
        least: the number that every stratum gets first, at least 1. If n is too small for all, the smallest strata
            come last.
        taken: (H,) documents that are in the sample already; they count towards n_h, but not towards n.
        room: (H,) how many documents can still be drawn from each stratum; by default all that are not taken.

    Returns:
        (H,) how many to draw from each stratum; they sum to n, or to the total of `room` if that is smaller.

    Raises:
        ValueError: if n is negative, least is less than 1, or the arrays differ in length.
    """
    taken = np.zeros(len(sizes), np.int64) if taken is None else taken
    room = np.maximum(sizes - taken, 0) if room is None else room
    if n < 0 or least < 1 or len({len(sizes), len(spread), len(taken), len(room)}) > 1:
        raise ValueError(
            f"n = {n}, least = {least}, and sizes, spread, taken and room have the lengths {len(sizes)}, "
            f"{len(spread)}, {len(taken)} and {len(room)}; expected n >= 0, least >= 1, and equal lengths"
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
