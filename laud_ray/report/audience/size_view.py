"""The size of an audience, for the terminal and as JSON."""

from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.text import Text

from laud_ray.audience.shortfall import Shortfall
from laud_ray.audience.size import Sized, Step
from laud_ray.printable import printable
from laud_ray.report.audience.not_shown import buying, not_shown
from laud_ray.report.formatting import interval, percent
from laud_ray.report.json_values import estimate_json
from laud_ray.report.oracle.terminal import text_table
from laud_ray.types import Estimate


def size_json(found: Sized, rule: str | None = None) -> dict[str, object]:
    """Return the object that `laud audience size --json` prints.

    `audience` is null if no audience is shown to have the precision. `missing` says then what would probably show it,
    and is null if probably no audience has it. `instead` is the same for a lower precision, if the corpus has too few
    documents for this one.
    """
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
        "shown": audience is not None,
        "why": " ".join(not_shown(found)) if audience is None else None,
        "missing": None if found.missing is None else _missing(found, found.target, found.missing),
        "instead": None if found.instead is None else _missing(found, *found.instead),
        "notes": list(found.notes),
    }


def size_view(found: Sized) -> RenderableType:
    """Return the view of `laud audience size`."""
    audience = found.audience
    table = text_table(_columns(found), [_row(found, one) for one in found.steps])
    if audience is None:
        what = f"{found.label}: {found.labelled:,} of {found.names:,} names{_users(found, found.steps[-1])} have it"
        lines = [*not_shown(found), *found.notes]
        return Group(Text(printable(what), style="bold"), table, *(Text(printable(one)) for one in lines))
    head = (
        f"{found.label}: {audience.names:,} of {found.names:,} names{_users(found, audience)} with a confidence of at "
        f"least {audience.threshold:.4g}"
    )
    lines = [
        f"Precision {_figure(audience.precision)}: at least {percent(found.low)} with 95 % confidence, where "
        f"{100 * found.target:g} % was asked for. Recall {_figure(audience.recall)}.",
        f"Measured on the evaluation sample of the run, in which {found.model} gives the label to {found.sampled:,} "
        "documents; it holds for names like those of the run's corpus.",
        *found.notes,
    ]
    return Group(Text(printable(head), style="bold"), *map(Text, lines), table)


def _users(found: Sized, one: Step) -> str:
    return "" if one.users is None else f" and {one.users:,} of {found.users:,} users"


def _missing(found: Sized, precision: float, missing: Shortfall) -> dict[str, object]:
    return {
        "precision": precision,
        "threshold": found.steps[missing.place].threshold,
        "likely_precision": missing.likely,
        "documents": missing.documents,
        "answers": missing.answers,
        "command": buying(found, missing),
    }


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
