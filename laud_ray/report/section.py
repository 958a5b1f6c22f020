"""A part of a page: a table and sentences, the same in the terminal and in HTML."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page.

    Attributes:
        columns: the heads of a table; empty without one. The first column is text, the others are figures.
        rows: as many cells each as there are columns.
        lines: whole sentences below the table.
    """

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = ()
