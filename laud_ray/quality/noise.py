"""Estimate how often annotations are wrong, and which of them probably are. NumPy and SciPy. n annotations, k classes.

Probabilities must be out-of-fold: those of a model that was not trained on the annotation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from laud_ray.stats.calibration import softmax
from laud_ray.stats.metrics import require_labels
from laud_ray.types import Floats, Indices

# The largest error rate that is considered; an oracle that is wrong more often is useless.
MOST_WRONG = 0.5
# The smallest error rate that is assumed when answers are weighed, so that conflicting answers have a finite weight.
LEAST_WRONG = 1e-3
# The prior of the error rate, as a number of right answers, so that a few hard documents do not suggest a bad oracle.
PRIOR_RIGHT_ANSWERS = 5
_NEVER = 1e-30
_AT_ONCE = 1_000_000  # probabilities that are tempered at once: 8 MB
_TEMPERATURES = np.geomspace(0.05, 5, 60)
_EXACT = 1e-10  # tolerance of the rate


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """The estimated error rate of answers, and the temperature at which the model's probabilities explain them.

    Attributes:
        rate: the share of wrong answers, in [0, 0.5].
        proba: (n, k) the model's probabilities as they are; rows sum to 1.
        temperature: the fitted temperature.
    """

    rate: float
    proba: Floats
    temperature: float = 1.0

    def rows(self, which: slice) -> Floats:
        """Return the probabilities of some rows at the fitted temperature, (n, k); their rows sum to 1."""
        return _tempered(self.proba[which], self.temperature)

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """Yield all rows at the fitted temperature in chunks, each with the place of its first row."""
        step = max(1, _AT_ONCE // max(self.proba.shape[1], 1))
        for start in range(0, len(self.proba), step):
            yield start, self.rows(slice(start, start + step))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The annotations that a round left out of training because they are probably wrong.

    Attributes:
        round: the number of the round.
        documents: how many were left out.
        judged: how many documents with an answer were examined.
        rate: the estimated share of wrong first answers, in [0, 0.5].
    """

    round: int
    documents: int
    judged: int
    rate: float

    def __str__(self) -> str:
        n = f"{self.judged:,} answers"
        what = (
            f"{self.documents:,} of {n} are probably wrong, and are left out of training"
            if self.documents
            else f"all {n} are used for training"
        )
        return f"{what}; a model estimates that {self.rate:.0%} of all answers are wrong"


def noise(proba: Floats, labels: Indices) -> Noise:
    """Estimate the error rate of answers together with the temperature of the model, by maximum likelihood.

    Wrong answers are assumed to name every other class with equal probability. So an answer has the probability
    (1 - rate) p + rate (1 - p) / (k - 1), where p is the model's probability of the answered class at the temperature.
    A temperature fitted alone would account for wrong answers by flattening all probabilities. If rate and temperature
    explain the answers equally well, the rate is 0; this is the case if the model finds the wrong answers plausible.

    This replaces the thresholds of confident learning (Northcutt, Jiang and Chuang 2021, arXiv 1911.00068), which
    suspect many right answers if classes have only a handful of annotations (docs/LOG.md).

    Args:
        proba: (n, k) out-of-fold probabilities; rows sum to 1.
        labels: (n,) annotated classes in [0, k).

    Raises:
        ValueError: if the lengths differ or a label is outside [0, k).
    """
    _require(proba, labels)
    best = (-np.inf, 0.0, 1.0)
    for temperature in _TEMPERATURES if len(labels) else ():
        right = np.maximum(_answered(proba, labels, temperature), _NEVER)
        wrong = (1 - right) / (proba.shape[1] - 1)
        rate = _likeliest_rate(right, wrong)
        likelihood = float(np.log((1 - rate) * right + rate * wrong).sum() + PRIOR_RIGHT_ANSWERS * np.log1p(-rate))
        best = max(best, (likelihood, rate, float(temperature)))
    _, rate, temperature = best
    return Noise(rate, proba, temperature)


def combine_answers(found: Noise, answers: Sequence[Sequence[int]]) -> tuple[Indices, Floats]:
    """Combine each document's answers by Bayes' rule: return the likeliest answer and its probability of being right.

    The model's probabilities are the prior. Answers err independently of each other, towards every other class with
    equal probability. A class that no answer names may be likelier than the likeliest answer; then the probability of
    the answer is below one half.

    Args:
        found: the error rate and the model's probabilities, from `noise`.
        answers: for each of the n documents, at least one class in [0, k).

    Returns:
        (n,) classes and (n,) probabilities in [0, 1].
    """
    rate = max(found.rate, LEAST_WRONG)
    slip = rate / (found.proba.shape[1] - 1)
    likeliest, probability = np.empty(len(answers), np.int64), np.empty(len(answers))
    for start, proba in found.chunks():
        for i, row in enumerate(proba, start):
            given, posterior = answers[i], row * slip ** len(answers[i])
            for answer in given:
                posterior[answer] *= (1 - rate) / slip
            likeliest[i] = max(given, key=lambda answer: posterior[answer])
            probability[i] = posterior[likeliest[i]] / posterior.sum()
    return likeliest, probability


def self_confidence(proba: Floats, labels: Indices) -> Floats:
    """Return the (n,) probabilities of the annotated labels; arguments as for `noise`."""
    _require(proba, labels)
    return np.take_along_axis(proba, labels[:, None], axis=1)[:, 0]


def _answered(proba: Floats, labels: Indices, temperature: float) -> Floats:
    """Return the (n,) tempered probabilities of the labels; only some rows are tempered at once."""
    rows = max(1, _AT_ONCE // proba.shape[1])
    parts = [slice(start, start + rows) for start in range(0, len(proba), rows)]
    return np.concatenate([self_confidence(_tempered(proba[part], temperature), labels[part]) for part in parts])


def _tempered(proba: Floats, temperature: float) -> Floats:
    return softmax(np.log(np.maximum(proba.astype(np.float64), _NEVER)) / temperature)


def _likeliest_rate(right: Floats, wrong: Floats) -> float:
    """Return the maximum-likelihood rate in [0, 0.5], given (n,) probabilities of an answer if right and if wrong."""

    def slope(rate: float) -> float:
        return float(((wrong - right) / ((1 - rate) * right + rate * wrong)).sum() - PRIOR_RIGHT_ANSWERS / (1 - rate))

    if slope(0.0) <= 0:
        return 0.0
    if slope(MOST_WRONG) >= 0:
        return MOST_WRONG
    from scipy.optimize import brentq  # the import takes 0.6 s, and only audits need it

    return float(brentq(slope, 0.0, MOST_WRONG, xtol=_EXACT))


def _require(proba: Floats, labels: Indices) -> None:
    n, k = proba.shape
    if n != len(labels):
        raise ValueError(f"got {n} rows of probabilities and {len(labels)} labels; expected the same number")
    require_labels(labels, k)
