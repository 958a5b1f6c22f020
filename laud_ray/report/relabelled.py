"""The results of a relabel, for the terminal and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from laud_ray.relabel import Outcome, Rule
from laud_ray.relabel.ranges.records import AT_LEAF, UNANSWERED
from laud_ray.report.formatting import duration
from laud_ray.stats.legibility import Legibility

if TYPE_CHECKING:
    from laud_ray.compare.canary import Verdict

SHOWN = 15


def to_json(outcome: Outcome, out: str, model: str) -> dict[str, object]:
    """Return the object that `laud relabel --json` prints."""
    return {
        "out": out,
        "model": model,
        **asdict(outcome.totals),
        "student": None if outcome.student is None else asdict(outcome.student),
        "seconds": outcome.seconds,
        "notes": list(outcome.notes),
        "promise": outcome.promise,
    }


def stopped_json(verdict: "Verdict", out: str, model: str) -> dict[str, object]:
    """Return the object that `laud relabel --json` prints if a canary stopped the relabel."""
    return {"out": out, "model": model, "stopped": verdict.reason, "sample": asdict(verdict)}


def relabel_view(outcome: Outcome, out: str, model: str, rule: Rule | None = None) -> RenderableType:
    """Return the view of `laud relabel`: counts, remarks, and the most frequent labels."""
    totals = outcome.totals
    done = "was already complete" if outcome.again else f"{duration(outcome.seconds)}"
    lines = [f"{out}: {totals.rows:,} rows in {totals.ranges:,} ranges, labelled by {model} ({done})"]
    if outcome.promise is not None:
        lines.append(f"promised: {outcome.promise['text']}")
    if totals.answered:
        lines.append(f"answered: {_answered(totals.answered)}")
    if totals.sizes:
        lines.append(_sizes(totals.sizes))
    if rule is not None:
        lines.append(
            f"{totals.in_audience:,} rows are in the audience: {rule.label} with a confidence of at least "
            f"{rule.threshold:.4g} (column in_audience)"
        )
    if totals.errors:
        lines.append(f"{totals.errors:,} rows could not be labelled; their column `error` has the reason")
    if totals.abstained:
        why = ", because nothing was answered or the confidence is below --threshold" if totals.answered else ""
        lines.append(f"{totals.abstained:,} rows abstained{why}")
    lines.append(
        f"{totals.scored:,} texts scored; {totals.looked_up:,} rows share their text with another and reuse its score"
    )
    if totals.carried:
        lines.append(f"{totals.carried:,} rows were carried over from the earlier output, with the same id and text")
    if (remark := Legibility(**totals.legibility).remark("the model's encoder")) is not None:
        lines.append(remark)
    if totals.by_student:
        lines.append(f"{totals.by_student:,} of the scored texts were answered by the student")
    if outcome.student is not None:
        lines.append(str(outcome.student))
    if totals.compared:
        share = totals.changed / totals.compared
        what = "sets of labels" if totals.sizes else "labels"
        lines.append(f"{totals.changed:,} of {totals.compared:,} {what} changed ({share:.1%}): `laud diff` shows which")
    if totals.other_texts or totals.found_by_text:
        lines.append(
            f"{totals.other_texts:,} ids have another text than in --previous; {totals.found_by_text:,} rows took "
            "their previous label from another id with the same text"
        )
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("label")
    table.add_column("rows", justify="right")
    for name, count in list(totals.labels.items())[:SHOWN]:
        table.add_row(Text(name), f"{count:,}")
    if len(totals.labels) > SHOWN:
        table.add_row(Text(f"and {len(totals.labels) - SHOWN} more"), "")
    return Group(*(Text(line) for line in lines), table)


def _sizes(sizes: Mapping[str, int]) -> str:
    """Return how many labels the rows of a multilabel task have, such as "1.39 labels a row; 12 rows with none"."""
    labels, rows = sum(int(size) * count for size, count in sizes.items()), sum(sizes.values())
    return f"{labels / rows:.2f} labels a row; {sizes.get('0', 0):,} rows with none"


def _answered(places: Mapping[str, int]) -> str:
    """Return the rows of a taxonomy by the place of their answer, such as "61 rows to the leaf, 4 to level 2"."""
    words = {AT_LEAF: "to the leaf", UNANSWERED: "not answered"}
    found = [f"{rows:,}{{}} {words.get(place, f'to level {place}')}" for place, rows in places.items() if rows]
    return ", ".join(found).replace("{}", " rows", 1).replace("{}", "")
