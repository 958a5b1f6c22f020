"""How much an experiment can see: its design effect, and the smallest lift that it would have found."""

from math import exp

from scipy.special import ndtri

from laud_ray.stats.uplift.lift import Lift

POWER, UPPER = 0.8, 0.975


def design_effect(lift: Lift, impressions: tuple[int, int]) -> float | None:
    """Return by how much the variance exceeds that of independent impressions, which a two-proportion test assumes.

    Its formulas give too few impressions by this factor. Kish (1965), "Survey Sampling", section 8.2.

    Args:
        lift: the unadjusted comparison.
        impressions: of the control and the treatment, at least 1 each.

    Returns:
        The quotient of variances; None without a click, or without anything else.
    """
    assumed = sum(
        one.value * (1 - one.value) / n for one, n in zip((lift.control, lift.treatment), impressions, strict=True)
    )
    return (lift.control.error + lift.treatment.error) / assumed if assumed > 0 else None


def smallest_lift(lift: Lift) -> float | None:
    """Return the smallest true relative lift that is found with a probability of 80 % at the 5 % level, two-sided.

    It is exp((z_0.975 + z_0.8) s) - 1 with the standard error s of log(R1 / R0): a property of the experiment's size
    and variance, not of its result. None where s is unknown.

    Bloom (1995), "Minimum Detectable Effects".
    """
    if lift.log_error is None:
        return None
    return exp(float(ndtri(UPPER) + ndtri(POWER)) * lift.log_error) - 1
