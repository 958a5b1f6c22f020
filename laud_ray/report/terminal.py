"""A run in the terminal: tables with rich, the learning curve in plain characters. Readable without colours too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from laud_ray.diagnosis import Finding
from laud_ray.report.curve import curve
from laud_ray.report.formatting import (
    ABSENT,
    corpus_line,
    decimal,
    dollars,
    duration,
    figure,
    interval,
    percent,
    points,
    spaced,
)
from laud_ray.report.opinion_lines import (
    agreement_line,
    audit_line,
    confused_line,
    oracle_class_line,
    oracle_line,
    pair_line,
    worst_classes,
)
from laud_ray.report.summary import (
    ModelShown,
    RunSummary,
    State,
    better_before,
    measured,
    next_commands,
    sought,
    switches,
)
from laud_ray.types import Estimate, Figures, RoundResult

if TYPE_CHECKING:  # the plan needs torch, which takes seconds to import
    from laud_ray.plan import Plan

_STATE_STYLE: dict[State, str] = {"running": "blue", "waiting": "yellow", "stopped": "red", "finished": "green"}


@dataclass(frozen=True, slots=True)
class _Figure:
    """A figure and its interval: on one line where there is room, else on two, never cut elsewhere."""

    estimate: Estimate

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        one_line = figure(self.estimate)
        fits = len(one_line) <= options.max_width
        yield Text(one_line if fits else f"{percent(self.estimate.value)}\n{interval(self.estimate)}")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(len(interval(self.estimate)), len(figure(self.estimate)))


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
    taken: float | None = None
    for result in history:
        accuracy = result.figures.accuracy
        table.add_row(
            str(result.number),
            _model(result),
            f"{result.annotations:,}" + (f" + {result.feedback:,}" if result.feedback else ""),
            str(result.figures.n) + ("" if result.figures.trusted is None else f" ({result.figures.trusted})"),
            _Figure(accuracy),
            points(None if taken is None else accuracy.value - taken),
            _Figure(result.figures.macro_f1),
            decimal(result.kappa),
            f"{sum(result.seconds.values()):.1f}",
            style=None if result.accepted else "dim",
        )
        taken = accuracy.value if result.accepted else taken
    return table


def status_view(summary: RunSummary) -> RenderableType:
    """Return what `laud status` shows: where the run stands, its rounds and what to do next."""
    parts: list[RenderableType] = [_headline(summary), _facts(summary)]
    if summary.history:
        parts.extend((Text(), rounds_table(summary.history)))
    if len(summary.history) > 1:
        parts.append(Text("\n" + curve(summary.history, height=12, current=summary.current)))
    for number, choice in switches(summary):
        parts.append(Text(f"\nauto     after round {number} it asks by {choice.name}: {choice.why}"))
    for finding in summary.diagnosis:
        parts.extend((Text(), _finding(finding)))
    parts.extend((Text(), _commands(summary)))
    return Group(*parts)


def models_table(models: Sequence[ModelShown]) -> Table:
    """One row per model of the registry, in the order of rounds."""
    caption = "accuracy on n evaluation documents, with 95 % intervals" if models else "no round has closed yet"
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, caption=caption, caption_justify="left")
    for name in ("model", "kind"):
        table.add_column(name, no_wrap=True)
    for name in ("round", "accuracy", "n"):
        table.add_column(name, justify="right", no_wrap=name != "accuracy")
    table.add_column("made", no_wrap=True)
    table.add_column("", no_wrap=True)
    for model in models:
        table.add_row(
            model.name,
            model.kind,
            str(model.round),
            ABSENT if model.accuracy is None else _Figure(model.accuracy),
            ABSENT if model.accuracy is None else f"{model.accuracy.n:,}",
            f"{model.created_at.astimezone():%Y-%m-%d %H:%M}",
            Text("current", style="green")
            if model.current
            else Text("" if model.accepted else "rejected", style="red"),
        )
    return table


def plan_view(plan: "Plan") -> RenderableType:
    """Return what `laud plan` shows: the corpus, a row for each step, and what it comes to."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("step", overflow="fold")
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
        Text(f"Corpus: {corpus_line(plan.counts)}"),
        Text(),
        table,
        Text(),
        *(Text(f"Note: {note}.") for note in plan.notes),
        Text(f"{total} on {plan.device.name}. Nothing was run."),
    )


