"""Read a taxonomy from a table with a row for each node."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from laud_ray.errors import ConfigError
from laud_ray.labels import SHOWN, read_name, typed
from laud_ray.printable import did_you_mean, quoted
from laud_ray.taxonomy.path_text import SEPARATOR, split_path
from laud_ray.taxonomy.reading.building import Listed, build, placed
from laud_ray.taxonomy.reading.rows import Column, Rows
from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.texts import normalise_text

COLUMNS = ("code", "parent", "path", "name", "description", "also")
_EXPECTED = "expected a column path, or columns parent and name; code, description and also are optional"


def read_table(
    columns: Mapping[str, Column], name: str, *, separator: str = SEPARATOR, lines: Sequence[int] | None = None
) -> Taxonomy:
    """Read a row for each node, in any order.

    A node's place is its whole `path`; or its `name` and its `parent`, which is the parent's code (without codes, its
    name), and empty at the top. Names in `also` are divided by |.

    Args:
        columns: some of COLUMNS, of equal length; None and white space are empty cells.
        name: the file, for messages.
        separator: between the names of a path.
        lines: the numbers of the lines for messages; None: rows are counted from 1.

    Example:
        >>> columns = {"code": ["a", "b", "c"], "parent": [None, "a", "a"], "name": ["Food", "Tea", "Milk"]}
        >>> read_table(columns, "t.csv").label(1)
        'Food > Tea'

    Raises:
        ConfigError: if a column is unknown or missing, a parent is unknown, parents form a circle, or the tree is not
            valid (see `building.build`).
    """
    _check_columns(columns, name)
    rows = Rows(columns, name, lines)
    paths = _whole(rows, separator) if "path" in columns else _linked(rows)
    listed = []
    for i, path in enumerate(paths):
        with placed(rows.where(i)):
            code = rows.cell("code", i)
            listed.append(
                Listed(
                    rows.where(i),
                    path,
                    read_name(code) if code else None,
                    rows.cell("description", i) or None,
                    _others(rows.cell("also", i), path[-1]),
                )
            )
    return build(listed, name, separator)


def _check_columns(columns: Mapping[str, Column], name: str) -> None:
    strange = next((column for column in columns if column not in COLUMNS), None)
    if strange is not None:
        raise ConfigError(
            f"{name}: the column {quoted(strange)} is unknown; {_EXPECTED}{did_you_mean(strange, COLUMNS)}"
        )
    linked = "parent" in columns and "name" in columns
    if linked == ("path" in columns) or ("parent" in columns and not linked):
        raise ConfigError(f"{name}: has the columns {quoted(', '.join(columns))}; {_EXPECTED}")


def _whole(rows: Rows, separator: str) -> list[tuple[str, ...]]:
    """Return the paths of a column of paths; a column of names has to agree with it."""
    found = []
    for i in range(len(rows)):
        with placed(rows.where(i)):
            path, last = split_path(rows.columns["path"][i] or "", separator), rows.cell("name", i)
            if last and last != path[-1]:
                raise ValueError(f"the name {quoted(last)} is not valid; expected the path's last, {quoted(path[-1])}")
            found.append(path)
    return found


def _linked(rows: Rows) -> list[tuple[str, ...]]:
    """Return the paths that the parents make."""
    names = []
    for i in range(len(rows)):
        with placed(rows.where(i)):
            names.append(read_name(rows.cell("name", i)))
    parents = _parents(rows)
    paths: list[tuple[str, ...] | None] = [None] * len(rows)
    for i in range(len(rows)):
        chain = _chain(rows, parents, paths, i)
        for one in reversed(chain):
            above = parents[one]
            paths[one] = (*((paths[above] or ()) if above is not None else ()), names[one])
    return [path for path in paths if path is not None]


def _parents(rows: Rows) -> list[int | None]:
    """Return for each row the row of its parent; None at the top."""
    key = "code" if any(rows.cell("code", i) for i in range(len(rows))) else "name"
    keys, forms = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for i in range(len(rows)):
        keys[rows.cell(key, i)].append(i)
        forms[typed(rows.cell(key, i))].append(i)
    found: list[int | None] = []
    for i in range(len(rows)):
        parent = rows.cell("parent", i)
        # Programs write a column of whole numbers with missing values as 10.0.
        above = keys.get(parent) or forms.get(typed(parent), []) if parent else [None]
        if not above:
            raise ConfigError(
                f"{rows.where(i)}: the parent {quoted(parent)} is not valid; expected the {key} of another row, or "
                f"nothing at the top{did_you_mean(parent, keys)}"
            )
        if len(above) > 1 and key == "name":
            raise ConfigError(
                f"{rows.where(i)}: the parent {quoted(parent)} is not valid: it is the name of {len(above):,} rows; "
                "expected a column code, and the parent's code"
            )
        found.append(above[0])
    return found


def _chain(rows: Rows, parents: Sequence[int | None], paths: Sequence[tuple[str, ...] | None], start: int) -> list[int]:
    """Return the row and those above it whose paths are not known yet, from the row upward."""
    chain: dict[int, None] = {}
    row: int | None = start
    while row is not None and paths[row] is None:
        if row in chain:
            circle = list(chain)[list(chain).index(row) :]
            named = [quoted(rows.cell("code", one) or rows.cell("name", one)) for one in circle[:SHOWN]]
            more = ["..."] if len(circle) > SHOWN else []
            raise ConfigError(
                f"{rows.where(row)}: the parent {quoted(rows.cell('parent', row))} is not valid: the parents form the "
                f"circle {' -> '.join([*named, *more, named[0]])}; expected parents that lead to the top"
            )
        chain[row] = None
        row = parents[row]
    return list(chain)


def _others(cell: str, name: str) -> tuple[str, ...]:
    """Return the other spellings in a cell, each once, without the name itself."""
    names = dict.fromkeys(read_name(one) for one in cell.split("|") if normalise_text(one))
    return tuple(one for one in names if one != name)
