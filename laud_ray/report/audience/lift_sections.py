"""The parts of the page on an experiment: the same sentences and tables in the terminal and in HTML."""

from laud_ray.audience.measure import Arm, Measured
from laud_ray.audience.verdict import dilution, percent
from laud_ray.report.formatting import ABSENT
from laud_ray.report.section import Section
from laud_ray.stats.uplift import Lift
from laud_ray.types import Estimate


def lift_sections(found: Measured) -> tuple[Section, ...]:
    """Return the parts of the page below the verdict."""
    parts = [_arms(found), _lift(found)]
    if (diluted := dilution(found)) is not None:
        parts.append(Section("An audience without errors", lines=(diluted,)))
    if found.segments:
        parts.append(_segments(found))
    if found.notes:
        parts.append(Section("Notes", lines=found.notes))
    return tuple(parts)


def ctr(value: float) -> str:
    """Write a click-through rate, such as 0.00979 as `0.979 %`."""
    return f"{100 * value:.3f} %"


def limits(one: Estimate | None) -> str:
    """Write the 95 % interval of a lift as `[+15.2, +33.6]`, in percent."""
    return f"[{100 * one.low:+.1f}, {100 * one.high:+.1f}]" if one is not None else ABSENT


def _arms(found: Measured) -> Section:
    line = (
        f"Users came into the arms as intended, {found.ratio[0]:g}:{found.ratio[1]:g} (sample-ratio mismatch test: "
        f"p = {found.mismatch_p:.2g}; below 0.001 nothing would be shown)."
    )
    return Section(
        "Arms",
        ("arm", "users", "impressions", "clicks", "click-through rate", "95 % interval"),
        (_arm(found.control, "control"), _arm(found.treatment)),
        (line,),
    )


def _arm(one: Arm, role: str = "") -> tuple[str, ...]:
    name = f"{one.name} ({role})" if role and one.name.strip().lower() != role else one.name
    return (
        name,
        f"{one.users:,}",
        f"{one.impressions:,}",
        f"{one.clicks:,}",
        ctr(one.rate.value) if one.rate else ABSENT,
        f"[{100 * one.rate.low:.3f}, {100 * one.rate.high:.3f}]" if one.rate else ABSENT,
    )


def _lift(found: Measured) -> Section:
    rows = [_row("all users", found.plain)]
    lines = []
    if found.adjusted is not None and found.removed is not None:
        rows.append(_row("with CUPED", found.adjusted))
        lines.append(
            f"CUPED: each user's clicks before the test explain {100 * found.removed:.1f} % of the variance. The "
            "verdict is by CUPED."
        )
    if found.design_effect is not None:
        lines.append(
            f"Design effect {found.design_effect:.2f}: impressions of one user resemble each other, so a test on "
            f"impressions would give intervals that are {found.design_effect**0.5:.2f} times too narrow."
            if found.design_effect > 1
            else f"Design effect {found.design_effect:.2f}: impressions of one user hardly resemble each other."
        )
    if found.smallest is not None:
        lines.append(
            f"The smallest lift that would have been found with a probability of 80 %: {percent(found.smallest)}."
        )
    columns = ("lift", "relative", "95 % interval", "points", "95 % interval", "p")
    return Section("Lift", columns, tuple(rows), tuple(lines))


def _row(name: str, lift: Lift) -> tuple[str, ...]:
    absolute = lift.absolute
    return (
        name,
        percent(lift.relative.value) if lift.relative is not None else ABSENT,
        limits(lift.relative),
        f"{100 * absolute.value:+.3f}",
        f"[{100 * absolute.low:+.3f}, {100 * absolute.high:+.3f}]",
        f"{lift.p:.2g}",
    )


def _segments(found: Measured) -> Section:
    rows = tuple(
        (
            f"{number}. {'(empty)' if one.name is None else one.name}",
            f"{one.control.users + one.treatment.users:,}",
            *(ctr(arm.rate.value) if arm.rate else ABSENT for arm in (one.control, one.treatment)),
            percent(one.lift.relative.value) if one.lift and one.lift.relative else one.why or ABSENT,
            limits(one.lift.relative if one.lift else None),
            f"{one.p_adjusted:.2g}" if one.p_adjusted is not None else ABSENT,
        )
        for number, one in enumerate(found.segments, 1)
    )
    lines = [
        "Intervals are for one segment each; p is adjusted for their number (Holm), since of many segments some differ "
        "by chance."
    ]
    if found.more_segments:
        lines.append(f"{found.more_segments:,} further segments with fewer impressions are left out.")
    columns = ("segment", "users", found.control.name, found.treatment.name, "relative lift", "95 % interval", "p")
    return Section("Segments", columns, rows, tuple(lines))