def figures_table(figures: Figures, limit: int | None = None, *, intervals: bool = False) -> Table:
    """One row per class that the evaluation sample knows, the lowest F1 first, at most `limit` rows."""
    rows = measured(figures)
    shown = rows if limit is None else rows[:limit]
    left_out = [
        f"{count} {what}"
        for count, what in (
            (len(rows) - len(shown), "more classes with higher F1"),
            (len(figures.per_class) - len(rows), "classes without evaluation documents"),
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
    """Say how many classes pull macro-F1 down without standing in the table."""
    count = sum(not row.support and bool(row.predicted) for row in figures.per_class)
    if count == 1:
        return ["1 class was only predicted and counts 0 in macro-F1"]
    return [f"{count} classes were only predicted and count 0 in macro-F1"] if count else []


def _model(result: RoundResult) -> Text:
    text = Text(result.model)
    return text if result.accepted else text.append("\nrejected", style="red")


def _rounds_caption(history: Sequence[RoundResult]) -> Text:
    text = "accuracy and macro-F1 on n evaluation documents, with 95 % intervals\n"
    text += "change: in points of accuracy, against the last accepted model before it"
    if any(not result.accepted for result in history):
        text += "\nrejected: zero-shot was better, the current model stayed"
    if any(result.figures.trusted is not None for result in history):
        text += "\n(n): of them with a trusted answer, by which the others are corrected"
    if any(result.feedback for result in history):
        text += "\nannotations: what was bought + what people said of served answers"
    return Text(text)


def _headline(summary: RunSummary) -> Text:
    classes = f"positive: {summary.labels[0]}" if summary.kind == "binary" else f"{len(summary.labels)} classes"
    text = Text.assemble((summary.name, "bold"), f"  {summary.kind}, {classes}  ")
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
        model += f", accuracy {figure(accuracy)}, n = {accuracy.n}"
    seed, query, evaluation = (summary.annotations.get(name, 0) for name in ("seed", "query", "evaluation"))
    spent = f"{summary.spent:,} of {summary.budget:,}: {seed:,} seed, {query:,} query"
    spent += f", {summary.audit.answered:,} asked again" if summary.audit else ""
    trusted = f" and {n:,} trusted" if (n := summary.annotations.get("trusted", 0)) else ""
    apart = f"; apart: {evaluation:,} evaluation{trusted}; {dollars(summary.cost)} in all"
    rows: tuple[tuple[str, str], ...] = (
        ("model", model),
        ("annotations", spent + apart),
        ("corpus", corpus_line(summary.corpus)),
    )
    if any(summary.feedback.values()):
        answers, wrong = summary.feedback["answers"], summary.feedback["wrong"]
        said = f"{answers:,} labels by people, free of budget; {wrong:,} called wrong, still to be answered"
        rows = (*rows, ("feedback", said))
    if summary.promoted is not None:
        at = f"{summary.promoted.created_at.astimezone():%Y-%m-%d %H:%M}"
        rows = (*rows, ("promoted", f"in place of {summary.promoted.previous or 'none'}, {at}"))
    for name, value in (*rows, *_opinions(summary)):
        table.add_row(Text(name, style="dim"), Text(value))
    if (better := better_before(summary)) is not None:
        said = f"{better.model}, accuracy {figure(better.figures.accuracy)}, n = {better.figures.n}"
        table.add_row(Text("better before", style="yellow"), Text(said))
    if summary.not_found:
        said = ", ".join(map(sought(summary), summary.not_found))
        table.add_row(Text("never found", style="yellow"), Text(said))
    return table


def _finding(finding: Finding) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row(Text(spaced(finding.name), style="yellow"), Text(f"{finding.evidence}."))
    table.add_row(Text("remedy", style="dim"), Text(f"{finding.remedy}."))
    return table


def _opinions(summary: RunSummary) -> list[tuple[str, str]]:
    rows = []
    if summary.audit is not None:
        rows.append(("asked again", audit_line(summary.audit)))
    if summary.agreement is not None:
        rows.append(("agreement", agreement_line(summary.agreement, doubtful=summary.audit is not None)))
        rows += [("", pair_line(pair)) for pair in summary.agreement.pairs]
        rows += [("", confused_line(one)) for one in summary.agreement.confused[:3]]
    if (error := summary.oracle_error) is not None:
        rows.append(("oracle", oracle_line(error)))
        rows += [("", oracle_class_line(row)) for row in worst_classes(error)[:3]]
        rows += [("", confused_line(one)) for one in error.confused[:3]]
    return rows


def _commands(summary: RunSummary) -> Table:
    table = Table.grid(padding=(0, 2))
    for purpose, command in next_commands(summary):
        table.add_row(Text(purpose, style="dim"), Text(command))
    return table
