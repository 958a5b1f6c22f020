"""Read a taxonomy from a table with a column for each level."""

from collections.abc import Mapping, Sequence

from laud_ray.labels import read_name
from laud_ray.printable import quoted
from laud_ray.taxonomy.path_text import SEPARATOR
from laud_ray.taxonomy.reading.building import Listed, build, placed
from laud_ray.taxonomy.reading.rows import Column, Rows
from laud_ray.taxonomy.tree import Taxonomy


def read_levels(
    levels: Mapping[str, Column],
    name: str,
    *,
    code: Column | None = None,
    separator: str = SEPARATOR,
    lines: Sequence[int] | None = None,
) -> Taxonomy:
    """Read a row for each node, with a column for each level. The cells below a node's own level are empty.

    The rows may be the leaves alone, or every node above them too.

    Args:
        levels: the columns by name, the top level first, of equal length; None and white space are empty cells.
        name: the file, for messages.
        code: the column of codes, or None.
        separator: between the names of a path in text.
        lines: the numbers of the lines for messages; None: rows are counted from 1.

    Example:
        >>> read_levels({"segment": ["Food", "Food", "Tools"], "family": ["Tea", "Milk", None]}, "t.csv").levels
        2

    Raises:
        ConfigError: if an empty cell is above a name, or the tree is not valid (see `building.build`).
    """
    rows = Rows(levels, name, lines)
    codes = Rows({} if code is None else {"code": code}, name, range(len(rows)))
    listed = []
    for i in range(len(rows)):
        with placed(rows.where(i)):
            own = codes.cell("code", i)
            listed.append(Listed(rows.where(i), _path(rows, i), read_name(own) if own else None))
    return build(listed, name, separator)


def _path(rows: Rows, row: int) -> tuple[str, ...]:
    cells = [rows.cell(level, row) for level in rows.columns]
    while cells and not cells[-1]:
        cells.pop()
    if not all(cells) or not cells:
        empty = list(rows.columns)[cells.index("") if cells else 0]
        because = f", because {quoted(cells[-1])} is below it" if cells else ""
        raise ValueError(f"{quoted(empty)}: '' is not valid; expected a name{because}")
    return tuple(map(read_name, cells))
