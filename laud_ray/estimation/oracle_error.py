"""Correct figures for the measured error of the oracle whose answers they come from."""

from math import sqrt

from laud_ray.types import Estimate

_Z = 1.959963984540054


def correct_prevalence(yes: int, n: int, *, sensitivity: tuple[int, int], specificity: tuple[int, int]) -> Estimate:
    """Estimate the true share of yes behind n answers of an oracle that errs at a measured rate.

    Rogan and Gladen (1978), "Estimating Prevalence from the Results of a Screening Test"; the interval is that of
    Lang and Reiczigel (2014), "Confidence Limits for Prevalence of Disease Adjusted for Estimated Sensitivity and
    Specificity", which counts the uncertainty of all three rates.

    Args:
        yes, n: the oracle's answers that are yes, and all of them, to a simple random sample.
        sensitivity: (right, checked): of documents that are truly yes, how many the oracle got right.
        specificity: (right, checked): the same of those that are truly no.

    Raises:
        ValueError: if a count is impossible, or the oracle is no better than chance.
    """
    for right, checked in ((yes, n), sensitivity, specificity):
        _require_count(right, checked)
    sense, specific = sensitivity[0] / sensitivity[1], specificity[0] / specificity[1]
    if sense + specific <= 1:
        raise ValueError(
            f"sensitivity {sense:.2f} and specificity {specific:.2f} are no better than chance; expected more than 1 "
            "together"
        )
    value = min(max((yes / n + specific - 1) / (sense + specific - 1), 0.0), 1.0)
    m, m_yes, m_no = n + _Z**2, sensitivity[1] + 2, specificity[1] + 2
    p, a, b = (yes + _Z**2 / 2) / m, (sensitivity[0] + 1) / m_yes, (specificity[0] + 1) / m_no
    slope = max(a + b - 1, 1e-9)
    centre = (p + b - 1) / slope
    noise_yes, noise_no = a * (1 - a) / m_yes, b * (1 - b) / m_no
    shift = 2 * _Z**2 * (centre * noise_yes - (1 - centre) * noise_no)
    half = _Z * sqrt(p * (1 - p) / m + centre**2 * noise_yes + (1 - centre) ** 2 * noise_no) / slope
    return _clipped(value, centre + shift - half, centre + shift + half, n)


def correct_accuracy(agreed: int, n: int, *, right: int, checked: int, k: int) -> Estimate:
    """Estimate the true accuracy of a model from its agreement with an oracle that errs at a measured rate.

    With the oracle's accuracy q, and k classes over which errors spread evenly and independently of the model's, the
    agreement is a q + (1 - a) (1 - q) / (k - 1). Where a model makes the oracle's own mistakes this is too
    optimistic: `estimate_powered_share`, on whether the model is right, assumes nothing. The interval is by the delta
    method with pseudo-counts as in `correct_prevalence`.

    Args:
        agreed, n: documents on which model and oracle agree, of a simple random sample.
        right, checked: the oracle's answers that a trusted one confirmed, of those it was asked about.
        k: number of classes, at least 2.

    Raises:
        ValueError: if a count is impossible, k is less than 2, or the oracle is no better than chance.
    """
    _require_count(agreed, n)
    _require_count(right, checked)
    if k < 2 or right * k <= checked:
        raise ValueError(f"{right} of {checked} right among {k} classes, expected more than chance and 2 classes")
    spill = 1 / (k - 1)

    def solved(agreement: float, q: float) -> float:
        return (agreement - spill * (1 - q)) / (q - spill * (1 - q))

    value = min(max(solved(agreed / n, right / checked), 0.0), 1.0)
    m, m_right = n + _Z**2, checked + 2
    p, q = (agreed + _Z**2 / 2) / m, (right + 1) / m_right
    slope = max(q - spill * (1 - q), 1e-9)
    centre = solved(p, q)
    half = _Z * sqrt(p * (1 - p) / m + (centre * (1 + spill) - spill) ** 2 * q * (1 - q) / m_right) / slope
    return _clipped(value, centre - half, centre + half, n)


def _require_count(hits: int, n: int) -> None:
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n}, expected at least 0 of at least 1, and no more than all")


def _clipped(value: float, low: float, high: float, n: int) -> Estimate:
    low, high = min(max(low, 0.0), 1.0), min(max(high, 0.0), 1.0)
    return Estimate(value, min(low, value), max(high, value), n)
