"""The page on a run's oracles in the terminal. Readable without colours too."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from laud_ray.printable import printable
from laud_ray.report.oracle.page import OraclePage
from laud_ray.report.oracle.sections import sections
from laud_ray.report.section import Section


def oracle_view(page: OraclePage) -> RenderableType:
    """Return the view of `laud oracle`."""
    trusted = f", {page.trusted:,} of them with a trusted label" if page.trusted else ", none with a trusted label"
    head = Text.assemble((page.run, "bold"), f"  {page.classes:,} classes  {page.sample:,} random documents{trusted}")
    return Group(head, *(part for one in sections(page) for part in section_view(one)))


def section_view(one: Section) -> list[RenderableType]:
    """Return a part of a page: its title, table and sentences."""
    parts: list[RenderableType] = [Text(), Text(one.title, style="bold")]
    if one.rows:
        parts.append(text_table(one.columns, one.rows))
    return [*parts, *(Text(printable(line)) for line in one.lines)]


def text_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table whose first column is text, and the others figures."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    return table
