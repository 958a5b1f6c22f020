"""Decide whether a new model replaces the current one, by what both predict for the same documents. Pure NumPy.

n documents with a trusted answer. A document counts 1 if only the new model is right, -1 if only the current one is. In
a taxonomy it counts by how much its hierarchical F1 grows, which is in [-1, 1].
"""

from dataclasses import dataclass

import numpy as np

from laud_ray.stats.estimates.accuracy import shrunk
from laud_ray.stats.estimates.sample import Sample
from laud_ray.stats.hierarchy.figures import shared
from laud_ray.taxonomy.lineage import lineages
from laud_ray.types import Floats, Indices

# The probability of calling a model not worse that is worse by more than the margin.
ERROR = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """The accuracy of a new model minus that of the current one, on the same n documents.

    Attributes:
        current, candidate: the accuracies, weighted; in a taxonomy the means of the documents' hierarchical F1.
        gains, losses: the documents on which the new model, or the current one, is better.
        n: the documents.
        effective: the size of a simple random sample that leaves the same variance of the difference.
        gain_rate, loss_rate: the weighted shares of gains and losses; in a taxonomy each counts by its size.
        hierarchical: whether it is of hierarchical F1.
    """

    current: float
    candidate: float
    gains: int
    losses: int
    n: int
    effective: float
    gain_rate: float
    loss_rate: float
    hierarchical: bool = False

    @property
    def value(self) -> float:
        """The difference; above 0 if the new model is better."""
        return self.gain_rate - self.loss_rate

    def p_worse(self, margin: float) -> float:
        """Return the p-value of the hypothesis that the new model is worse by `margin` or more.

        It is the probability of a difference at least as good as the measured one, if the new model is worse by just
        the margin and the shares of gains and losses are the likeliest ones under that condition. The probability is
        exact for these shares, and not a normal approximation, which is too small if there are few gains and losses.

        Tango (1998), "Equivalence Test and Confidence Interval for the Difference in Proportions for the Paired-Sample
        Design", for the shares; Lloyd (2008), "Exact p-values for Discrete Models Obtained by Estimation and
        Maximization", for the p-value.

        In a taxonomy a document's gain of a half counts as half a document with a whole one. That leaves the mean as it
        is and makes the variance larger, so that the p-value errs upward.

        Args:
            margin: in [0, 1).
        """
        n = max(1, int(self.effective))
        gain = _likeliest_gain(self.gain_rate, self.loss_rate, margin)
        law = _differences(n, gain, gain + margin)
        # Differences of whole documents; rounded down, so that the p-value errs upward.
        seen = int(np.floor(self.value * n + 1e-9))
        return float(min(1.0, law[max(0, seen + n) :].sum()))


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the new model is promoted, and why.

    Attributes:
        promote: whether it becomes the current model.
        words: one line.
        old: the difference on the old evaluation sample.
        new: the difference on new documents; None without answers about them.
    """

    promote: bool
    words: str
    old: Difference
    new: Difference | None


def compare(current: Sample, candidate: Sample, parents: Indices | None = None) -> Difference:
    """Compare the predictions of two models for the same documents.

    Args:
        current: the documents with the current model's predictions.
        candidate: the same documents, in the same order, with those of the new model.
        parents: (k,) the parent of each node of a taxonomy, whose nodes the labels are; None for other tasks.

    Raises:
        ValueError: if the documents differ.
    """
    same = (
        np.array_equal(current.true, candidate.true)
        and np.array_equal(current.strata, candidate.strata)
        and current.sizes == candidate.sizes
    )
    if not same:
        raise ValueError("the samples have other answers, strata or sizes; expected the same documents")
    before, after = _scores(current, parents), _scores(candidate, parents)
    weights = current.weights / current.weights.sum()
    apart = after - before
    return Difference(
        float(weights @ before),
        float(weights @ after),
        int((apart > 0).sum()),
        int((apart < 0).sum()),
        len(current),
        _effective(current, apart, weights),
        float(weights @ np.maximum(apart, 0)),
        float(weights @ np.maximum(-apart, 0)),
        parents is not None,
    )


def decide(old: Difference, new: Difference | None, margin: float = 0.02) -> Decision:
    """Promote a model that is not worse on the old documents by more than a margin, and better on the new ones.

    A model that is worse by more than the margin passes the first condition in about 5 % of updates at most
    (benchmarks/drift.py canary). The second one is on the measured difference: a few answers about new documents could
    not prove more.

    Args:
        old: on the evaluation sample of the current model.
        new: on random new documents; None if there are no answers about them, which keeps the current model.
        margin: in (0, 1).

    Raises:
        ValueError: if the margin is outside (0, 1).
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin: {margin} is not valid; expected above 0 and below 1")
    p = old.p_worse(margin)
    safe, better = p <= ERROR, new is not None and new.value > 0
    on_old = (
        f"{'not worse' if safe else 'it is not shown that it is not worse'} by more than {100 * margin:g} points "
        f"on the old documents: {_figures(old)}, p = {p:.2g}"
    )
    on_new = (
        "no answers about new documents"
        if new is None
        else f"{'better' if better else 'not better'} on the new ones: {_figures(new)}"
    )
    promote = safe and better
    return Decision(promote, f"{'promote' if promote else 'keep'}: {on_old}; {on_new}", old, new)


