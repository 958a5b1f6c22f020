"""The confidence above which a student answers instead of its teacher: fitted on one sample, verified on another.

Rows that the teacher answers agree with it by definition, so the agreement over all rows is 1 - (rows that the student
answers differently) / rows. Bounds are exact one-sided 95 % bounds. Pure NumPy. n sampled rows, k classes.
"""

from dataclasses import dataclass, replace
from math import inf, isfinite

import numpy as np
import scipy

from laud_ray.stats.bounds import lower_bound, most_disagreements
from laud_ray.types import Bools, Floats, Indices

AGREEMENT = 0.99
# The probability with which a fitted threshold should pass its verification. It may be low: a threshold that fails is
# just raised on the same rows, while a threshold that passes easily leaves more rows to the teacher than necessary.
_CHANCE = 0.5


def predicted_at_most(most: int, n: int, seen: int, of: int) -> float:
    """Return the probability of at most `most` disagreements in n new rows, given `seen` disagreements in `of` rows.

    It is beta-binomial: the unknown share has Jeffreys' prior Beta(1/2, 1/2), updated with the rows seen.
    """
    a, b, x = seen + 0.5, of - seen + 0.5, np.arange(min(most, n) + 1)
    # This equals scipy.stats.betabinom.cdf(most, n, a, b), without the import of scipy.stats.
    ways, shares = (
        -np.log(n + 1) - scipy.special.betaln(n - x + 1, x + 1),
        scipy.special.betaln(x + a, n - x + b) - scipy.special.betaln(a, b),
    )
    return float(np.exp(ways + shares).sum())


def fit_threshold(
    proba: Floats, taught: Indices, *, agreement: float = AGREEMENT, verified_on: int | None = None
) -> float:
    """Return the lowest confidence at which the student may answer; infinity if no threshold reaches the agreement.

    It is the lowest threshold that passes its verification on other rows with a probability of one half. The number of
    disagreements there is predicted as beta-binomial with Jeffreys' prior, so that the threshold has a safety margin
    that shrinks with larger samples.

    Args:
        proba: (n, k) the student's probabilities on rows that it was not trained on.
        taught: (n,) the teacher's labels.
        agreement: the share of all rows, in (0, 1), that must get the teacher's label.
        verified_on: the number of rows in the verification; by default n.

    Raises:
        ValueError: if the sample is empty, the lengths differ, or agreement is outside (0, 1).
    """
    confidence, wrong = _compared(proba, taught, agreement)
    n = len(wrong)
    other = verified_on or n
    allowed = most_disagreements(other, agreement)
    if allowed < 0:
        return inf
    low, high = -1, n  # bisects for the most disagreements here for which at most `allowed` there are likely enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if predicted_at_most(allowed, other, middle, n) >= _CHANCE else (low, middle)
    return _lowest(confidence, wrong, low)


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of a cascade on rows that neither trained its student nor fitted its threshold.

    Attributes:
        threshold: the least confidence at which the student answers.
        target: the required agreement.
        coverage: share of the rows that the student answered.
        agreement: share of all rows with the teacher's label.
        low: the one-sided 95 % lower bound of the agreement.
        n: the number of rows.
        raised_from: the fitted threshold, if it failed on these rows and was raised; else None.
    """

    threshold: float
    target: float
    coverage: float
    agreement: float
    low: float
    n: int
    raised_from: float | None = None

    @property
    def passed(self) -> bool:
        """Whether the lower bound of the agreement reaches the target."""
        return self.low >= self.target

    def __str__(self) -> str:
        found = (
            f"the student answers {self.coverage:.1%} of rows; {self.agreement:.2%} of all rows agree with the full "
            f"model (n = {self.n}, 95 % lower bound {self.low:.2%})"
        )
        return found if self.passed else f"{found}, below the required {self.target:.2%}"


def verify(proba: Floats, taught: Indices, threshold: float, *, agreement: float = AGREEMENT) -> Verification:
    """Measure a threshold on rows that neither trained the student nor fitted it; arguments as for `fit_threshold`.

    Raises:
        ValueError: if the sample is empty, the lengths differ, or agreement is outside (0, 1).
    """
    confidence, wrong = _compared(proba, taught, agreement)
    n = len(wrong)
    answered = confidence >= threshold
    agreeing = n - int((wrong & answered).sum())
    return Verification(
        threshold=threshold,
        target=agreement,
        coverage=float(answered.mean()),
        agreement=agreeing / n,
        low=lower_bound(agreeing, n),
        n=n,
    )


def verify_or_raise(proba: Floats, taught: Indices, threshold: float, *, agreement: float = AGREEMENT) -> Verification:
    """Verify a threshold; if it fails, verify the lowest higher threshold that passes on the same rows.

    Using the same rows again is valid here: agreement only grows with the threshold, so this is fixed-sequence testing,
    from the highest threshold down to the first failure, with an error probability of 5 % at most (Angelopoulos et al.
    2021, "Learn then Test", arXiv 2110.01052, section 1.2). If no threshold passes, the result is the failed
    verification of the given one.
    """
    found = verify(proba, taught, threshold, agreement=agreement)
    confidence, wrong = _compared(proba, taught, agreement)
    higher = _lowest(confidence, wrong, most_disagreements(len(wrong), agreement))
    if found.passed or not isfinite(higher):
        return found
    return replace(verify(proba, taught, higher, agreement=agreement), raised_from=threshold)


def _compared(proba: Floats, taught: Indices, agreement: float) -> tuple[Floats, Bools]:
    """Return (n,) confidences, as float32 so that thresholds compare exactly, and (n,) whether the labels differ."""
    if not 0 < agreement < 1:
        raise ValueError(f"agreement is {agreement}; expected a share above 0 and below 1")
    if len(proba) != len(taught) or not len(taught):
        raise ValueError(
            f"got {len(proba)} rows of the student and {len(taught)} of the teacher; expected as many, at least 1"
        )
    return proba.max(axis=1).astype(np.float32), proba.argmax(axis=1) != taught


def _lowest(confidence: Floats, wrong: Bools, allowed: int) -> float:
    """Return the lowest threshold at which the student answers at most `allowed` rows wrongly; infinity for -1."""
    if allowed < 0:
        return inf
    errors = np.sort(confidence[wrong])[::-1]
    if len(errors) <= allowed:
        return 0.0
    return float(np.nextafter(errors[allowed], np.float32(inf)))
