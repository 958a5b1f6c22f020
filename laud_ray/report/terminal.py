"""A run in the terminal: tables with rich, the learning curve with plotext. Readable without colours too."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import plotext
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from laud_ray.report.formatting import ABSENT, decimal, dollars, duration, interval, percent, points
from laud_ray.report.summary import RunSummary, State, measured, next_commands
from laud_ray.types import Estimate, Figures, RoundResult

if TYPE_CHECKING:  # the plan needs torch, which takes seconds to import
    from laud_ray.plan import Plan

_STATE_STYLE: dict[State, str] = {"running": "blue", "waiting": "yellow", "finished": "green"}
_CURVE, _RANDOM, _ZERO_SHOT = "●", "x", "·"


@dataclass(frozen=True, slots=True)
class _Figure:
    """A figure and its interval: on one line where there is room, else on two, never cut elsewhere."""

    estimate: Estimate

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        one_line = _figure(self.estimate)
        fits = len(one_line) <= options.max_width
        yield Text(one_line if fits else f"{percent(self.estimate.value)}\n{interval(self.estimate)}")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(len(interval(self.estimate)), len(_figure(self.estimate)))


def rounds_table(history: Sequence[RoundResult]) -> Table:
    """One row per round: figures with their 95 % intervals, and the change in points of accuracy."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        caption=_rounds_caption(history),
        caption_justify="left",
    )
    for name in ("round", "model"):
        table.add_column(name, no_wrap=True)
    for name in ("annotations", "n", "accuracy", "change", "macro-F1", "kappa", "seconds"):
        table.add_column(name, justify="right", no_wrap=name not in ("accuracy", "macro-F1"))
    previous: float | None = None
    for result in history:
        accuracy = result.figures.accuracy
        table.add_row(
            str(result.number),
            _model(result),
            f"{result.annotations:,}",
            str(result.figures.n),
            _Figure(accuracy),
            points(None if previous is None else accuracy.value - previous),
            _Figure(result.figures.macro_f1),
            decimal(result.kappa),
            f"{sum(result.seconds.values()):.1f}",
            style=None if result.accepted else "dim",
        )
        previous = accuracy.value
    return table


def status_view(summary: RunSummary) -> RenderableType:
    """Return what `laud status` shows: where the run stands, its rounds and what to do next."""
    parts: list[RenderableType] = [_headline(summary), _facts(summary)]
    if summary.history:
        parts.extend((Text(), rounds_table(summary.history)))
    if len(summary.history) > 1:
        parts.append(Text("\n" + curve(summary.history, height=12)))
    parts.extend((Text(), _commands(summary)))
    return Group(*parts)


