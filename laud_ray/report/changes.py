"""The differences between two labelled outputs, for the terminal and as JSON."""

from dataclasses import asdict

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from laud_ray.compare.changes import Diff, Side
from laud_ray.label_sets import LabelSet
from laud_ray.label_sets import shown as shown_label
from laud_ray.report.formatting import ABSENT, percent

ROWS = 15


def diff_view(found: Diff) -> RenderableType:
    """Return the view of `laud diff`: the two outputs, the changes by pairs of labels, and examples."""
    parts: list[RenderableType] = [_sides(found), Text(), _sums(found), _facts(found)]
    if found.confidence_changed.n or found.confidence_same.n:
        parts += [Text(), _confidences(found)]
    if found.changed:
        parts += [Text(), _flows(found), Text(), _classes(found)]
    if found.examples:
        parts += [Text(), _examples(found)]
    remarks = _remarks(found)
    return Group(*parts, *([Text()] if remarks else []), *map(Text, remarks))


def diff_json(found: Diff) -> dict[str, object]:
    """Return the object that `laud diff --json` prints."""
    return {
        "old": asdict(found.old),
        "new": asdict(found.new),
        "documents": {
            "both": found.both,
            "only_old": found.only_old,
            "only_new": found.only_new,
            "repeated_ids": found.repeated,
        },
        "changed": {"n": found.compared, "count": found.changed, "share": found.share},
        **({"labels_a_document": _cardinality(found)} if found.sets else {}),
        "flows": [_with_lists(asdict(flow), found) for flow in found.flows],
        "flow_count": found.flow_count,
        "classes": [asdict(one) for one in found.classes],
        "confidence": {"changed": asdict(found.confidence_changed), "same": asdict(found.confidence_same)},
        "abstained": asdict(found.abstained),
        "without_label": asdict(found.without_label),
        "examples": [_with_lists(asdict(one), found) for one in found.examples],
        "texts": None if found.texts is None else asdict(found.texts),
    }


def _with_lists(values: dict[str, object], found: Diff) -> dict[str, object]:
    """Return a flow or an example as JSON: with lists of labels where a document has a set of them."""
    if not found.sets:
        return values
    return values | {key: list(LabelSet.parse(str(values[key])).yes) for key in ("old", "new")}


def _cardinality(found: Diff) -> dict[str, float] | None:
    sizes = found.cardinality
    return None if sizes is None else {"old": sizes[0], "new": sizes[1]}


def _sides(found: Diff) -> Table:
    table = _table("", "documents", "not labelled" if found.sets else "no label", "abstained")
    table.add_column("model", overflow="fold")
    for name, side in (("old", found.old), ("new", found.new)):
        counts = (f"{count:,}" for count in (side.documents, side.without_label, side.abstained))
        table.add_row(Text(f"{name}: {side.path}"), *counts, Text(_models(side)))
    return table


def _models(side: Side) -> str:
    return ", ".join(side.models) or ABSENT


def _sums(found: Diff) -> Text:
    heading = f"{found.changed:,} of {found.compared:,} {'sets of labels' if found.sets else 'labels'} changed"
    return Text.assemble((heading, "bold"), f" ({_share(found.share)})" if found.compared else "")


def _facts(found: Diff) -> Table:
    table = Table.grid(padding=(0, 2))
    facts = [
        ("documents", f"{found.both:,} in both, {found.only_old:,} only in old, {found.only_new:,} only in new"),
        *(
            (name, f"{turned.began:,} in new and not in old, {turned.ended:,} in old and not in new")
            for name, turned in (
                ("not labelled" if found.sets else "no label", found.without_label),
                ("abstained", found.abstained),
            )
        ),
    ]
    if found.sets and (sizes := found.cardinality) is not None:
        facts.append(("labels a document", f"{sizes[0]:.2f} → {sizes[1]:.2f}"))
    for name, fact in facts:
        table.add_row(Text(name, style="dim"), Text(fact))
    return table


