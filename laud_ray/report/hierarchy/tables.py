"""Figures of a taxonomy in the terminal, with rich. Readable without colours too."""

from rich import box
from rich.table import Table
from rich.text import Text

from laud_ray.report.formatting import ABSENT, figure, percent
from laud_ray.types import Estimate, HierarchyFigures

_CONFUSED = 3


def levels_table(found: HierarchyFigures) -> Table:
    """One row per level, the top first: accuracy, coverage, and the mean F1 of the nodes with enough documents."""
    caption = Text(
        "accuracy: of the documents that are answered at a level\n"
        "coverage: the share of documents that are answered there\n"
        f"macro-F1: over the nodes with at least {found.least} documents of the sample"
    )
    table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False, caption=caption, caption_justify="left")
    for name in ("level", "nodes", "n", "accuracy", "coverage", "macro-F1", "over"):
        table.add_column(name, justify="right", no_wrap=name not in ("accuracy", "macro-F1"))
    for one in found.levels:
        table.add_row(
            str(one.level),
            f"{one.size:,}",
            f"{one.accuracy.n:,}",
            Text(_known(one.accuracy)),
            percent(one.coverage.value) if one.coverage.n else ABSENT,
            Text(ABSENT if one.macro_f1 is None else figure(one.macro_f1)),
            "1 node" if one.nodes == 1 else f"{one.nodes:,} nodes",
        )
    return table


def hierarchy_lines(found: HierarchyFigures) -> list[str]:
    """Return sentences on a model in a taxonomy as a whole, and the siblings that it confuses most."""
    deepest = len(found.levels)
    lines = [
        f"hierarchical precision {figure(found.precision)}, recall {figure(found.recall)}, F1 {figure(found.f1)}, "
        f"n = {found.n:,}",
        f"the true and the predicted path share {depth(found.common_depth)} of {deepest} levels on average",
    ]
    if found.backed_off.value > 0:
        lines.append(f"{figure(found.backed_off)} of the answers are inner nodes")
    if found.confused:
        lines.append("siblings that are confused most, with their documents:")
        lines += [f"  {one.label} as {one.other_name} ({one.documents:,})" for one in found.confused[:_CONFUSED]]
    return lines


def depth(estimate: Estimate) -> str:
    """Write a depth in levels with its interval: `2.41 [2.30, 2.52]`."""
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _known(estimate: Estimate) -> str:
    return figure(estimate) if estimate.n else ABSENT
