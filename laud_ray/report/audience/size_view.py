"""The size of an audience, for the terminal and as JSON."""

from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.text import Text

from laud_ray.audience.size import Sized, Step, not_shown
from laud_ray.printable import printable
from laud_ray.report.formatting import interval, percent
from laud_ray.report.json_values import estimate_json
from laud_ray.report.oracle.terminal import text_table
from laud_ray.types import Estimate


def size_json(found: Sized, rule: str | None = None) -> dict[str, object]:
    """Return the object that `laud audience size --json` prints. `audience` is null if no precision is shown."""
    audience = found.audience
    return {
        "label": found.label,
        "model": found.model,
        "target": found.target,
        "names": found.names,
        "labelled": found.labelled,
        "users": found.users,
        "audience": None if audience is None else _step(audience),
        "shown_precision": found.low,
        "bound_rests_on": found.n,
        "sampled": found.sampled,
        "steps": [_step(one) for one in found.steps],
        "rule": rule,
        "why": not_shown(found) if audience is None else None,
        "notes": list(found.notes),
    }


def size_view(found: Sized) -> RenderableType:
    """Return the view of `laud audience size`."""
    audience = found.audience
    assert audience is not None, "the command says why there is none"
    users = f" and {audience.users:,} of {found.users:,} users" if audience.users is not None else ""
    head = (
        f"{found.label}: {audience.names:,} of {found.names:,} names{users} with a confidence of at least "
        f"{audience.threshold:.4g}"
    )
    lines = [
        f"Precision {_figure(audience.precision)}: at least {percent(found.low)} with 95 % confidence, where "
        f"{100 * found.target:g} % was asked for. Recall {_figure(audience.recall)}.",
        f"Measured on the evaluation sample of the run, in which {found.model} gives the label to {found.sampled:,} "
        "documents; it holds for names like those of the run's corpus.",
        *found.notes,
    ]
    table = text_table(_columns(found), [_row(found, one) for one in found.steps])
    return Group(Text(printable(head), style="bold"), *map(Text, lines), table)


def _columns(found: Sized) -> tuple[str, ...]:
    users = ("users",) if found.users is not None else ()
    return ("confidence", "names", *users, "precision", "95 % interval", "n", "recall", "95 % interval", "n")


def _row(found: Sized, one: Step) -> tuple[str, ...]:
    mark = "› " if one is found.audience else "  "
    users = (f"{one.users:,}",) if one.users is not None else ()
    return (f"{mark}{one.threshold:.4f}", f"{one.names:,}", *users, *_cells(one.precision), *_cells(one.recall))


def _cells(one: Estimate) -> tuple[str, str, str]:
    return percent(one.value) if one.n else "–", interval(one), str(one.n)


def _figure(one: Estimate) -> str:
    return f"{percent(one.value)} {interval(one)}, n = {one.n}"


def _step(one: Step) -> dict[str, object]:
    estimates = {"precision": estimate_json(one.precision), "recall": estimate_json(one.recall)}
    return {**asdict(one), **estimates}
