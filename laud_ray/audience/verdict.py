"""What an experiment shows, in sentences."""

from laud_ray.audience.measure import Measured


def verdict(found: Measured) -> str:
    """Return what the experiment shows, in a sentence or two.

    Example:
        "new has a higher click-through rate than old: +24.1 %, and with 95 % confidence between +15.2 % and +33.6 %."
    """
    one, other = found.treatment.name, found.control.name
    lift = found.relative
    limits = f"{percent(lift.low)} and {percent(lift.high)}"
    if found.shown:
        how = "higher" if lift.value > 0 else "lower"
        return (
            f"{one} has a {how} click-through rate than {other}: {percent(lift.value)}, and with 95 % confidence "
            f"between {limits}. Users were assigned at random, so this is an effect of {one}."
        )
    said = f"No difference between {one} and {other} is shown: the lift is with 95 % confidence between {limits}."
    if found.smallest is None:
        return said
    return f"{said} A true lift of {percent(found.smallest)} would have been found with a probability of 80 %."


def dilution(found: Measured) -> str | None:
    """Return what an audience without errors would give; None if the precision is not stated."""
    if found.undiluted is None or found.precision is None:
        return None
    p, lift = found.precision, found.undiluted
    interval = f" [{100 * p.low:.1f}, {100 * p.high:.1f}]" if p.low < p.high else ""
    return (
        f"At a precision of {100 * p.value:.1f} %{interval}, {100 * (1 - p.value):.1f} % of the audience does not "
        f"belong to it. If these people do not respond, an audience without errors would give {percent(lift.value)} "
        f"[{percent(lift.low)}, {percent(lift.high)}]; if they respond like the others, nothing is diluted."
    )


def percent(lift: float) -> str:
    """Write 0.241 as `+24.1 %`."""
    return f"{100 * lift:+.1f} %"
