"""Tables of rounds, models and classes in the terminal, with rich. Readable without colours too."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from laud_ray.report.formatting import (
    ABSENT,
    beside_accuracy,
    compared_by,
    decimal,
    figure,
    first_figure,
    interval,
    measured_on,
    percent,
    points,
)
from laud_ray.report.run.summary import ModelShown, measured
from laud_ray.types import Estimate, Figures, RoundResult

MOST_CLASSES = 50


@dataclass(frozen=True, slots=True)
class _Figure:
    """A figure and its interval, on one line if there is room, else on two."""

    estimate: Estimate

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        one_line = figure(self.estimate)
        fits = len(one_line) <= options.max_width
        yield Text(one_line if fits else f"{percent(self.estimate.value)}\n{interval(self.estimate)}")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(len(interval(self.estimate)), len(figure(self.estimate)))


def rounds_table(history: Sequence[RoundResult]) -> Table:
    """One row per round: figures with their 95 % intervals, and the change in points of what models are compared by."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        caption=_rounds_caption(history),
        caption_justify="left",
    )
    for name in ("round", "model"):
        table.add_column(name, no_wrap=True)
    first, second = _names(history)
    tree = bool(history) and history[-1].figures.hierarchy is not None
    middle = (second, "change") if tree else ("change", second)
    for name in ("annotations", "n", first, *middle, "kappa", "seconds"):
        table.add_column(name, justify="right", no_wrap=name not in (first, second))
    taken: float | None = None
    for result in history:
        compared = result.figures.compared.value
        change = points(None if taken is None else compared - taken)
        beside = _Figure(beside_accuracy(result.figures)[1])
        table.add_row(
            str(result.number),
            _model(result),
            f"{result.annotations:,}" + (f" + {result.feedback:,}" if result.feedback else ""),
            str(result.figures.n) + ("" if result.figures.trusted is None else f"/{result.figures.trusted}"),
            _Figure(first_figure(result.figures)[1]),
            *((beside, change) if tree else (change, beside)),
            decimal(result.kappa),
            f"{sum(result.seconds.values()):.1f}",
            style=None if result.accepted else "dim",
        )
        taken = compared if result.accepted else taken
    return table


def models_table(models: Sequence[ModelShown]) -> Table:
    """One row per model of the registry, in the order of rounds."""
    sets = any(model.micro_f1 is not None for model in models)
    first = "micro-F1" if sets else "accuracy"
    caption = f"{first} on n evaluation documents, with 95 % intervals" if models else "no round has closed yet"
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, caption=caption, caption_justify="left")
    for name in ("model", "kind"):
        table.add_column(name, no_wrap=True)
    for name in ("round", first, "n"):
        table.add_column(name, justify="right", no_wrap=name != first)
    table.add_column("made", no_wrap=True)
    table.add_column("", no_wrap=True)
    for model in models:
        found = model.micro_f1 if sets else model.accuracy
        table.add_row(
            model.name,
            model.kind,
            str(model.round),
            ABSENT if found is None else _Figure(found),
            ABSENT if found is None else f"{found.n:,}",
            f"{model.created_at.astimezone():%Y-%m-%d %H:%M}",
            Text("current", style="green")
            if model.current
            else Text("" if model.accepted else "rejected", style="red"),
        )
    return table


def figures_table(figures: Figures, limit: int | None = None, *, intervals: bool = False) -> Table:
    """One row per class with evaluation documents, the lowest F1 first, at most `limit` rows.

    Of more than 1,000 classes, at most MOST_CLASSES rows.
    """
    rows = measured(figures)
    limit = MOST_CLASSES if limit is None and figures.absent else limit
    shown = rows if limit is None else rows[:limit]
    left_out = [
        f"{count} {what}"
        for count, what in (
            (len(rows) - len(shown), "more classes with higher F1"),
            (len(figures.per_class) - len(rows) + figures.absent, "classes without evaluation documents"),
        )
        if count
    ]
    caption = Text("\n".join([*left_out, *_only_predicted(figures)])) or None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")
    table.add_column("class", overflow="fold")
    for name in ("support", "precision", "recall", "F1"):
        table.add_column(name, justify="right", no_wrap=not intervals or name == "support")
    for row in shown:
        rates: Sequence[RenderableType] = [percent(rate) for rate in (row.precision, row.recall, row.f1)]
        if intervals and row.estimates is not None:
            rates = [_Figure(one) for one in (row.estimates.precision, row.estimates.recall, row.estimates.f1)]
        table.add_row(Text(row.label), f"{row.support:,}", *rates)
    return table


def _only_predicted(figures: Figures) -> list[str]:
    """Return a line on the classes that lower macro-F1 but have no row in the table."""
    count = sum(not row.support and bool(row.predicted) for row in figures.per_class)
    if count == 1:
        return ["1 class was only predicted and counts 0 in macro-F1"]
    return [f"{count} classes were only predicted and count 0 in macro-F1"] if count else []


def _names(history: Sequence[RoundResult]) -> tuple[str, str]:
    """Return the names of the two figures of rounds."""
    if not history:
        return "accuracy", "macro-F1"
    return first_figure(history[-1].figures)[0], beside_accuracy(history[-1].figures)[0]


def _model(result: RoundResult) -> Text:
    text = Text(result.model)
    return text if result.accepted else text.append("\nrejected", style="red")


def _rounds_caption(history: Sequence[RoundResult]) -> Text:
    first, second = _names(history)
    text = f"{first} and {second} on n evaluation documents, with 95 % intervals\n"
    by = compared_by(history[-1].figures) if history else "accuracy"
    text += f"change: in points of {by}, against the last accepted model before it"
    if history and (last := history[-1]).figures.unanswered:
        text += f"\nround {last.number}: {measured_on(last.figures)}"
    if any(not result.accepted for result in history):
        text += f"\nrejected: lower {by} than zero-shot, has learned nothing, or was kept back by an update"
    if any(result.figures.trusted is not None for result in history):
        text += "\nn/t: t of the n documents have a trusted answer, which corrects the figures"
    if any(result.feedback for result in history):
        text += "\nannotations: bought answers + feedback on served answers"
    return Text(text)
