"""Render a run as one self-contained HTML file, without scripts and external resources."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from laud_ray.report import formatting
from laud_ray.report.hierarchy.tables import depth
from laud_ray.report.hierarchy.tree import branches
from laud_ray.report.run import figures, opinion_lines, people
from laud_ray.report.run.opinion_lines import worst_classes
from laud_ray.report.run.summary import (
    QueryShown,
    RunSummary,
    candidates_line,
    classes_line,
    leaves_line,
    measured,
    next_commands,
    sought,
    switches,
    unmeasured,
)
from laud_ray.report.run.updates import UpdatesShown
from laud_ray.report.section import Section
from laud_ray.report.sets import labels
from laud_ray.report.svg import STEPS
from laud_ray.types import RoundResult

OPEN_CLASSES = 30  # rows of the class table that show without a click
ASKED_PER_ROUND = 12  # questions shown for each round
MOST_CLASSES = 500  # rows of the class table, and names of classes, on the page
DISPUTES = 30  # documents in dispute that are shown


@dataclass(frozen=True, slots=True)
class _Asked:
    """The questions of one round: the first few for display, and counts over all of them."""

    round: int
    shown: tuple[QueryShown, ...]
    total: int
    answered: int
    surprises: int | None  # answers that differ from the prediction; None if there was none


@dataclass(frozen=True, slots=True)
class _Step:
    """The time of one step over all rounds, and the CSS variable of its colour."""

    name: str
    color: str
    seconds: float
    share: float


def render(summary: RunSummary, oracles: Sequence[Section] = ()) -> str:
    """Return the HTML page. The same summary gives the same bytes.

    Args:
        oracles: the sections on what each oracle is worth.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        "percent",
        "interval",
        "whole_interval",
        "decimal",
        "duration",
        "dollars",
        "spaced",
        "measured_on",
        "unanswered",
        "beside_accuracy",
        "first_figure",
    ):
        environment.filters[name] = getattr(formatting, name)
    environment.filters |= {"classes_line": classes_line, "leaves_line": leaves_line, "depth": depth}
    environment.filters |= {"candidates_line": candidates_line, "labels": labels}
    for name in ("audit_line", "agreement_line", "oracle_line"):
        environment.filters[name] = getattr(opinion_lines, name)
    for name in ("progress_line", "waiting_line", "accuracy_words", "agreement_words", "anchoring_words"):
        environment.filters[name] = getattr(people, name)
    shown = summary.shown
    return environment.get_template("page.html").render(
        run=summary,
        oracles=oracles,
        shown=shown,
        classes=measured(shown.figures) if shown else (),
        unmeasured=unmeasured(shown.figures) if shown else (),
        open_classes=OPEN_CLASSES,
        plots=_plots(summary.history) | _updates(summary.updates),
        steps=_steps(summary.history),
        asked=_asked(summary.queries),
        disputes_shown=DISPUTES,
        commands=next_commands(summary),
        switches=switches(summary),
        oracle_classes=worst_classes(summary.oracle_error)[:MOST_CLASSES] if summary.oracle_error else (),
        missing=tuple(map(sought(summary), summary.not_found[:MOST_CLASSES])),
        most_classes=MOST_CLASSES,
        branches=branches(shown.figures.hierarchy.nodes) if shown and shown.figures.hierarchy else (),
    )


def _plots(history: Sequence[RoundResult]) -> dict[str, Markup]:
    """Draw every plot for which the history has data."""
    if not history:
        return {}
    drawn = {
        "accuracy": figures.learning_curve(history, "accuracy"),
        "f1": figures.learning_curve(history, "f1"),
        "calibration": figures.calibration(history),
        "timing": figures.timing(history),
    }
    if any(result.kappa is not None for result in history):
        drawn["agreement"] = figures.agreement(history)
    return {name: Markup(svg) for name, svg in drawn.items()}


def _updates(updates: UpdatesShown | None) -> dict[str, Markup]:
    """Draw the plots of updates for which there are data."""
    drawn: dict[str, str] = {}
    if updates is not None and updates.evidence:
        points = {one: [(e.number, e.log_wealth) for e in updates.evidence if e.test == one] for one in updates.tests}
        drawn["drift"] = figures.drift(points)
    if updates is not None and updates.accuracy:
        drawn["generations"] = figures.accuracy_by_generation(updates.accuracy)
    return {name: Markup(svg) for name, svg in drawn.items()}


def _steps(history: Sequence[RoundResult]) -> tuple[_Step, ...]:
    names = figures.steps(history)
    seconds = [sum(result.seconds.get(name, 0.0) for result in history) for name in names]
    total = sum(seconds) or 1.0
    return tuple(
        _Step(name, f"--step-{index % len(STEPS)}", taken, taken / total)
        for index, (name, taken) in enumerate(zip(names, seconds, strict=True))
    )


def _asked(queries: Sequence[QueryShown]) -> tuple[_Asked, ...]:
    """Group the questions by round, the latest round first, in the order of asking within a round."""
    ordered = sorted(queries, key=lambda query: query.round, reverse=True)
    rounds = ((number, tuple(group)) for number, group in groupby(ordered, key=lambda query: query.round))
    return tuple(_round(number, group) for number, group in rounds)


def _round(number: int, group: tuple[QueryShown, ...]) -> _Asked:
    answered = [query for query in group if query.answer is not None]
    predicted = [query for query in answered if query.predicted is not None]
    surprises = sum(query.surprising for query in predicted) if predicted else None
    return _Asked(number, group[:ASKED_PER_ROUND], len(group), len(answered), surprises)
