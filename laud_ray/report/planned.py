"""The views of `laud plan`: a plan in the terminal, and as JSON."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from laud_ray.report.formatting import ABSENT, corpus_line, dollars, duration

if TYPE_CHECKING:  # the plan needs torch, which takes seconds to import
    from laud_ray.planning.plan import Plan
    from laud_ray.planning.ways import Everything, Way


def plan_view(plan: "Plan") -> RenderableType:
    """Return the view of `laud plan`: the corpus, a row for each step, totals, other ways, and notes."""
    people = f", about {duration(3600 * plan.people_hours)} of people's time" if plan.people_hours else ""
    computing = f"about {duration(3600 * plan.hours)} of computing on {plan.device.name}"
    begin = f" ({duration(3600 * plan.start_up)} of it to start Ray and to load models)" if plan.start_up else ""
    spent = "unknown dollars" if plan.dollars is None else dollars(plan.dollars)
    total = f"{_count(plan.rounds, 'round')} at most, {spent}{people}, {computing}{begin}"
    compared = plan.comparison
    return Group(
        Text(f"Corpus: {corpus_line(plan.counts)}"),
        Text(),
        _steps(plan),
        Text(),
        Text(f"This run: {total}."),
        Text(),
        Text("The same budget three ways:"),
        _ways(compared.ways),
        *(Text(f"{way.name}: {_sample(way)}.") for way in compared.ways),
        Text(),
        Text(_everything(compared.everything)),
        Text(),
        *(Text(f"Note: {note}.") for note in (*compared.assumptions, *plan.notes)),
        Text("Nothing was run."),
    )


def to_json(plan: "Plan") -> dict[str, Any]:
    """Return a plan as one JSON object: its fields, and the totals of all steps."""
    totals = {
        "dollars": plan.dollars,
        "hours": plan.hours,
        "start_up_hours": plan.start_up,
        "people_hours": plan.people_hours,
    }
    ways = [{**asdict(way), "half_width": way.half_width} for way in plan.comparison.ways]
    return {**asdict(plan), "comparison": {**asdict(plan.comparison), "ways": ways}, **totals}


def _steps(plan: "Plan") -> Table:
    table = _table("step", "documents", "tokens", "calls", "cost", "time")
    for step in plan.steps:
        table.add_row(
            step.name,
            f"{step.documents:,}" if step.documents else ABSENT,
            f"{step.tokens:,}" if step.tokens else ABSENT,
            f"{step.calls:,}" if step.calls else ABSENT,
            ABSENT if not step.calls else "unknown" if step.dollars is None else dollars(step.dollars),
            ABSENT if (hours := step.people_hours or step.hours) is None else duration(3600 * hours),
        )
    return table


def _ways(ways: "tuple[Way, ...]") -> Table:
    table = _table("", "cost", "people", "computing", "95 % interval")
    for way in ways:
        table.add_row(
            way.name,
            dollars(way.dollars),
            duration(3600 * way.people_hours) if way.people_hours else ABSENT,
            duration(3600 * way.hours),
            f"± {100 * way.half_width:.1f} points",
        )
    return table


def _sample(way: "Way") -> str:
    """Return what the interval of a way is measured on."""
    parts = [
        *([f"{way.llm_documents:,} of the LLM"] if way.llm_documents else []),
        *([f"{way.people_documents:,} of people"] if way.people_documents else []),
    ]
    return f"interval of the {way.of}, from {' and '.join(parts)}"


def _everything(found: "Everything") -> str:
    tokens = found.fixed_tokens + found.own_tokens
    return (
        f"Labelling all {found.documents:,} distinct documents with {found.model or 'an LLM'} instead: "
        f"{dollars(found.dollars)}, about {duration(3600 * found.hours)}. Each call has {tokens:,.0f} tokens, of which "
        f"{found.fixed_tokens:,.0f} are the same in all calls, and an answer of {found.answer_tokens:g}."
    )


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
