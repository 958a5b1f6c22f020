"""Plots as SVG text for use inside an HTML page.

Colours are CSS variables of the page with a fallback, so that they follow its dark mode. No user-supplied text is
drawn. The same data gives the same bytes.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from laud_ray.report.formatting import beside_accuracy, first_figure, interval, percent
from laud_ray.report.svg import ACCENT, MUTED, PAPER, STEPS, WARN, svg
from laud_ray.types import Estimate, RoundResult

Curve: TypeAlias = Literal["accuracy", "f1"]


def learning_curve(history: Sequence[RoundResult], curve: Curve) -> str:
    """Draw a figure against annotations: 95 % band, dashed zero-shot line, a cross on rejected rounds."""
    estimates = [_estimate(result, curve) for result in history]
    x = [result.annotations for result in history]
    value, low, high = ([100 * getattr(estimate, name) for estimate in estimates] for name in ("value", "low", "high"))

    def draw(axes: Axes) -> None:
        axes.fill_between(x, low, high, color=ACCENT, alpha=0.13, linewidth=0)
        axes.vlines(x, low, high, color=ACCENT, alpha=0.35, linewidth=1)
        axes.plot(x, value, color=ACCENT, linewidth=2)
        _mark(axes, x, value, accepted=[result.accepted for result in history])
        _zero_shot(axes, estimates[0])
        axes.set_xlabel("annotations (seed and query)")
        span = max(*x, 10)
        axes.set_xlim(-0.04 * span, 1.04 * span)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(7, integer=True, steps=[1, 2, 5, 10]))
        axes.set_ylim(*_limits(value + low + high))
        axes.yaxis.set_major_formatter(PercentFormatter(decimals=0, symbol=" %"))

    name = (first_figure if curve == "accuracy" else beside_accuracy)(history[-1].figures)[0]
    taken = next((estimates[i] for i in reversed(range(len(history))) if history[i].accepted), estimates[-1])
    return svg(draw, height=3.7, salt=curve, title=f"Learning curve: {_sentence(name, taken)}")


def calibration(history: Sequence[RoundResult]) -> str:
    """Draw the calibration error of every round, in percent."""
    error = [100 * result.figures.calibration_error for result in history]

    def draw(axes: Axes) -> None:
        axes.bar([result.number for result in history], error, color=ACCENT, width=0.55)
        axes.yaxis.set_major_formatter(PercentFormatter(symbol=" %"))
        axes.set_ylim(0, max([value for value in error if math.isfinite(value)], default=1.0) * 1.12 or 1.0)
        _rounds(axes, history)

    return svg(draw, height=2.7, salt="calibration", title="Calibration error per round")


def agreement(history: Sequence[RoundResult]) -> str:
    """Draw Cohen's kappa of every round with the round before; round 0 has none."""
    known = [(result.number, result.kappa) for result in history if result.kappa is not None]

    def draw(axes: Axes) -> None:
        x, kappa = [number for number, _ in known], [kappa for _, kappa in known]
        axes.plot(x, kappa, color=ACCENT, linewidth=2, marker="o", markersize=6, markeredgecolor=PAPER)
        axes.set_ylabel("kappa")
        axes.set_ylim(min([0.0, *kappa]), 1.03)
        _rounds(axes, history)

    return svg(draw, height=2.7, salt="agreement", title="Kappa with the round before, per round")


