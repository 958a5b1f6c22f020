"""What the evaluation sample of a run lacks to show the precision of an audience."""

from collections.abc import Sequence
from dataclasses import dataclass

from laud_ray.stats.bounds import ERROR, tail
from laud_ray.stats.selection import MAIN, needed

# The model's own expectation counts as this many documents beside those that were measured.
PRIOR = 10.0
# Precisions that are offered where a higher one takes too many answers.
LOWER = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
_MOST = 10_000_000


@dataclass(frozen=True, slots=True)
class Tried:
    """An audience, as the evaluation sample sees it.

    Attributes:
        n: documents of the sample in the audience; weighted ones count less.
        precision: the share of these that belong to it; not read if n is 0.
        expected: the mean confidence of its names, which is the precision that the model expects.
        share: the share of all names that it reaches.
    """

    n: float
    precision: float
    expected: float
    share: float

    @property
    def likely(self) -> float:
        """What the precision probably is: the measured one, shrunk towards the expected one by PRIOR documents."""
        right = self.n * self.precision if self.n else 0.0
        return (right + PRIOR * self.expected) / (self.n + PRIOR)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What is missing at the audience that takes the fewest further answers.

    Attributes:
        place: of the audience.
        likely: its precision, by measurements and the model's expectation.
        documents: further documents of the evaluation sample in this audience.
        answers: further answers of the evaluation sample, which bring about that many documents.
    """

    place: int
    likely: float
    documents: int
    answers: int


def shortfall(tried: Sequence[Tried], target: float) -> Shortfall | None:
    """Return what would probably show a precision; None if no audience probably has it.

    The number is that at which a sample with exactly the likely precision passes the test with the share MAIN of the
    error, so that about every second sample of that size does.
    """
    found = list[Shortfall]()
    for place, one in enumerate(tried):
        if one.share > 0 and (least := _least(one.likely, target)) is not None:
            missing = max(least - one.n, 1.0)
            found.append(Shortfall(place, one.likely, _up(missing), _up(missing / one.share)))
    return min(found, key=lambda one: (one.answers, -one.place), default=None)


def instead(tried: Sequence[Tried], target: float, most: int) -> tuple[float, Shortfall] | None:
    """Return the highest lower precision, in steps of 5 %, that at most some further answers would probably show.

    Returns:
        The precision, and what is missing for it; None if there is none of 50 % or more.
    """
    for lower in LOWER:
        if lower < target and (found := shortfall(tried, lower)) is not None and found.answers <= most:
            return lower, found
    return None


def _least(precision: float, target: float) -> int | None:
    """Return the least number of documents that show a target, if this share of them is right; None if none does."""

    def shown(n: int) -> bool:
        return tail(precision * n, n, target) <= MAIN * ERROR

    low = needed(target) - 1
    high = low + 1
    if precision <= target:
        return None
    while not shown(high):
        low, high = high, 2 * high
        if high > _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


def _up(number: float) -> int:
    """Round up to two digits, since it is a guess."""
    digits = 10 ** max(len(str(int(number))) - 2, 0)
    return int(-(-number // digits) * digits)
