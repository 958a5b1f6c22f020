"""Figures on a labelled file, for the terminal and as JSON."""

from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.text import Text

from laud_ray.evaluation.labelled_file import LabelledFigures
from laud_ray.labels import two_labels
from laud_ray.report.formatting import beside_accuracy, figure, first_figure, kinds, percent
from laud_ray.report.hierarchy.json_form import hierarchy_json
from laud_ray.report.hierarchy.tables import hierarchy_lines, levels_table
from laud_ray.report.json_values import finite
from laud_ray.report.run.json_form import legibility_json
from laud_ray.report.run.tables import figures_table
from laud_ray.report.sets import multilabel_json, multilabel_lines


def labelled_view(found: LabelledFigures, model: str, data: str, *, binary: bool) -> RenderableType:
    """Return the view of `laud evaluate`: the model and the data, a row per class, and the rows that are left out."""
    figures = found.figures
    heading = Text(f"{model} on {data}, {figures.n:,} documents", style="bold")
    tree, (name, second), (first_name, first) = figures.hierarchy, beside_accuracy(figures), first_figure(figures)
    sums = (
        f"{first_name} {figure(first)}, {_counted(found)}; {name} {figure(second)}; "
        f"calibration error {percent(figures.calibration_error)}"
    )
    table, more = (figures_table(figures), []) if tree is None else (levels_table(tree), hierarchy_lines(tree))
    if figures.multilabel is not None:
        more = multilabel_lines(figures.multilabel)
    return Group(heading, table, *map(Text, (sums, *more, *_remarks(found, binary=binary))))


def labelled_json(found: LabelledFigures, model: str) -> dict[str, object]:
    """Return the object that `laud evaluate --json` prints."""
    figures = found.figures
    estimates = {"accuracy": figures.accuracy, "macro_f1": figures.macro_f1}
    return {
        "model": model,
        "n": figures.n,
        "skipped": sum(found.left_out.values()),
        "left_out": dict(found.left_out),
        "unknown_labels": found.unknown_labels,
        "unknown": [asdict(one) for one in found.unknown],
        "texts_with_two_labels": found.two_labels,
        "partly_known": found.partly_known,
        "above_leaves": found.above_leaves,
        "legibility": legibility_json(found.legibility if found.legibility.texts else None),
        **{key: one.value for key, one in estimates.items()},
        **{f"{key}_interval": [one.low, one.high] for key, one in estimates.items()},
        "calibration_error": finite(figures.calibration_error),
        "per_class": [asdict(row) for row in figures.per_class],
        "absent": figures.absent,
        "hierarchy": hierarchy_json(figures.hierarchy),
        "multilabel": multilabel_json(figures.multilabel),
    }


def _counted(found: LabelledFigures) -> str:
    """Return how many rows of the file the figures are about, and why others are left out."""
    n, missing = found.figures.n, sum(found.left_out.values())
    if not missing:
        return f"n = {n}"
    lack = "is left out" if missing == 1 else "are left out"
    return f"n = {n:,} of {n + missing:,} rows, {missing:,} {lack}: {kinds(found.left_out)}"


def _remarks(found: LabelledFigures, *, binary: bool) -> list[str]:
    count = "as other" if binary else "as wrong answers, not as classes of macro-F1"
    if found.figures.hierarchy is not None:
        count = "as wrong answers at every level"
        if found.partly_known:
            count = (
                f"as wrong answers; {found.partly_known:,} of the labels are paths that begin in the taxonomy, and "
                "count at the levels that it has"
            )
    if found.figures.multilabel is not None:
        count = "as if they did not apply, so that recall does not miss them"
    # Long paths are cut to their first names, which tell nothing apart; --json has them whole.
    shown = found.unknown if found.figures.hierarchy is None else ()
    listed = f"; most are {', '.join(map(str, shown))}" if shown else ""
    remarks = (
        (
            found.unknown_labels,
            f"{found.unknown_labels:,} documents have a label that is not the task's: counted {count}{listed}",
        ),
        (found.two_labels, two_labels(found.two_labels)),
        (
            found.above_leaves,
            f"{found.above_leaves:,} documents have an inner node of the taxonomy as their label: they count at the "
            "levels that it reaches, and are not in accuracy",
        ),
    )
    read = found.legibility.remark()
    return [*(text for number, text in remarks if number), *([read] if read else [])]
