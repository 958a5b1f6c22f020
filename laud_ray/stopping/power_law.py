"""Fit a saturating learning curve, an inverse power law, to the figures of the rounds. Pure NumPy. m points."""

from dataclasses import dataclass

import numpy as np

from laud_ray.types import Floats

# The exponents that are tried, from nearly logarithmic growth to a curve that is flat after one batch. For a given
# exponent the fit is linear, so that it has a unique solution that does not depend on the machine;
# scipy.optimize.curve_fit takes 3 times as long, and its result depends on the first guess.
EXPONENTS = np.geomspace(0.05, 4.0, 60)


@dataclass(frozen=True, slots=True)
class Saturation:
    """The curve `ceiling` - `scale` * annotations ** -`exponent`, with scale >= 0, so that it never falls."""

    ceiling: float
    scale: float
    exponent: float

    def at(self, annotations: float) -> float:
        """Return the expected figure with this number of annotations, at least 1."""
        return float(self.ceiling - self.scale * annotations**-self.exponent)

    def gain(self, annotations: float, more: float) -> float:
        """Return the expected gain of `more` annotations beyond `annotations`."""
        return self.at(annotations + more) - self.at(annotations)


def fit(annotations: Floats, values: Floats, deviations: Floats) -> Saturation:
    """Fit the curve by least squares, each value weighted by the inverse of its squared standard deviation.

    The ceiling is at most 1, as all figures are. If several exponents fit equally well, the smallest is taken: it
    predicts the largest further gain, so that an uncertain curve does not stop the run.

    Figueroa, Zeng-Treitler, Kandula and Ngo (2012), "Predicting sample size required for classification performance".

    Args:
        annotations: (m,) at least 1.
        values: (m,) in [0, 1].
        deviations: (m,) above 0.

    Raises:
        ValueError: if the arrays differ in length or have fewer than three different annotations.
    """
    if not len(annotations) == len(values) == len(deviations) or len(np.unique(annotations)) < 3:
        raise ValueError(
            f"got {len(annotations)} annotations and {len(values)} values; expected as many, and at least three "
            "different numbers of annotations"
        )
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
    """Fit y = ceiling - scale * x with scale >= 0 and ceiling <= 1; a violated bound becomes an equality."""
    mean_x, mean_y = float(weights @ x), float(weights @ y)
    slope = float(weights @ ((x - mean_x) * (y - mean_y)) / (weights @ (x - mean_x) ** 2))
    if slope >= 0:
        return Saturation(min(mean_y, 1.0), 0.0, exponent)
    ceiling = mean_y - slope * mean_x
    if ceiling <= 1:
        return Saturation(ceiling, -slope, exponent)
    return Saturation(1.0, float(weights @ (x * (1 - y)) / (weights @ x**2)), exponent)
