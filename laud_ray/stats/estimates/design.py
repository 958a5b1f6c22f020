"""How narrow an interval a design leaves, before anything is asked. Pure NumPy and SciPy."""

from dataclasses import dataclass
from math import inf, sqrt

import scipy

_TAIL = 0.025


def exact_interval(accuracy: float, n: float) -> tuple[float, float]:
    """Return the exact 95 % limits of an accuracy that is seen on n documents (Clopper and Pearson 1934).

    Args:
        accuracy: the share of right predictions, in [0, 1].
        n: the documents; may be an effective size, which is no whole number.

    Example:
        `exact_interval(0.85, 300)` is about (0.804, 0.888).

    Raises:
        ValueError: if the accuracy is outside [0, 1], or n is not positive.
    """
    if not 0 <= accuracy <= 1 or not n > 0:
        raise ValueError(f"accuracy = {accuracy}, n = {n}; expected an accuracy in [0, 1] and n above 0")
    hits, misses = accuracy * n, (1 - accuracy) * n
    low = float(scipy.special.betaincinv(hits, misses + 1, _TAIL)) if hits > 0 else 0.0
    high = float(scipy.special.betaincinv(hits + 1, misses, 1 - _TAIL)) if misses > 0 else 1.0
    return low, high


@dataclass(frozen=True, slots=True)
class Split:
    """A sample that is measured with two oracles: prediction-powered inference.

    With N answers of the cheap oracle and n of the trusted one, of which the cheap one has answered all too, and a
    correlation rho between what the two say about a prediction being right, the variance of the accuracy is

        s^2 [(1 - rho^2) / n + rho^2 / N]

    with s^2 that of one trusted answer: the control variate of Angelopoulos et al. (2023, "Prediction-Powered
    Inference", Science) with the best weight (PPI++, arXiv 2311.01453). Costs as in arXiv 2506.07949.

    Attributes:
        trusted: n.
        cheap: N, at least n.
        effective: the documents on which the trusted oracle alone would leave the same variance.
    """

    trusted: float
    cheap: float
    effective: float

    def dollars(self, cheap: float, trusted: float) -> float:
        """Return what the answers cost, at the costs of one answer of each oracle."""
        return self.cheap * cheap + self.trusted * trusted


def split(trusted: float, cheap: float, rho: float) -> Split:
    """Return the split of n trusted and N cheap answers, with what it leaves."""
    if not 0 < trusted <= cheap or not 0 <= rho < 1:
        raise ValueError(f"n = {trusted}, N = {cheap}, rho = {rho}; expected 0 < n <= N and rho in [0, 1)")
    return Split(trusted, cheap, 1 / ((1 - rho**2) / trusted + rho**2 / cheap))


def best_ratio(cheap: float, trusted: float, rho: float) -> float:
    """Return the n / N that costs least for a given variance: sqrt((1 - rho^2) c / (rho^2 C)), at most 1.

    Args:
        cheap, trusted: the costs c and C of an answer; C above 0.
        rho: the correlation, in (0, 1].
    """
    return min(1.0, sqrt((1 - rho**2) * cheap / (rho**2 * trusted)))


def relative_cost(cheap: float, trusted: float, rho: float) -> float:
    """Return what the best split costs for each dollar of trusted answers alone: (sqrt(1 - rho^2) + rho sqrt(c/C))^2.

    Above 1, trusted answers alone are cheaper. Cochran (1977), "Sampling Techniques", section 12.5, for two phases.

    Args:
        cheap, trusted: the costs c and C of an answer; C above 0.
        rho: the correlation, in [0, 1].
    """
    return float((sqrt(1 - rho**2) + rho * sqrt(cheap / trusted)) ** 2)


def best_split(effective: float, cheap: float, trusted: float, rho: float, most: float) -> Split:
    """Return the cheapest split that leaves the variance of `effective` trusted answers.

    Args:
        effective: the number of answers that the trusted oracle alone would need.
        cheap, trusted: the costs of an answer; the trusted one's above 0.
        rho: the correlation, in [0, 1).
        most: the most documents that can be asked about, at least `effective`.
    """
    if rho == 0 or relative_cost(cheap, trusted, rho) >= 1:
        return Split(effective, effective, effective)
    ratio = best_ratio(cheap, trusted, rho)
    documents = effective * ((1 - rho**2) / ratio + rho**2) if ratio else inf
    if documents > most:
        # Fewer cheap answers than would be best: the trusted ones that are then needed.
        documents = most
        ratio = (1 - rho**2) / (most / effective - rho**2)
    return Split(ratio * documents, documents, effective)