def drift(numbers: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Draw the log wealth of each test after every generation, from (generation, log wealth) by test."""

    def draw(axes: Axes) -> None:
        for color, points in zip(STEPS, numbers.values(), strict=False):
            x, y = [number for number, _ in points], [wealth for _, wealth in points]
            axes.plot(x, y, color=color, linewidth=2, marker="o", markersize=6, markeredgecolor=PAPER)
        axes.set_xlabel("generation")
        axes.set_ylabel("log wealth")
        axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))

    return svg(draw, height=2.7, salt="drift", title="Log wealth of each test, per generation")


def accuracy_by_generation(known: Mapping[int, Estimate]) -> str:
    """Draw the accuracy of each generation in percent, with its interval."""

    def draw(axes: Axes) -> None:
        numbers, found = list(known), list(known.values())
        value = [100 * one.value for one in found]
        below = [100 * max(one.value - one.low, 0) for one in found]
        above = [100 * max(one.high - one.value, 0) for one in found]
        axes.errorbar(numbers, value, [below, above], color=ACCENT, linewidth=2, fmt="o", markersize=6)
        axes.set_xlabel("generation")
        axes.set_xlim(0.4, numbers[-1] + 0.6)
        axes.set_ylim(*_limits([100 * bound for one in found for bound in (one.low, one.high)]))
        axes.yaxis.set_major_formatter(PercentFormatter(symbol=" %"))
        axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))

    return svg(draw, height=2.7, salt="generations", title="Accuracy by generation, with 95 % intervals")


def steps(history: Sequence[RoundResult]) -> tuple[str, ...]:
    """Return the names of all timed steps, those of the latest round first; the order of their colours."""
    return tuple(dict.fromkeys(step for result in reversed(history) for step in result.seconds))


def timing(history: Sequence[RoundResult]) -> str:
    """Draw one horizontal bar per round, divided into its steps; step i has colour i of `STEPS`, modulo its length."""
    longest = max((sum(result.seconds.values()) for result in history), default=0.0)
    unit, seconds_per_unit = ("hours", 3600) if longest >= 7200 else ("minutes", 60)
    if longest < 180:
        unit, seconds_per_unit = "seconds", 1
    number = [result.number for result in history]

    def draw(axes: Axes) -> None:
        left = [0.0] * len(history)
        for index, step in enumerate(steps(history)):
            length = [result.seconds.get(step, 0.0) / seconds_per_unit for result in history]
            axes.barh(number, length, left=left, height=0.6, color=STEPS[index % len(STEPS)])
            left = [a + b for a, b in zip(left, length, strict=True)]
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(unit)
        axes.set_ylabel("round")
        axes.set_yticks(number[:: math.ceil(len(number) / 20)])
        axes.set_ylim(number[-1] + 0.6, number[0] - 0.6)

    height = 1.0 + 0.32 * len(history)
    return svg(draw, height=height, salt="timing", title="Time per round and step")


def _estimate(result: RoundResult, curve: Curve) -> Estimate:
    return (first_figure if curve == "accuracy" else beside_accuracy)(result.figures)[1]


def _sentence(name: str, estimate: Estimate) -> str:
    return f"{name} {percent(estimate.value)} {interval(estimate)}, n = {estimate.n}, 95 % interval"


def _mark(axes: Axes, x: Sequence[float], y: Sequence[float], *, accepted: Sequence[bool]) -> None:
    """Put a dot on every accepted round and a cross on every rejected one."""
    dots = [index for index, good in enumerate(accepted) if good]
    crosses = [index for index, good in enumerate(accepted) if not good]
    for indices, color, marker, size in ((dots, ACCENT, "o", 8), (crosses, WARN, "X", 10)):
        where = ([x[index] for index in indices], [y[index] for index in indices])
        axes.plot(*where, marker, color=color, markersize=size, markeredgecolor=PAPER, zorder=3)


def _zero_shot(axes: Axes, estimate: Estimate) -> None:
    if not math.isfinite(estimate.value):
        return
    axes.axhline(100 * estimate.value, color=MUTED, linewidth=1.2, dashes=(4, 3))
    axes.annotate(
        f"zero-shot {percent(estimate.value)}",
        (1.0, 100 * estimate.value),
        xycoords=("axes fraction", "data"),
        xytext=(0, -5),
        textcoords="offset points",
        horizontalalignment="right",
        verticalalignment="top",
        color=MUTED,
    )


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the multiples of ten around the finite values, in [0, 100], with room for a label below."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 100.0]
    low, high = 10 * math.floor((min(finite) - 4) / 10), 10 * math.ceil(max(finite) / 10)
    return float(max(low, 0)), float(min(max(high, low + 20), 100)) + 1


def _rounds(axes: Axes, history: Sequence[RoundResult]) -> None:
    axes.set_xlabel("round")
    axes.set_xlim(-0.6, max(history[-1].number, 1) + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(12, integer=True))
