"""Bounds of an accuracy that stay valid while answers keep coming, against a floor. Pure NumPy. n documents."""

from dataclasses import dataclass
from math import log

import numpy as np

from laud_ray.types import Bools, Floats

# Bets are on these parts of the boldest one; the wealth is divided among them evenly.
_STEPS = 0.95 * 0.7 ** np.arange(14.0)
_HALVINGS = 14  # of [0, 1]: a bound is exact to 0.0001


@dataclass(frozen=True, slots=True)
class Bounds:
    """An accuracy from n answers, with a one-sided lower and a one-sided upper bound; each holds but for alpha.

    Attributes:
        value: the estimate, in [0, 1]; None without answers.
        low: with a probability of at least 1 - alpha it never exceeds the accuracy, at no n.
        high: likewise from above.
        n: the number of answers.
        alpha: the probability that a bound is ever wrong.
    """

    value: float | None
    low: float
    high: float
    n: int
    alpha: float

    def reaches(self, floor: float) -> bool | None:
        """Return whether the accuracy reaches a floor: True if the lower bound does, False if the upper one does not.

        None if the answers leave it open.
        """
        if self.low >= floor:
            return True
        return False if self.high < floor else None

    def against(self, floor: float) -> str:
        """Return one line of words about a floor.

        Example:
            "82.0 % right, at least 68.2 % (n = 50, valid at any n): it is open whether the floor of 75.0 % is reached".
        """
        if self.value is None:
            return f"no answers yet: it is open whether the floor of {_percent(floor)} is reached"
        verdict = {
            True: f"the floor of {_percent(floor)} is reached",
            False: f"under the floor of {_percent(floor)}",
            None: f"it is open whether the floor of {_percent(floor)} is reached",
        }[self.reaches(floor)]
        return (
            f"{_percent(self.value)} right, at least {_percent(self.low)} and at most {_percent(self.high)} "
            f"(n = {self.n}, valid at any n): {verdict}"
        )


def accuracy_bounds(
    right: Bools,
    *,
    weights: Floats | None = None,
    cheap: Bools | None = None,
    everywhere: float | None = None,
    alpha: float = 0.05,
) -> Bounds:
    """Return bounds of the accuracy, from answers about random documents.

    A bound is the edge of the accuracies against which bets have not yet won 1 / alpha. As each of these bets is a
    test martingale, one can look after every answer: Waudby-Smith and Ramdas (2024), sections 4 and 5. With answers of
    a cheap oracle, half of the wealth bets on the mean of (trusted - cheap) plus the cheap share of all documents
    (prediction-powered inference, Angelopoulos et al. 2023), which narrows the bounds if the cheap oracle is good; the
    other half does not, so that it costs little if it is not.

    Args:
        right: (n,) whether the prediction equals the trusted answer, for documents that were drawn at random.
        weights: (n,) the number of documents that each one represents, above 0; None for equal ones. If they differ,
            the sample must be complete, as each document counts in proportion to the mean weight.
        cheap: (n,) whether the prediction equals the cheap oracle's answer; None without one.
        everywhere: the share of all documents of the population whose prediction equals the cheap oracle's answer.
        alpha: in (0, 1), for each of the two bounds.

    Raises:
        ValueError: if the arrays differ in length, a weight is not positive, only one of cheap and everywhere is given,
            or alpha or everywhere is outside its range.
    """
    n = len(right)
    ratio = np.ones(n) if weights is None else weights
    _require(right, ratio, cheap, everywhere, alpha)
    if not n:
        return Bounds(None, 0.0, 1.0, 0, alpha)
    ratio = ratio / ratio.mean()
    most = float(ratio.max())
    hits = ratio * right
    # (values, the least and the largest that a value can be)
    ways = [(hits, 0.0, most)]
    if cheap is not None and everywhere is not None:
        ways.append((hits + everywhere - ratio * cheap, everywhere - most, everywhere + most))
    value = float(np.clip(ways[-1][0].mean(), 0, 1))
    low = _edge([(values, least) for values, least, _ in ways], alpha)
    high = 1 - _edge([(1 - values, 1 - largest) for values, _, largest in ways], alpha)
    return Bounds(value, min(low, value), max(high, value), n, alpha)


def _edge(ways: list[tuple[Floats, float]], alpha: float) -> float:
    """Return the largest mean that is refused: bets that the mean lies above it have won 1 / alpha. 0 if none is.

    The wealth falls as the mean grows, so the edge is found by bisection; what is returned is refused.
    """
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _wealth(ways, middle) >= log(1 / alpha) else (low, middle)
    return low


def _wealth(ways: list[tuple[Floats, float]], mean: float) -> float:
    """Return the log wealth of bets that the mean of values lies above some value, from 1 divided among all bets.

    A stake is a part of 1 / (mean - least), with which a bet could lose all.
    """
    logs = []
    for values, least in ways:
        gained = np.maximum((values - mean) / max(mean - least, 1e-9), -1.0)
        logs.append(np.log1p(_STEPS[:, None] * gained).sum(1))
    flat = np.concatenate(logs)
    return float(flat.max() + np.log(np.exp(flat - flat.max()).mean()))


def _require(right: Bools, ratio: Floats, cheap: Bools | None, everywhere: float | None, alpha: float) -> None:
    lengths = [len(right), len(ratio), *([] if cheap is None else [len(cheap)])]
    if len(set(lengths)) > 1:
        raise ValueError(f"right, weights and cheap have {lengths} documents; expected the same number")
    if not (np.isfinite(ratio) & (ratio > 0)).all():
        raise ValueError("a weight is not valid; expected finite ones above 0")
    if (cheap is None) != (everywhere is None):
        raise ValueError("cheap and everywhere belong together; expected both or neither")
    if everywhere is not None and not 0 <= everywhere <= 1:
        raise ValueError(f"everywhere = {everywhere} is not valid; expected 0 to 1")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha = {alpha} is not valid; expected above 0 and below 1")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