def _scores(sample: Sample, parents: Indices | None) -> Floats:
    """Return (n,) whether each prediction is right, 0 or 1; in a taxonomy its hierarchical F1."""
    if parents is None:
        return np.asarray(sample.predicted == sample.true, np.float64)
    lineage = lineages(parents)
    common, depth, predicted_depth = shared(lineage[sample.true], lineage[sample.predicted])
    return np.asarray(2 * common / np.maximum(depth + predicted_depth, 1))


def _figures(found: Difference) -> str:
    what, better, worse = ("hierarchical F1 ", "better", "worse") if found.hierarchical else ("", "corrected", "lost")
    return (
        f"{what}{100 * found.candidate:.1f} % against {100 * found.current:.1f} % (n = {found.n:,}, "
        f"{found.gains:,} {better}, {found.losses:,} {worse})"
    )


def _effective(sample: Sample, apart: Floats, weights: Floats) -> float:
    """Return the effective size, as for an accuracy: the variance within each stratum is shrunk towards the overall."""
    _, stratum, sampled = np.unique(sample.strata, return_inverse=True, return_counts=True)
    share = np.bincount(stratum, weights)
    spread = share**2 * sample.unseen / sampled
    mean = float(weights @ apart)
    # One more document that differs, so that there is a variance at all.
    overall = (float(weights @ (apart - mean) ** 2) * len(apart) + 1) / (len(apart) + 1)
    means = np.bincount(stratum, apart) / sampled
    within = np.bincount(stratum, (apart - means[stratum]) ** 2) / sampled
    variance = shrunk(within, sampled, overall)
    return float((share * variance).sum() / (spread * variance).sum())


def _likeliest_gain(gains: float, losses: float, margin: float) -> float:
    """Return the share of gains g that maximises the likelihood if the share of losses is g + margin.

    The likelihood is concave in g, so bisection finds where its slope is 0.
    """
    low, high = 0.0, (1 - margin) / 2
    for _ in range(60):
        g = (low + high) / 2
        slope = gains / g + losses / (g + margin) - 2 * (1 - gains - losses) / max(1 - 2 * g - margin, 1e-12)
        low, high = (g, high) if slope > 0 else (low, g)
    return (low + high) / 2


def _differences(n: int, gain: float, loss: float) -> Floats:
    """Return the (2 n + 1,) probabilities of n documents' gains minus losses, from -n to n."""
    size = 1 << (2 * n).bit_length()
    single = np.zeros(size)
    single[0], single[1], single[2] = loss, 1 - gain - loss, gain
    return np.asarray(np.maximum(np.fft.irfft(np.fft.rfft(single) ** n, size)[: 2 * n + 1], 0.0))
