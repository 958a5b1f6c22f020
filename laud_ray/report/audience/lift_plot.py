"""Plots of an experiment as SVG text; see `laud_ray.report.svg`. Segments are drawn by their number in the table."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from laud_ray.audience.measure import Measured
from laud_ray.audience.verdict import percent
from laud_ray.report.svg import ACCENT, GRID, INK, MUTED, PAPER, svg
from laud_ray.types import Estimate

MOST_SEGMENTS = 20
_ROOM = 1.75  # inches for the labels


def lifts(found: Measured) -> str:
    """Draw the relative lifts with their intervals, and the range of true lifts that would often be missed."""
    rows: list[tuple[str, Estimate, bool]] = []
    if found.adjusted is not None and found.adjusted.relative is not None:
        rows.append(("with CUPED", found.adjusted.relative, True))
    if found.plain.relative is not None:
        rows.append(("all users", found.plain.relative, not rows))
    if found.undiluted is not None:
        rows.append(("without errors", found.undiluted, False))
    for number, one in enumerate(found.segments[:MOST_SEGMENTS], 1):
        if one.lift is not None and one.lift.relative is not None:
            rows.append((f"segment {number}", one.lift.relative, False))

    def draw(axes: Axes) -> None:
        if found.smallest is not None:
            axes.axvspan(-100 * found.smallest, 100 * found.smallest, color=GRID, alpha=0.55, linewidth=0)
        axes.axvline(0, color=MUTED, linewidth=1.2, dashes=(4, 3))
        _intervals(axes, rows)
        axes.set_xlabel("relative lift in click-through rate")
        axes.xaxis.set_major_formatter(PercentFormatter(symbol=" %", decimals=0))
        axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))

    lift = found.relative
    title = f"Relative lift: {percent(lift.value)}, 95 % interval {percent(lift.low)} to {percent(lift.high)}"
    return svg(draw, height=0.9 + 0.36 * len(rows), salt="lifts", title=title, left=_ROOM)


def rates(found: Measured) -> str:
    """Draw the click-through rate of each arm with its interval."""
    arms = (("control", found.control), ("treatment", found.treatment))
    rows = [(name, arm.rate, True) for name, arm in arms if arm.rate is not None]

    def draw(axes: Axes) -> None:
        _intervals(axes, rows)
        axes.set_xlabel("click-through rate")
        axes.xaxis.set_major_formatter(PercentFormatter(symbol=" %"))
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))

    said = ", ".join(f"{name} {100 * one.value:.3f} %" for name, one, _ in rows)
    return svg(draw, height=0.9 + 0.36 * 2, salt="rates", title=f"Click-through rate: {said}", left=_ROOM)


def _intervals(axes: Axes, rows: Sequence[tuple[str, Estimate, bool]]) -> None:
    """Draw estimates in percent, each in a row of its own from the top, with its name and whether it stands out."""
    for place, (_, one, strong) in enumerate(rows):
        color = ACCENT if strong else MUTED
        value, low, high = 100 * one.value, 100 * one.low, 100 * one.high
        axes.plot([low, high], [place, place], color=color, linewidth=2.5 if strong else 1.8)
        axes.plot([value], [place], "o", color=color, markersize=8 if strong else 6, markeredgecolor=PAPER, zorder=3)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.set_yticks(range(len(rows)), labels=[name for name, *_ in rows], color=INK)
