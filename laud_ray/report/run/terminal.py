"""A run in the terminal: rich tables, and the learning curve in plain characters. Readable without colours too."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from laud_ray.printable import printable
from laud_ray.quality.diagnosis import Finding
from laud_ray.report.formatting import (
    compared_by,
    corpus_line,
    figure,
    first_figure,
    measured_on,
    spaced,
    total_dollars,
)
from laud_ray.report.hierarchy.tables import hierarchy_lines, levels_table
from laud_ray.report.run.curve import curve
from laud_ray.report.run.opinion_lines import (
    agreement_line,
    audit_line,
    confused_line,
    oracle_class_line,
    oracle_line,
    pair_line,
    worst_classes,
)
from laud_ray.report.run.people import people_lines
from laud_ray.report.run.summary import (
    RunSummary,
    State,
    better_before,
    candidates_line,
    classes_line,
    leaves_line,
    next_commands,
    sought,
    switches,
)
from laud_ray.report.run.tables import rounds_table
from laud_ray.report.run.updates import update_lines
from laud_ray.report.sets import multilabel_lines
from laud_ray.types import ClassFigures

NAMED, NAMED_BRANCHES = 50, 5  # classes, and branches of a taxonomy, that were not found and are named
_STATE_STYLE: dict[State, str] = {"running": "blue", "waiting": "yellow", "stopped": "red", "finished": "green"}


def status_view(summary: RunSummary) -> RenderableType:
    """Return the view of `laud status`: state, rounds, learning curve, diagnosis and next commands."""
    parts: list[RenderableType] = [_headline(summary), _facts(summary)]
    if summary.history:
        parts.extend((Text(), rounds_table(summary.history)))
    sets = None if summary.shown is None else summary.shown.figures.multilabel
    if sets is not None:
        parts.extend((Text(), *map(Text, multilabel_lines(sets))))
    tree = None if summary.shown is None else summary.shown.figures.hierarchy
    if tree is not None:
        parts.extend((Text(), levels_table(tree), *(Text(printable(line)) for line in hierarchy_lines(tree))))
    if len(summary.history) > 1:
        parts.append(Text("\n" + curve(summary.history, height=12, current=summary.current)))
    for number, choice in switches(summary):
        parts.append(Text(f"\nauto     chose {choice.name} after round {number}: {choice.why}"))
    for finding in summary.diagnosis:
        parts.extend((Text(), _finding(finding)))
    parts.extend((Text(), _commands(summary)))
    return Group(*parts)


def _headline(summary: RunSummary) -> Text:
    classes = f"positive: {summary.labels[0]}" if summary.kind == "binary" else classes_line(summary)
    text = Text.assemble((summary.name, "bold"), f"  {summary.kind}, {classes}  ")
    text.append(summary.state, style=_STATE_STYLE[summary.state])
    if summary.stop_reason and summary.state == "finished":
        text.append(f": {summary.stop_reason}")
    return text


def _facts(summary: RunSummary) -> Table:
    table = Table.grid(padding=(0, 2))
    current = summary.current
    model = summary.current_model or "none yet"
    if current:
        name, first = first_figure(current.figures)
        model += f", {name} {figure(first)}, {measured_on(current.figures)}"
    seed, query, evaluation = (summary.annotations.get(name, 0) for name in ("seed", "query", "evaluation"))
    spent = f"{summary.spent:,} of {summary.budget:,}: {seed:,} seed, {query:,} query"
    spent += f", {summary.audit.answered:,} asked again" if summary.audit else ""
    trusted = f" and {n:,} trusted" if (n := summary.annotations.get("trusted", 0)) else ""
    apart = f"; apart: {evaluation:,} evaluation{trusted}; {total_dollars(summary.cost, summary.unpriced)}"
    rows: tuple[tuple[str, str], ...] = (
        ("model", model),
        ("annotations", spent + apart),
        ("corpus", corpus_line(summary.corpus)),
    )
    if summary.kind == "binary" and summary.shown is not None:
        rows = (*rows, *_positive(summary.shown.figures.per_class[0]))
    if any(summary.feedback.values()):
        answers, wrong = summary.feedback["answers"], summary.feedback["wrong"]
        counts = f"{answers:,} labels by people, not counted in the budget; {wrong:,} marked wrong, without a label yet"
        rows = (*rows, ("feedback", counts))
    if summary.promoted is not None:
        at = f"{summary.promoted.created_at.astimezone():%Y-%m-%d %H:%M}"
        rows = (*rows, ("promoted", f"in place of {summary.promoted.previous or 'none'}, {at}"))
    if summary.updates is not None:
        rows = (*rows, *((name, printable(line)) for name, line in update_lines(summary.updates)))
    # The files of a run may have been edited, so their texts are escaped again.
    rows = (*rows, *(("note", printable(note)) for note in summary.notes))
    for name, value in (*rows, *_opinions(summary)):
        table.add_row(Text(name, style="dim"), Text(value))
    if (better := better_before(summary)) is not None:
        named = f"{compared_by(better.figures)} {figure(better.figures.compared)}"
        sample = measured_on(better.figures) if summary.leaves is None else f"n = {better.figures.compared.n:,}"
        named = f"{better.model}, {named}, {sample}"
        table.add_row(Text("better model", style="yellow"), Text(named))
    if summary.legibility is not None and (remark := summary.legibility.remark()) is not None:
        table.add_row(Text("unreadable", style="yellow"), Text(remark))
    if summary.leaves is not None:
        table.add_row(Text("leaves", style="dim"), Text(leaves_line(summary.leaves)))
    if summary.candidates is not None:
        table.add_row(Text("candidates", style="dim"), Text(candidates_line(summary.candidates)))
    if summary.not_found:
        most = NAMED if summary.leaves is None else NAMED_BRANCHES
        listed = ", ".join(map(sought(summary), summary.not_found[:most]))
        more = len(summary.not_found) - most
        listed += f" and {more:,} more {'classes' if summary.leaves is None else 'branches'}" if more > 0 else ""
        table.add_row(Text("never found", style="yellow"), Text(listed))
    return table


def _positive(row: ClassFigures) -> list[tuple[str, str]]:
    """Return the rows with the figures of a binary task's positive class."""
    found = row.estimates
    if found is None:
        return []
    named = {"precision": found.precision, "recall": found.recall, "F1": found.f1, "prevalence": found.prevalence}
    figures = [f"{name} {figure(one)}" for name, one in named.items()]
    heads = [row.label, f"in {row.support:,} of {found.f1.n:,}"]
    return [(head, ", ".join(figures[i : i + 2])) for head, i in zip(heads, (0, 2), strict=True)]


