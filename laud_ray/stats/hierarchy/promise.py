"""Answers that back off with a promise: thresholds that are fitted on one sample and verified on another. Pure NumPy.

n documents, d steps up; masses as in `laud_ray.stats.hierarchy.climbing`.
"""

from dataclasses import dataclass
from math import inf

import numpy as np

from laud_ray.stats.bounds import ERROR, lower_bound, tail
from laud_ray.stats.estimates.accuracy import estimate_share
from laud_ray.stats.hierarchy.climbing import Chain, climb, fit_chain, require_paths
from laud_ray.types import Bools, Estimate, Floats, Indices

# The calibration has two numbers a step, while each document of the verification narrows the bound: a quarter for the
# fit left as many answers at the leaf as a third or a half, and more at a promise of 90 % (benchmarks/promise.py).
FITTED = 0.25


@dataclass(frozen=True, slots=True)
class Answered:
    """The documents that are answered at one place: their share of all, and how often they are right there.

    accuracy is None if there are none.
    """

    share: float
    accuracy: Estimate | None


@dataclass(frozen=True, slots=True)
class Promise:
    """Thresholds for `climb`, and what is verified and measured of them.

    Attributes:
        accuracy: the promised share of right answers among all that are given, at whatever level. An answer is right if
            it is the true node or an ancestor of it.
        thresholds: (d,) one for each step up; all infinite if none is verified, so that nothing is answered.
        low: the exact one-sided 95 % lower bound of that share at these thresholds; if none is verified, at those which
            were likeliest to be.
        right: the measured share of right answers, with its interval; None if nothing is answered.
        n: the number of documents in the verification, which the shares and `right` are measured on.
        fitted_on: the number of other documents that the thresholds were fitted on.
        leaf: the documents whose prediction stands.
        levels: (d,) the documents that back off to level 1 (the top), 2, and so on.
    """

    accuracy: float
    thresholds: tuple[float, ...]
    low: float
    right: Estimate | None
    n: int
    fitted_on: int
    leaf: Answered
    levels: tuple[Answered, ...]

    @property
    def verified(self) -> bool:
        """Whether thresholds were verified."""
        return self.right is not None

    @property
    def unanswered(self) -> float:
        """The share of documents without an answer."""
        return max(0.0, 1 - self.leaf.share - sum(one.share for one in self.levels))

    def __str__(self) -> str:
        if not self.verified:
            return (
                f"no thresholds are verified to be {_percent(self.accuracy)} right at 95 %: the surest answers have a "
                f"lower bound of {_percent(self.low)} (n = {self.n}); no document is answered"
            )
        places = [(self.leaf.share, "to the leaf")]
        places += [(one.share, f"to level {level}") for level, one in reversed([*enumerate(self.levels, 1)])]
        places += [(self.unanswered, "not answered")]
        (share, place), *others = [one for one in places if one[0] > 0.5 / self.n]
        shown = [f"{_rounded(share)} of documents {place}", *(f"{_rounded(share)} {place}" for share, place in others)]
        return f"{_percent(self.accuracy)} right, promised at 95 %; {', '.join(shown)} (n = {self.n})"


