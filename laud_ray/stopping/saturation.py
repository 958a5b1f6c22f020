"""A learning curve that saturates: an inverse power law through the figures of the rounds. Pure NumPy. m points."""

from dataclasses import dataclass

import numpy as np

from laud_ray.types import Floats

# Exponents that are tried: from nearly logarithmic growth to a curve that is flat after one batch. For a given one the
# fit is linear, so that it has one solution, and the same one on every machine.
EXPONENTS = np.geomspace(0.05, 4.0, 60)


@dataclass(frozen=True, slots=True)
class Saturation:
    """The curve: `ceiling` - `scale` x annotations ^ -`exponent`. scale >= 0, so that it never falls."""

    ceiling: float
    scale: float
    exponent: float

    def at(self, annotations: float) -> float:
        """Return the figure expected with so many annotations, at least 1."""
        return float(self.ceiling - self.scale * annotations**-self.exponent)

    def gain(self, annotations: float, more: float) -> float:
        """Return what so many more annotations are expected to add."""
        return self.at(annotations + more) - self.at(annotations)


def fit(annotations: Floats, values: Floats, deviations: Floats) -> Saturation:
    """Fit the curve by least squares, each value weighted by the inverse of its squared standard deviation.

    The ceiling is at most 1, as figures are. Where exponents fit alike, the least is taken: it expects most of what
    is to come, so that a doubtful curve is no reason to stop.

    Figueroa, Zeng-Treitler, Kandula and Ngo (2012), "Predicting sample size required for classification performance".

    Args:
        annotations: (m,) at least 1.
        values: (m,) in [0, 1].
        deviations: (m,) above 0.

    Raises:
        ValueError: if the arrays differ in length or have fewer than three different annotations.
    """
    if not len(annotations) == len(values) == len(deviations) or len(np.unique(annotations)) < 3:
        raise ValueError(f"got {len(annotations)} annotations, {len(values)} values; expected three different or more")
    weights = 1 / deviations**2
    weights = weights / weights.sum()
    best, least = Saturation(1.0, 0.0, float(EXPONENTS[0])), np.inf
    for exponent in EXPONENTS:
        curve = _linear(annotations**-exponent, values, weights, float(exponent))
        error = float(weights @ (values - curve.ceiling + curve.scale * annotations**-exponent) ** 2)
        if error < least * (1 - 1e-9):
            best, least = curve, error
    return best


def _linear(x: Floats, y: Floats, weights: Floats, exponent: float) -> Saturation:
    """Solve y = ceiling - scale x with 0 <= scale and ceiling <= 1; where a bound is broken, on the bound."""
    mean_x, mean_y = float(weights @ x), float(weights @ y)
    slope = float(weights @ ((x - mean_x) * (y - mean_y)) / (weights @ (x - mean_x) ** 2))
    if slope >= 0:
        return Saturation(min(mean_y, 1.0), 0.0, exponent)
    ceiling = mean_y - slope * mean_x
    if ceiling <= 1:
        return Saturation(ceiling, -slope, exponent)
    return Saturation(1.0, float(weights @ (x * (1 - y)) / (weights @ x**2)), exponent)
