"""The learning curve in plain characters (plotext)."""

import math
from collections.abc import Sequence

from laud_ray.report.formatting import figure, first_figure, percent
from laud_ray.types import RoundResult

_CURVE, _RANDOM, _ZERO_SHOT = "●", "x", "·"


def curve(
    history: Sequence[RoundResult],
    random: Sequence[RoundResult] | None = None,
    width: int = 72,
    height: int = 16,
    *,
    current: RoundResult | None = None,
) -> str:
    """Draw accuracy in percent against annotations, with the zero-shot line, in plain characters.

    In a multilabel task it is the micro-F1.

    Args:
        random: the history of a run with random queries, for comparison.
        width: columns of the plot, at least 40.
        height: lines of the plot, at least 8; the title and the key take two more.
        current: the round of the current model, which the title names; by default the last accepted one.
    """
    shown = [result for result in history if math.isfinite(first_figure(result.figures)[1].value)]
    if not shown:
        return "No round has closed yet."
    baseline = [result for result in random or () if math.isfinite(first_figure(result.figures)[1].value)]
    zero_shot = first_figure(shown[0].figures)[1]
    key = f" {_CURVE} this run   {_ZERO_SHOT} zero-shot {percent(zero_shot.value)}"
    if baseline:
        key += f"   {_RANDOM} random queries {percent(first_figure(baseline[-1].figures)[1].value)}"
    named = current or next((result for result in reversed(shown) if result.accepted), shown[-1])
    name, first = first_figure(named.figures)
    title = f" {named.model}: {name} {figure(first)}, n = {first.n}, 95 % interval"
    return "\n".join((title, _plot(shown, baseline, width=max(width, 40), height=max(height, 8)), key))


def _plot(shown: Sequence[RoundResult], baseline: Sequence[RoundResult], *, width: int, height: int) -> str:
    import plotext  # takes a tenth of a second, and not every command draws

    x, y = _xy(shown)
    random_x, random_y = _xy(baseline)
    x_ticks = _ticks(min(x + random_x), max(x + random_x), width // 11, at_least=1)
    low, high = max(min(y + random_y) - 4, 0), min(max(y + random_y) + 4, 100)
    y_ticks = _ticks(low, high, height // 2 - 1, at_least=5)
    plot = plotext.figure  # plotext has one figure per process, so it is cleared before and after use
    plot.clear()
    plotext.terminal.limit(False, False)
    plot.plot_size(width, height)
    plot.label("annotations", "x")
    plot.ruler("x").lim(x_ticks[0], x_ticks[-1]).ticks(x_ticks, labels=[f"{tick:g}" for tick in x_ticks])
    plot.ruler("y").lim(y_ticks[0], y_ticks[-1]).ticks(y_ticks, labels=[f"{tick:g} %" for tick in y_ticks])
    plot.draw(plot.signal([x_ticks[0], x_ticks[-1]], [y[0], y[0]], marker=_ZERO_SHOT).lines(True))
    if baseline:
        plot.draw(plot.signal(random_x, random_y, marker=_RANDOM).lines(True))
    plot.draw(plot.signal(x, y, marker="braille").lines(True))
    plot.draw(plot.signal(x, y, marker=_CURVE))
    text: str = plot.build().string(colorless=True)
    plot.clear()
    return text.rstrip("\n")


def _xy(history: Sequence[RoundResult]) -> tuple[list[float], list[float]]:
    return (
        [float(result.annotations) for result in history],
        [100 * first_figure(result.figures)[1].value for result in history],
    )


def _ticks(low: float, high: float, most: int, *, at_least: int) -> list[float]:
    """Return up to about `most` round numbers that enclose [low, high], with a step like 1, 2 or 5."""
    rough = max((high - low) / max(most, 2), at_least)
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * index for index in range(first, max(last, first + 1) + 1)]