def promise(masses: Floats, right: Bools, accuracy: float, *, weights: Floats | None = None, seed: int) -> Promise:
    """Fit thresholds on a random quarter of evaluated documents, and verify them on the others.

    Whatever the masses are worth, the thresholds keep the promise on new documents with a probability of at least 95 %.
    If the weights differ, as in a stratified sample, a part of the documents is drawn first, so that each document of
    the corpus is as likely in it as any other; the bounds are exact there.

    Below 100 documents little can be promised: 90 % takes at least 29 right answers without an error in the
    verification, 95 % takes 59, and 99 % takes 299.

    Example:
        `str(promise(masses, right, 0.9, seed=0))` is "90 % right, promised at 95 %; 61 % of documents to the
        leaf, 24 % to level 3, 15 % not answered (n = 750)".

    Args:
        masses: (n, d) in [0, 1]; NaN below a root.
        right: (n, d) whether each node is the true one or an ancestor of it.
        accuracy: the promised share of right answers, in (0, 1).
        weights: (n,) documents that each one represents, above 0; None for equal weights.
        seed: seeds the draw and the split.

    Raises:
        ValueError: if the shapes differ, a weight is not positive, accuracy is outside (0, 1), or fewer than 2
            documents are left.
    """
    require_paths(masses, right)
    _require_share(accuracy)
    n, rng = len(masses), np.random.default_rng(seed)
    mass = np.ones(n) if weights is None else weights
    if len(mass) != n or not (mass > 0).all():
        raise ValueError(
            f"got {len(mass)} weights for {n} documents, the least is {mass.min()}; expected as many, above 0"
        )
    kept = rng.permutation(np.flatnonzero(rng.random(n) < mass / mass.max()))
    if len(kept) < 2:
        raise ValueError(f"{len(kept)} of {n} documents are left after weighting; expected at least 2")
    cut = max(1, round(FITTED * len(kept)))
    fits, verifies = kept[:cut], kept[cut:]
    chain = fit_chain(masses[fits], right[fits], verified_on=len(verifies))
    return verify_chain(chain, masses[verifies], right[verifies], accuracy)


def verify_chain(chain: Chain, masses: Floats, right: Bools, accuracy: float) -> Promise:
    """Return the last thresholds of a chain that are verified, on documents that it was not fitted on.

    The sets of thresholds are tested in order, up to the first whose exact bound is below the promise. The order is
    fixed beforehand, so this is fixed-sequence testing: a promise that does not hold is made with a probability of 5 %
    at most. For the same documents, a higher promise never answers deeper. Beyond the first set, those are left out in
    which an answer that backs off has an estimated probability of being right below the promise: sure answers at the
    top pay for predictions that stand, but not for guesses.

    Angelopoulos et al. (2021), "Learn then Test", arXiv 2110.01052, section 1.2; Clopper and Pearson (1934).

    Args:
        chain: from `fit_chain`.
        masses, right: (n, d), as for `fit_chain`; a simple random sample.
        accuracy: the promised share of right answers, in (0, 1).

    Raises:
        ValueError: if the sample is empty, the shapes differ, or accuracy is outside (0, 1).
    """
    require_paths(masses, right)
    _require_share(accuracy)
    n, d = masses.shape
    best, steps, low = (inf,) * d, np.full(n, d), 0.0
    for place, (thresholds, error) in enumerate(zip(chain.thresholds, chain.errors.tolist(), strict=True)):
        if place and 1 - error < accuracy:
            break
        tried = climb(masses, thresholds)
        hits, answered = _hits(tried, right)
        verified = answered > 0 and tail(hits, answered, accuracy) <= ERROR
        if verified or (not place and answered):
            low = lower_bound(hits, answered)
        if not verified:
            break
        best, steps = tuple(thresholds.tolist()), tried
    hits, answered = _hits(steps, right)
    level = np.where(steps < d, (~np.isnan(masses)).sum(axis=1) - steps, 0)
    return Promise(
        accuracy=accuracy,
        thresholds=best,
        low=low,
        right=estimate_share(hits, answered) if answered else None,
        n=n,
        fitted_on=chain.fitted_on,
        leaf=_answered(steps == 0, steps, right),
        levels=tuple(_answered((level == one) & (steps > 0), steps, right) for one in range(1, d + 1)),
    )


def _answered(where: Bools, steps: Indices, right: Bools) -> Answered:
    hits, n = _hits(steps[where], right[where])
    return Answered(float(where.mean()), estimate_share(hits, n) if n else None)


def _hits(steps: Indices, right: Bools) -> tuple[int, int]:
    """Return how many answers are right, and how many there are."""
    given = np.flatnonzero(steps < right.shape[1])
    return int(right[given, steps[given]].sum()), len(given)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _rounded(share: float) -> str:
    """Return a share in whole percent, and one below 1 % with its first digit."""
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"


def _require_share(accuracy: float) -> None:
    if not 0 < accuracy < 1:
        raise ValueError(f"accuracy is {accuracy}; expected a share above 0 and below 1")
