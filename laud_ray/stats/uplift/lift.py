"""The difference of two click-through rates, absolute and relative, with 95 % intervals. Pure SciPy."""

from dataclasses import dataclass
from math import exp, inf, sqrt

from scipy.special import stdtr, stdtrit

from laud_ray.stats.uplift.moments import Ratio
from laud_ray.types import Estimate

_UPPER = 0.975


@dataclass(frozen=True, slots=True)
class Lift:
    """What changed from the control to the treatment. An estimate's n counts the users of both arms.

    Attributes:
        control, treatment: the rates that are compared.
        absolute: the difference of the rates.
        relative: the difference as a share of the control's rate; None where a rate is not positive.
        p: of the hypothesis that the rates are equal, by Welch's test.
        log_error: the standard error of the logarithm of the rates' quotient; None where a rate is not positive.
    """

    control: Ratio
    treatment: Ratio
    absolute: Estimate
    relative: Estimate | None
    p: float
    log_error: float | None


def compare(control: Ratio, treatment: Ratio) -> Lift:
    """Compare two click-through rates.

    The interval of the relative lift is that of log(R1 / R0), whose variance is V1 / R1² + V0 / R0²: a quotient is
    skewed, and its logarithm hardly is. Quantiles are those of Student's t with Welch's degrees of freedom.

    Deng, Knoblich and Lu (2018), section 3.2; Welch (1947), "The Generalization of Student's Problem".
    """
    n = control.users + treatment.users
    difference = treatment.value - control.value
    error, freedom = _welch(control, treatment, 1.0, 1.0)
    half = float(stdtrit(freedom, _UPPER)) * error
    absolute = Estimate(difference, difference - half, difference + half, n)
    p = 2 * float(stdtr(freedom, -abs(difference) / error)) if error > 0 else (1.0 if difference == 0 else 0.0)
    if control.value <= 0 or treatment.value <= 0:
        return Lift(control, treatment, absolute, None, p, None)
    log_error, freedom = _welch(control, treatment, control.value, treatment.value)
    quotient, factor = treatment.value / control.value, exp(float(stdtrit(freedom, _UPPER)) * log_error)
    relative = Estimate(quotient - 1, quotient / factor - 1, quotient * factor - 1, n)
    return Lift(control, treatment, absolute, relative, p, log_error)


def rate(one: Ratio) -> Estimate:
    """Return a click-through rate with its interval, from its logarithm, so that no limit is below zero.

    A rate of zero has no variance in the sample; its upper limit is 1.
    """
    if one.value <= 0:
        return Estimate(max(one.value, 0.0), 0.0, 1.0, one.users)
    factor = exp(float(stdtrit(one.users - 1, _UPPER)) * sqrt(one.error) / one.value)
    return Estimate(one.value, one.value / factor, min(one.value * factor, 1.0), one.users)


def _welch(control: Ratio, treatment: Ratio, scale0: float, scale1: float) -> tuple[float, float]:
    """Return the standard error of a difference, and its degrees of freedom; each rate is divided by its scale."""
    e0, e1 = control.error / scale0**2, treatment.error / scale1**2
    weights = e0**2 / (control.users - 1) + e1**2 / (treatment.users - 1)
    return sqrt(e0 + e1), ((e0 + e1) ** 2 / weights if weights > 0 else inf)