def _confidences(found: Diff) -> Table:
    table = _table("confidence of", "n", "mean", "median")
    for name, one in (("changed labels", found.confidence_changed), ("unchanged labels", found.confidence_same)):
        moves = ((one.old_mean, one.new_mean), (one.old_median, one.new_median))
        table.add_row(name, f"{one.n:,}", *(f"{percent(old)} → {percent(new)}" for old, new in moves))
    return table


def _share(share: float | None) -> str:
    """Write a share; one that would round to 0.0 % is written as `< 0.1 %`."""
    if share is None or share == 0 or share >= 0.001:
        return percent(share)
    return "< 0.1 %"


def _flows(found: Diff) -> Table:
    shown = found.flows[:ROWS]
    table = _table(
        "from", "to", "documents", "confidence", caption=_more(found.flow_count, len(shown), "pairs"), left=2
    )
    for flow in shown:
        confidence = f"{percent(flow.old_confidence)} → {percent(flow.new_confidence)}"
        old, new = (shown_label(label, multilabel=found.sets) for label in (flow.old, flow.new))
        table.add_row(Text(old), Text(new), f"{flow.documents:,}", confidence)
    return table


def _classes(found: Diff) -> Table:
    moved = [one for one in found.classes if one.gained or one.lost]
    shown = moved[:ROWS]
    caption = _more(len(moved), len(shown), "changed labels" if found.sets else "changed classes")
    names = ("label", "old", "new", "added", "removed") if found.sets else ("class", "old", "new", "gained", "lost")
    table = _table(*names, caption=caption)
    for one in shown:
        table.add_row(Text(one.label), *(f"{count:,}" for count in (one.old, one.new, one.gained, one.lost)))
    return table


def _examples(found: Diff) -> Table:
    texts = any(one.text is not None for one in found.examples)
    table = _table("id", *(["text"] if texts else []), "change", caption="the most confident changes first", left=3)
    for one in found.examples:
        old, new = (
            f"{shown_label(label, multilabel=found.sets)} {percent(confidence)}"
            for label, confidence in ((one.old, one.old_confidence), (one.new, one.new_confidence))
        )
        table.add_row(Text(one.id), *([Text(one.text or "")] if texts else []), Text(f"{old} → {new}"))
    return table


def _remarks(found: Diff) -> list[str]:
    remarks = [
        *_of_texts(found),
        (
            found.repeated,
            f"{found.repeated:,} ids occur more than once in an output: not compared, because they are ambiguous",
        ),
        *(
            (side.without_id, f"{side.without_id:,} rows of {side.path} have no id: not compared")
            for side in (found.old, found.new)
        ),
        (
            not found.both and found.only_old and found.only_new,
            "No id is in both outputs; expected two outputs for the same documents",
        ),
    ]
    return [text for holds, text in remarks if holds]


def _of_texts(found: Diff) -> list[tuple[object, str]]:
    """Return remarks on ids that mean different texts in the two outputs, or may do so."""
    texts, by_row = found.texts, found.old.row_ids or found.new.row_ids
    if texts is None:
        problem = "ids are file and row, and the outputs have no texts to compare: moved rows may count as changes"
        return [(by_row, f"{problem}; expected outputs with --id, or of this version")]
    cause = "rows were inserted, removed or moved" if texts.other or by_row else "their ids changed"
    moved = (
        f"{texts.moved:,} texts have different ids in the two outputs: {cause}; "
        f"{texts.moved_relabelled:,} of them have another label"
    )
    return [
        (
            texts.other,
            f"{texts.other:,} ids have another text and are not compared; {texts.relabelled:,} of them have "
            "another label",
        ),
        (texts.moved, moved),
        (
            by_row and found.both and not texts.other,
            "ids are file and row; every id in both outputs has the same text",
        ),
    ]


def _more(total: int, shown: int, what: str) -> str | None:
    return f"{total - shown:,} more {what}: see --json" if total > shown else None


def _table(*names: str, caption: str | None = None, left: int = 1) -> Table:
    """Create a table whose first `left` columns are text and the others numbers."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, caption=caption, caption_justify="left")
    for place, name in enumerate(names):
        if place < left:
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify="right", no_wrap=True)
    return table
