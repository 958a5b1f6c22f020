"""The results of `laud evaluate --budget`, for the terminal and as JSON."""

from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.text import Text

from laud_ray.evaluation.buy import Bought
from laud_ray.report.formatting import beside_accuracy, figure, first_figure, measured_on, percent
from laud_ray.report.hierarchy.json_form import hierarchy_json
from laud_ray.report.hierarchy.tables import hierarchy_lines, levels_table
from laud_ray.report.json_values import finite
from laud_ray.report.run.tables import figures_table
from laud_ray.report.sets import multilabel_json, multilabel_lines


def bought_view(found: Bought) -> RenderableType:
    """Return the figures after the purchase, a row per class, and the answers that the wanted width takes."""
    figures = found.figures
    trusted = "" if figures.trusted is None else f", {figures.trusted:,} of them with a trusted answer"
    measured = f"{found.model} on the evaluation sample, {measured_on(figures)}{trusted}, {found.bought:,} bought now"
    heading = Text(measured, "bold")
    tree, (name, second), (first_name, first) = figures.hierarchy, beside_accuracy(figures), first_figure(figures)
    sums = (
        f"{first_name} {figure(first)}, n = {figures.n:,}; {name} {figure(second)}; "
        f"calibration error {percent(figures.calibration_error)}"
    )
    table, more = (
        (figures_table(figures, intervals=True), []) if tree is None else (levels_table(tree), hierarchy_lines(tree))
    )
    if figures.multilabel is not None:
        more = multilabel_lines(figures.multilabel)
    return Group(heading, table, *map(Text, (sums, *more, *_remarks(found))))


def bought_json(found: Bought) -> dict[str, object]:
    """Return the object that `laud evaluate --budget --json` prints."""
    figures = found.figures
    estimates = {"accuracy": figures.accuracy, "macro_f1": figures.macro_f1}
    return {
        "model": found.model,
        "n": figures.n,
        "trusted": figures.trusted,
        "unanswered": dict(figures.unanswered),
        "bought": found.bought,
        "pending": found.pending,
        "resumed": found.resumed,
        **{key: one.value for key, one in estimates.items()},
        **{f"{key}_interval": [one.low, one.high] for key, one in estimates.items()},
        "calibration_error": finite(figures.calibration_error),
        "headline": found.headline[0],
        "headline_interval": [found.headline[1].low, found.headline[1].high],
        "width": found.width,
        "needed": found.needed,
        "per_class": [asdict(row) for row in figures.per_class],
        "absent": figures.absent,
        "hierarchy": hierarchy_json(figures.hierarchy),
        "multilabel": multilabel_json(figures.multilabel),
    }


def _remarks(found: Bought) -> list[str]:
    remarks = ["an earlier purchase was resumed; run the same command again to buy more"] if found.resumed else []
    if found.width is not None and found.needed is not None:
        name, estimate = found.headline
        reached = estimate.high - estimate.low <= found.width
        now = f"{100 * (estimate.high - estimate.low):.1f} points"
        wanted = f"{100 * found.width:g}"
        figures = found.figures
        answers, what = (figures.n, "answers") if figures.trusted is None else (figures.trusted, "trusted answers")
        more = "reached" if reached else f"about {found.needed:,} {what} in all, {found.needed - answers:,} more"
        remarks.append(f"95 % interval of {name}: {now} wide; {wanted} points: {more}")
    return remarks
