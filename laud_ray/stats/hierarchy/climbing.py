"""From a predicted leaf up to a node that is surer: thresholds, and a chain of them that grows bolder. Pure NumPy.

n documents, d steps. Column j of the (n, d) masses is the probability of the node that lies j steps above the predicted
one: column 0 is the prediction itself, and a column below a root is NaN. Masses do not fall along a path.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
import scipy

from laud_ray.stats.bounds import lower_bound
from laud_ray.types import Bools, Floats, Indices

# The prediction itself may be wrong this many times as often as an answer that backs off. An answer that backs off is
# less useful, so it has to be surer; the surplus lets more predictions stand. Of the factors 1, 1.5, 2 and 3, the last
# two left most answers at the leaf, and 2 answered 3 to 9 points more documents than 3 (benchmarks/promise.py).
LENIENCY = 2.0
_BOLDER = 40  # steps of the chain, each with about as many more answers
_SURE = 1e-6
_HALVINGS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Thresholds in an order that is fixed before they are verified: each set answers as deep as the one before it.

    Attributes:
        thresholds: (m, d), m >= 1: sets of thresholds, the first of which is the likeliest to keep a promise. They fall
            along a column, so that a later set answers more documents, or deeper.
        errors: (m,) ascending: the estimated probability that the least sure answer that backs off is wrong.
        fitted_on: the number of documents that they were fitted on.
    """

    thresholds: Floats
    errors: Floats
    fitted_on: int


def climb(masses: Floats, thresholds: Floats) -> Indices:
    """Return (n,) how many steps up each answer lies: at the first node whose mass reaches its threshold.

    0 is the prediction itself. d, which lies above every root, is no answer: no node of the path reaches its threshold.

    Goren, Galil and El-Yaniv (2024), "Hierarchical Selective Classification", arXiv 2405.11533: the climbing rule,
    which has one threshold for all steps.

    Args:
        masses: (n, d) in [0, 1]; NaN below a root.
        thresholds: (d,) one for each step; infinity where nothing is answered.

    Example:
        A leaf with 0.5, its parent with 0.7 and its root with 0.95, at the thresholds 0.6, 0.8 and 0.8: the root
        answers, two steps up.

    Raises:
        ValueError: if there are not as many thresholds as columns.
    """
    if masses.ndim != 2 or masses.shape[1:] != np.shape(thresholds):
        raise ValueError(
            f"masses have the shape {masses.shape}, thresholds {np.shape(thresholds)}; expected (n, d), (d,)"
        )
    reached = masses >= np.asarray(thresholds)
    return np.where(reached.any(axis=1), reached.argmax(axis=1), masses.shape[1])


def fit_chain(masses: Floats, right: Bools, *, verified_on: int, leniency: float = LENIENCY) -> Chain:
    """Return thresholds to verify on other documents, in order.

    At each step up, the mass is calibrated on the sample, because sums of a leaf's and its siblings' masses are not as
    well calibrated as the leaf's. A set of thresholds then has one parameter, an error e: a node is answered if its
    calibrated probability of being wrong is at most e, or `leniency` times e for the prediction itself. The chain
    starts at the set whose exact lower bound is expected to be the highest on the documents of the verification. It
    depends on no promise, so that a higher promise never ends further along it.

    Platt (1999), "Probabilistic Outputs for Support Vector Machines", for the calibration.

    Args:
        masses: (n, d) in [0, 1], n >= 1; NaN below a root.
        right: (n, d) whether each node is the true one or an ancestor of it.
        verified_on: the number of documents that the chain will be verified on, at least 1.
        leniency: at least 1. With 1, an answer at a leaf is as sure as one that backs off.

    Raises:
        ValueError: if the sample is empty, the shapes differ, or verified_on or leniency is less than 1.
    """
    require_paths(masses, right)
    n, d = masses.shape
    if verified_on < 1 or leniency < 1:
        raise ValueError(f"verified_on = {verified_on}, leniency = {leniency}; expected at least 1 of each")
    lines = [_calibration(masses[:, j], right[:, j]) for j in range(d)]
    allowed = np.where(np.arange(d) == 0, leniency, 1.0)
    wrong = np.stack([scipy.special.expit(-_on(line, masses[:, j])) for j, line in enumerate(lines)], axis=1)
    needed = np.where(np.isnan(wrong), inf, wrong / allowed)  # (n, d) the error at which each node is answered
    turns = np.concatenate([needed.min(axis=1), needed[:, 0]])
    turns = turns[np.isfinite(turns)]
    if not len(turns):
        return Chain(np.full((1, d), inf), np.zeros(1), n)
    # Rounded, so that the order of summation does not matter, and a little more, so that a tie is answered as a whole.
    errors = np.unique(np.quantile(turns, np.arange(1, _BOLDER + 1) / _BOLDER).round(9) + 1e-9)
    sets = np.stack([_thresholds(lines, error * allowed) for error in errors])
    expected = [_expected_bound(climb(masses, one), wrong, verified_on / n) for one in sets]
    first = int(np.argmax(expected))
    return Chain(sets[first:], errors[first:], n)


