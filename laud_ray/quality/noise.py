"""How often annotations are wrong, and which of them probably are. NumPy and SciPy. n annotations, k classes.

Probabilities must be out of fold: what a model says of an annotation that had no part in its training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.stats.calibration import softmax
from laud_ray.types import Floats, Indices

# An oracle that is wrong more often than not is none.
MOST_WRONG = 0.5
# No annotator errs less often than this: with it two answers that differ can always be weighed.
LEAST_WRONG = 1e-3
# Before anything is known, an oracle counts as having been right so often: a few hard documents are no proof.
GOOD_FAITH = 5
_NEVER = 1e-30
_TEMPERATURES = np.geomspace(0.05, 5, 60)
_EXACT = 1e-10  # of a rate


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """How often first answers are wrong, and what the model says when it is not blurred by that.

    Attributes:
        rate: of wrong answers, in [0, 0.5].
        proba: (n, k), sharpened; rows sum to 1.
    """

    rate: float
    proba: Floats


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a model did not learn, since it is probably wrong.

    Attributes:
        documents: that were left out, of `judged` ones with an answer.
        rate: the estimated share of wrong first answers, in [0, 0.5].
    """

    round: int
    documents: int
    judged: int
    rate: float

    def __str__(self) -> str:
        n = f"{self.judged:,} answers"
        what = f"{self.documents:,} of {n} are probably wrong and train nothing" if self.documents else f"all {n} train"
        return f"{what}; as far as a model can tell, {self.rate:.0%} are wrong in all"


def noise(proba: Floats, labels: Indices) -> Noise:
    """Estimate the rate of wrong answers, together with the temperature of the model that they blurred.

    The likeliest pair, if a wrong answer names any other class alike: an answer has the probability
    (1 - rate) p + rate (1 - p) / (k - 1), where p is what the model gives its class at that temperature. A temperature
    that is fitted alone spreads wrong answers over all probabilities. Where both explain the answers as well, the rate
    is 0: so it is with errors that the model finds plausible.

    In place of the thresholds of confident learning (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068), which doubt
    many right answers where classes have a handful of annotations (docs/LOG.md).

    Args:
        proba: (n, k) out-of-fold probabilities; rows sum to 1.
        labels: (n,) annotated classes in [0, k).

    Raises:
        ValueError: if the lengths differ or a label is outside [0, k).
    """
    _require(proba, labels)
    best = (-np.inf, 0.0, 1.0)
    for temperature in _TEMPERATURES if len(labels) else ():
        right = np.maximum(self_confidence(_tempered(proba, temperature), labels), _NEVER)
        wrong = (1 - right) / (proba.shape[1] - 1)
        rate = _likeliest_rate(right, wrong)
        likelihood = float(np.log((1 - rate) * right + rate * wrong).sum() + GOOD_FAITH * np.log1p(-rate))
        best = max(best, (likelihood, rate, float(temperature)))
    _, rate, temperature = best
    return Noise(rate, _tempered(proba, temperature))


def believe(found: Noise, answers: Sequence[Sequence[int]]) -> tuple[Indices, Floats]:
    """Weigh each document's answers by Bayes: return the likeliest answer, and the probability that it is right.

    The model's probabilities are the prior, and answers err independently, towards any other class alike. A class that
    nobody named may be likelier than the likeliest answer: its probability is then below a half.

    Args:
        answers: n lists of at least one class in [0, k).

    Returns:
        (n,) classes and (n,) probabilities in [0, 1].
    """
    rate = max(found.rate, LEAST_WRONG)
    slip = rate / (found.proba.shape[1] - 1)
    likeliest, probability = np.empty(len(answers), np.int64), np.empty(len(answers))
    for i, given in enumerate(answers):
        posterior = found.proba[i] * slip ** len(given)
        for answer in given:
            posterior[answer] *= (1 - rate) / slip
        likeliest[i] = max(given, key=lambda answer: posterior[answer])
        probability[i] = posterior[likeliest[i]] / posterior.sum()
    return likeliest, probability


def self_confidence(proba: Floats, labels: Indices) -> Floats:
    """Return (n,) probabilities in [0, 1] of the annotated labels themselves; arguments as in `noise`."""
    _require(proba, labels)
    return np.take_along_axis(proba, labels[:, None], axis=1)[:, 0]


def _tempered(proba: Floats, temperature: float) -> Floats:
    return softmax(np.log(np.maximum(proba.astype(np.float64), _NEVER)) / temperature)


def _likeliest_rate(right: Floats, wrong: Floats) -> float:
    """Return the rate in [0, 0.5] that is likeliest for (n,) probabilities of right and wrong answers; it is unique."""

    def slope(rate: float) -> float:
        return float(((wrong - right) / ((1 - rate) * right + rate * wrong)).sum() - GOOD_FAITH / (1 - rate))

    if slope(0.0) <= 0:
        return 0.0
    if slope(MOST_WRONG) >= 0:
        return MOST_WRONG
    from scipy.optimize import brentq  # its import takes 0.6 s, and only audits need it

    return float(brentq(slope, 0.0, MOST_WRONG, xtol=_EXACT))


def _require(proba: Floats, labels: Indices) -> None:
    n, k = proba.shape
    if n != len(labels):
        raise ValueError(f"got {n} rows of probabilities and {len(labels)} labels, expected as many")
    outside = (labels < 0) | (labels >= k)
    if outside.any():
        raise ValueError(f"label {labels[outside][0]} is outside [0, {k})")