def plan_view(plan: "Plan") -> RenderableType:
    """Return what `laud plan` shows: the corpus, a row for each step, and what it comes to."""
    counts = ", ".join(f"{number:,} {name}" for name, number in plan.counts.items() if number or name == "documents")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("step", no_wrap=True)
    for name in ("documents", "tokens", "calls", "cost", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    for step in plan.steps:
        table.add_row(
            step.name,
            f"{step.documents:,}",
            f"{step.tokens:,}" if step.tokens else ABSENT,
            f"{step.calls:,}" if step.calls else ABSENT,
            dollars(step.dollars) if step.calls else ABSENT,
            ABSENT if step.hours is None else duration(3600 * step.hours),
        )
    total = f"{plan.rounds} rounds at most, {dollars(plan.dollars)}, about {duration(3600 * plan.hours)} of computing"
    return Group(
        Text(f"Corpus: {counts}"), Text(), table, Text(), Text(f"{total} on {plan.device.name}. Nothing was run.")
    )


def curve(
    history: Sequence[RoundResult],
    random: Sequence[RoundResult] | None = None,
    width: int = 72,
    height: int = 16,
) -> str:
    """Draw accuracy in percent against annotations, with the zero-shot line, in plain characters.

    Args:
        random: the history of a run that chose its queries at random, to compare with.
        width: columns of the plot, at least 40.
        height: lines of the plot, at least 8; the title and the key take two more.
    """
    shown = [result for result in history if math.isfinite(result.figures.accuracy.value)]
    if not shown:
        return "No round has closed yet."
    baseline = [result for result in random or () if math.isfinite(result.figures.accuracy.value)]
    zero_shot = shown[0].figures.accuracy
    key = f" {_CURVE} this run   {_ZERO_SHOT} zero-shot {percent(zero_shot.value)}"
    if baseline:
        key += f"   {_RANDOM} random queries {percent(baseline[-1].figures.accuracy.value)}"
    title = f" accuracy {_figure(shown[-1].figures.accuracy)}, n = {shown[-1].figures.accuracy.n}, 95 % interval"
    return "\n".join((title, _plot(shown, baseline, width=max(width, 40), height=max(height, 8)), key))


def figures_table(figures: Figures, limit: int | None = None) -> Table:
    """One row per class that the evaluation sample knows, the lowest F1 first, at most `limit` rows."""
    rows = measured(figures)
    shown = rows if limit is None else rows[:limit]
    caption = f"accuracy {_figure(figures.accuracy)}, n = {figures.n}; macro-F1 {_figure(figures.macro_f1)}"
    left_out = [
        f"{count} {what}"
        for count, what in (
            (len(rows) - len(shown), "more classes with higher F1"),
            (len(figures.per_class) - len(rows), "classes without evaluation documents"),
        )
        if count
    ]
    text = Text("\n".join([caption, *left_out]))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=text, caption_justify="left")
    table.add_column("class", overflow="fold")
    for name in ("support", "precision", "recall", "F1"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in shown:
        rates = (percent(rate) for rate in (row.precision, row.recall, row.f1))
        table.add_row(Text(row.label), f"{row.support:,}", *rates)
    return table


def _figure(estimate: Estimate) -> str:
    return f"{percent(estimate.value)} {interval(estimate)}"


def _model(result: RoundResult) -> Text:
    text = Text(result.model)
    return text if result.accepted else text.append("\nrejected", style="red")


def _rounds_caption(history: Sequence[RoundResult]) -> Text:
    text = "accuracy and macro-F1 on n evaluation documents, with 95 % intervals; change in points"
    if any(not result.accepted for result in history):
        text += "\nrejected: zero-shot was better, the current model stayed"
    return Text(text)


def _headline(summary: RunSummary) -> Text:
    text = Text.assemble((summary.name, "bold"), f"  {summary.kind}, {len(summary.labels)} classes  ")
    text.append(summary.state, style=_STATE_STYLE[summary.state])
    if summary.stop_reason:
        text.append(f": {summary.stop_reason}")
    return text


def _facts(summary: RunSummary) -> Table:
    table = Table.grid(padding=(0, 2))
    current = summary.current
    model = summary.current_model or "none yet"
    if current:
        accuracy = current.figures.accuracy
        model += f", accuracy {_figure(accuracy)}, n = {accuracy.n}"
    seed, query, evaluation = (summary.annotations.get(name, 0) for name in ("seed", "query", "evaluation"))
    spent = f"{summary.spent:,} of {summary.budget:,}: {seed:,} seed, {query:,} query"
    apart = f"; apart: {evaluation:,} evaluation; {dollars(summary.cost)} in all"
    corpus = ", ".join(f"{count:,} {name}" for name, count in summary.corpus.items())
    rows = (("model", model), ("annotations", spent + apart), ("corpus", corpus))
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(value))
    if summary.not_found:
        table.add_row(Text("never found", style="yellow"), Text(", ".join(summary.not_found)))
    return table


def _commands(summary: RunSummary) -> Table:
    table = Table.grid(padding=(0, 2))
    for purpose, command in next_commands(summary):
        table.add_row(Text(purpose, style="dim"), Text(command))
    return table


def _plot(shown: Sequence[RoundResult], baseline: Sequence[RoundResult], *, width: int, height: int) -> str:
    x, y = _xy(shown)
    random_x, random_y = _xy(baseline)
    x_ticks = _ticks(min(x + random_x), max(x + random_x), width // 11, at_least=1)
    low, high = max(min(y + random_y) - 4, 0), min(max(y + random_y) + 4, 100)
    y_ticks = _ticks(low, high, height // 2 - 1, at_least=5)
    figure = plotext.figure  # one per process: cleared before and after
    figure.clear()
    plotext.terminal.limit(False, False)
    figure.plot_size(width, height)
    figure.label("annotations", "x")
    figure.ruler("x").lim(x_ticks[0], x_ticks[-1]).ticks(x_ticks, labels=[f"{tick:g}" for tick in x_ticks])
    figure.ruler("y").lim(y_ticks[0], y_ticks[-1]).ticks(y_ticks, labels=[f"{tick:g} %" for tick in y_ticks])
    figure.draw(figure.signal([x_ticks[0], x_ticks[-1]], [y[0], y[0]], marker=_ZERO_SHOT).lines(True))
    if baseline:
        figure.draw(figure.signal(random_x, random_y, marker=_RANDOM).lines(True))
    figure.draw(figure.signal(x, y, marker="braille").lines(True))
    figure.draw(figure.signal(x, y, marker=_CURVE))
    text: str = figure.build().string(colorless=True)
    figure.clear()
    return text.rstrip("\n")


def _xy(history: Sequence[RoundResult]) -> tuple[list[float], list[float]]:
    return (
        [float(result.annotations) for result in history],
        [100 * result.figures.accuracy.value for result in history],
    )


def _ticks(low: float, high: float, most: int, *, at_least: int) -> list[float]:
    """Return up to about `most` round numbers that enclose [low, high], with a step like 1, 2 or 5."""
    rough = max((high - low) / max(most, 2), at_least)
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * index for index in range(first, max(last, first + 1) + 1)]
