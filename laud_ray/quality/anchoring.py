"""How much a suggestion moves people, and how much time it saves. Pure.

Which questions hide their suggestions is decided at random, so the two groups differ by nothing else. The effect is
the difference between the shares of answers that equal the model's likeliest label, shown minus hidden.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from laud_ray.stats.estimates.accuracy import wilson
from laud_ray.types import Estimate, Floats


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a question that had a suggestion.

    Attributes:
        shown: whether the person saw it.
        followed: whether the answer is the suggested label.
        seconds: of active time; None where it is not known.
    """

    shown: bool
    followed: bool
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Anchoring:
    """What suggestions do.

    Attributes:
        effect: by how much the share of answers that equal the suggestion is larger where it is shown, in [-1, 1].
        saved: share of the active time that showing it saves, at most 1; negative where it costs time; None where
            fewer than two answers of a group have a time.
        shown, hidden: numbers of answers.
    """

    effect: Estimate
    saved: Estimate | None
    shown: int
    hidden: int


def anchoring(replies: Sequence[Reply]) -> Anchoring | None:
    """Estimate what suggestions do, with 95 % intervals; None where no answer was given with or without one.

    The interval of the effect is Newcombe's hybrid of two Wilson intervals (1998, "Interval Estimation for the
    Difference Between Independent Proportions", method 10). The time saved compares geometric means, with Welch's
    interval of the difference of mean logarithms. Coverage: benchmarks/people.py anchoring.
    """
    shown = [one for one in replies if one.shown]
    hidden = [one for one in replies if not one.shown]
    if not shown or not hidden:
        return None
    effect = difference(
        sum(one.followed for one in shown), len(shown), sum(one.followed for one in hidden), len(hidden)
    )
    return Anchoring(effect, _saved(_times(shown), _times(hidden)), len(shown), len(hidden))


def difference(hits: int, n: int, others: int, m: int) -> Estimate:
    """Return hits / n - others / m with Newcombe's 95 % interval; n and m are at least 1."""
    p, q = hits / n, others / m
    (p_low, p_high), (q_low, q_high) = wilson(p, n), wilson(q, m)
    low = p - q - math.sqrt((p - p_low) ** 2 + (q_high - q) ** 2)
    high = p - q + math.sqrt((p_high - p) ** 2 + (q - q_low) ** 2)
    return Estimate(p - q, max(low, -1.0), min(high, 1.0), n + m)


def _times(replies: Sequence[Reply]) -> Floats:
    """The logarithms of the active times. Times under a tenth of a second say nothing about a person."""
    return np.log([max(one.seconds, 0.1) for one in replies if one.seconds is not None] or np.zeros(0))


def _saved(shown: Floats, hidden: Floats) -> Estimate | None:
    if len(shown) < 2 or len(hidden) < 2:
        return None
    parts = [one.var(ddof=1) / len(one) for one in (shown, hidden)]
    change, error = float(shown.mean() - hidden.mean()), math.sqrt(sum(parts))
    weights = sum(part**2 / (len(one) - 1) for part, one in zip(parts, (shown, hidden), strict=True))
    half = float(scipy.special.stdtrit(sum(parts) ** 2 / weights, 0.975)) * error if weights > 0 else 0.0
    saved = [1 - math.exp(change + move) for move in (0.0, half, -half)]
    return Estimate(saved[0], saved[1], saved[2], len(shown) + len(hidden))