def require_paths(masses: Floats, right: Bools) -> None:
    """Raise ValueError unless masses and right are (n, d) with n and d of at least 1."""
    if masses.ndim != 2 or masses.shape != right.shape or 0 in masses.shape:
        raise ValueError(
            f"masses have the shape {masses.shape}, right {right.shape}; expected the same (n, d), at least (1, 1)"
        )


def _expected_bound(steps: Indices, wrong: Floats, scale: float) -> float:
    """Return the lower bound that is expected if `scale` times as many documents are verified."""
    n = len(steps)
    answered = steps < wrong.shape[1]
    errors = float(wrong[np.arange(n), np.minimum(steps, wrong.shape[1] - 1)][answered].sum())
    count = int(scale * answered.sum())
    return lower_bound(int(max(count - scale * errors, 0)), count) if count else 0.0


def _thresholds(lines: list[tuple[float, float] | None], errors: Floats) -> Floats:
    """Return the (d,) masses at which the calibrated probability of being wrong is at most (d,) errors."""
    found = []
    for line, error in zip(lines, errors.tolist(), strict=True):
        if line is None:
            found.append(inf)
        else:
            found.append(
                0.0 if error >= 1 else float(scipy.special.expit((scipy.special.logit(1 - error) - line[1]) / line[0]))
            )
    return np.array(found)


def _on(line: tuple[float, float] | None, masses: Floats) -> Floats:
    """Return (n,) calibrated log odds of being right; NaN where a mass is NaN."""
    slope, offset = line or (1.0, 0.0)
    return np.asarray(slope * scipy.special.logit(np.clip(masses.astype(np.float64), _SURE, 1 - _SURE)) + offset)


def _calibration(masses: Floats, right: Bools) -> tuple[float, float] | None:
    """Return slope and offset of the log odds of being right on those of the mass; None if all masses are NaN.

    It is a logistic regression by Newton's method, with a normal prior around the identity (a standard deviation of 1
    for the slope and 3 for the offset), which matters for few documents or without an error. The slope is kept above 0.
    """
    known = ~np.isnan(masses)
    if not known.any():
        return None
    x = np.stack([_on(None, masses[known]), np.ones(int(known.sum()))], axis=1)
    y, centre, precision = right[known], np.array([1.0, 0.0]), np.array([1.0, 1 / 9])

    def loss(line: Floats) -> float:
        odds = x @ line
        return float((np.logaddexp(0, odds) - y * odds).sum() + (precision * (line - centre) ** 2).sum() / 2)

    line = centre
    for _ in range(_HALVINGS):
        share = scipy.special.expit(x @ line)
        slope = x.T @ (share - y) + precision * (line - centre)
        bend = (x * (share * (1 - share))[:, None]).T @ x + np.diag(precision)
        step, reach = np.linalg.solve(bend, slope), 1.0
        while loss(line - reach * step) > loss(line) and reach > _SURE:
            reach /= 2
        line = line - reach * step
        if np.abs(step).max() < _SURE:
            break
    return max(float(line[0]), 1e-3), float(line[1])