def _finding(finding: Finding) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row(Text(spaced(finding.name), style="yellow"), Text(f"{finding.evidence}."))
    table.add_row(Text("remedy", style="dim"), Text(f"{finding.remedy}."))
    return table


def _opinions(summary: RunSummary) -> list[tuple[str, str]]:
    rows = []
    if summary.audit is not None:
        rows.append(("asked again", audit_line(summary.audit)))
    if summary.left_out is not None:
        rows.append(("left out", str(summary.left_out)))
    if summary.agreement is not None:
        rows.append(("agreement", agreement_line(summary.agreement, doubtful=summary.audit is not None)))
        rows += [("", pair_line(pair)) for pair in summary.agreement.pairs]
        rows += [("", confused_line(one)) for one in summary.agreement.confused[:3]]
    if (error := summary.oracle_error) is not None:
        rows.append(("oracle", oracle_line(error)))
        rows += [("", oracle_class_line(row)) for row in worst_classes(error)[:3]]
        rows += [("", confused_line(one)) for one in error.confused[:3]]
    if summary.people is not None:
        rows += [(name, printable(text)) for name, text in people_lines(summary.people, summary.people_over)]
    return rows


def _commands(summary: RunSummary) -> Table:
    table = Table.grid(padding=(0, 2))
    for purpose, command in next_commands(summary):
        table.add_row(Text(purpose, style="dim"), Text(command))
    return table
