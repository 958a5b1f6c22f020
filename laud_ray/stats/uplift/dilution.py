"""What a classifier's errors dilute: the lift that an audience without errors would have had."""

from math import sqrt

from laud_ray.types import Estimate


def undiluted(lift: Estimate, precision: Estimate) -> Estimate:
    """Return the lift among the people who belong to the audience, if there is none among the others in it.

    Of an audience, the share `precision` belongs to it. The observed lift is precision x (lift among these) +
    (1 - precision) x (lift among the others); with no lift among the others, the first is lift / precision. The limits
    combine both intervals by MOVER-R, which keeps their asymmetry. If the lift's interval holds 0, so does the result.

    Newcombe (2016), "MOVER-R confidence intervals for ratios and products of two independently estimated quantities";
    Donner and Zou (2012), "Closed-form confidence intervals for functions of the normal mean and standard deviation".

    Args:
        lift: with its interval.
        precision: with its interval, in (0, 1]; the lower limit may be 0.

    Returns:
        The quotient with its interval; a limit without a bound is infinite.

    Raises:
        ValueError: if a precision is not in its range.
    """
    p = precision
    if not (0 < p.value <= 1 and 0 <= p.low <= p.value <= p.high <= 1):
        raise ValueError(f"precision = {p.value} [{p.low}, {p.high}]; expected 0 <= low <= value <= high <= 1, above 0")
    low = _lower(lift.value, lift.low, p)
    high = -_lower(-lift.value, -lift.high, p)
    value = lift.value / p.value
    return Estimate(value, min(low, value), max(high, value), lift.n)


def _lower(value: float, low: float, p: Estimate) -> float:
    """Return the lower limit of value / p: where value - limit x p has the limit 0 in its own interval."""
    # Below a positive lower limit p is at its largest, and above a negative one at its smallest.
    spread = p.high - p.value if low > 0 else p.value - p.low
    a, b, c = p.value**2 - spread**2, value * p.value, low * (2 * value - low)
    root = sqrt(max(b * b - a * c, 0.0))
    if b > 0:
        return c / (b + root)
    return (b - root) / a if a > 0 else float("-inf")
