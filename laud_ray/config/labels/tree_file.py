"""Read the taxonomy of a task: from a file, from a list of paths, or as the name of a column. Errors name the line."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from laud_ray.config.labels import flat_file
from laud_ray.config.labels.delimited import DELIMITERS, cells_of, lines_of, require_width
from laud_ray.config.labels.tree import TaskTree
from laud_ray.config.mistakes import known_names, short
from laud_ray.config.section import literal_path
from laud_ray.config.text_file import read_text
from laud_ray.config.yaml_text import read_yaml
from laud_ray.errors import ConfigError
from laud_ray.printable import quoted
from laud_ray.storage import text_reading
from laud_ray.taxonomy import Taxonomy, looks_like_paths, read_levels, read_lines, read_table
from laud_ray.taxonomy.path_text import occurs
from laud_ray.taxonomy.reading.table import COLUMNS

EXPECTED = "a YAML, JSON, CSV, TSV or text file of paths"
_TABLE = (
    "a column path, or columns parent and name, or one for each level (level 1, level 2, ... or "
    "labels: {path: FILE, levels: [COLUMN, COLUMN]}); code, description and also are optional"
)
_KEYS = ("path", "encoding", "levels", "code")
_LEVEL = re.compile(r"(level|lvl|l|tier|cat|category)[ _-]?\d+")
# Other names of the columns of a table.
_MEANS = {"id": "code", "parent id": "parent", "parent code": "parent", "label": "path", "full path": "path"}


def read_tree(value: object, where: str, separator: str) -> TaskTree:
    """Read the labels of a task of kind taxonomy.

    Args:
        value: from YAML: the path of a file; `{path: FILE}` with further keys; `{column: NAME}`; or a list of paths.
        where: their place, for error messages: "task.yaml: task.labels".
        separator: between the names of a path.

    Raises:
        ConfigError: if they are not valid, or form no tree of several levels.
    """
    if isinstance(value, str):
        return TaskTree.of(_file({"path": value}, where, separator))
    if isinstance(value, dict) and not any(occurs(str(key), separator) for key in value):
        if value.keys() == {"column"} and isinstance(value["column"], str) and value["column"]:
            return TaskTree(value["column"])
        if "path" in value or "column" in value:
            return TaskTree.of(_file(value, where, separator))
    return TaskTree.of(_several_levels(_listed(value, where, separator), where, separator))


def _file(stated: Mapping[str, Any], where: str, separator: str) -> Taxonomy:
    strange = next((key for key in stated if key not in _KEYS), None)
    if strange is not None:
        raise ConfigError(
            f"{where}.{strange}: unknown key; expected one of {known_names(str(strange), _KEYS)}, or column"
        )
    name, encoding, levels, code = (stated.get(key) for key in _KEYS)
    texts = {
        "path": name,
        **({} if encoding is None else {"encoding": encoding}),
        **({} if code is None else {"code": code}),
    }
    for key, value in texts.items():
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{where}.{key}: {short(value)} is not valid; expected a text")
    if levels is not None and not (isinstance(levels, list) and levels and all(isinstance(one, str) for one in levels)):
        raise ConfigError(f"{where}.levels: {short(levels)} is not valid; expected the columns, the top level first")
    try:
        literal_path(str(name))
        used = None if encoding is None else text_reading.encoding(str(encoding))
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    ending = PurePosixPath(str(name)).suffix.lower()
    if ending not in flat_file.ENDINGS:
        endings = ", ".join(flat_file.ENDINGS)
        raise ConfigError(f"{where}: {name!r}: the ending {ending!r} is not valid; expected {EXPECTED} ({endings})")
    if (levels or code) and ending not in (".csv", ".tsv"):
        raise ConfigError(f"{where}: {name!r} has no columns; expected levels and code only for a CSV or TSV file")
    text = read_text(str(name), f"{where}: {name!r}", EXPECTED, used, f"labels: {{path: {name}, encoding: {{}}}}")
    return _several_levels(_parsed(str(name), text, ending, levels, code, separator), str(name), separator)


def _parsed(
    name: str, text: str, ending: str, levels: Sequence[str] | None, code: str | None, separator: str
) -> Taxonomy:
    if ending == ".txt":
        return read_lines(text, name, separator=separator)
    if ending in (".csv", ".tsv"):
        return _table(name, text, "\t" if ending == ".tsv" else None, levels, code, separator)
    found = flat_file.read_json(text, name) if ending == ".json" else read_yaml(text, name, labels_at=())
    return _listed(found, name, separator)


def _several_levels(taxonomy: Taxonomy, name: str, separator: str) -> Taxonomy:
    """Refuse a tree of one level: its separator is another one, or its labels are flat."""
    if taxonomy.levels > 1:
        return taxonomy
    guess = looks_like_paths(node.name for node in taxonomy.nodes)
    hint = f"separator: {quoted(guess)}" if guess else "kind: multiclass"
    raise ConfigError(
        f"{name}: has no path with the separator {quoted(separator)}, such as "
        f"{quoted(taxonomy.nodes[0].name)}; expected paths of several levels, or {hint}"
    )


def _listed(value: object, where: str, separator: str) -> Taxonomy:
    """Read a list of paths, or of mappings with the columns of a table."""
    items = flat_file.as_list(value, where)
    linked = any("parent" in item for item in items)
    rows = [item if linked or "path" in item else _path_first(item) for item in items]
    for i, row in enumerate(rows):
        strange = next((key for key in row if key not in COLUMNS), None)
        if strange is not None:
            raise ConfigError(
                f"{where}[{i}].{strange}: unknown key; expected one of {known_names(str(strange), COLUMNS)}"
            )
    columns = dict.fromkeys(key for row in rows for key in row)
    cells = {key: [_cell(row.get(key), f"{where}[{i}].{key}", key) for i, row in enumerate(rows)] for key in columns}
    return read_table(cells, where, separator=separator)


def _path_first(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"path" if key == "name" else key: value for key, value in item.items()}


def _cell(value: object, where: str, key: str) -> str | None:
    if key == "also" and isinstance(value, list) and all(isinstance(one, str) and "|" not in one for one in value):
        return "|".join(value)
    if value is None or isinstance(value, str):
        return value
    raise ConfigError(f"{where}: {short(value)} is not valid; expected a text")


def _table(
    name: str, text: str, delimiter: str | None, levels: Sequence[str] | None, code: str | None, separator: str
) -> Taxonomy:
    """Read one node per line, below a header that names the columns."""
    lines = list(lines_of(text))
    if not lines:
        raise ConfigError(f"{name}: has no labels; expected at least two leaves")
    (number, first), *others = lines
    header, delimiter = _header(first, f"{name} line {number}", delimiter, levels, code)
    rows: list[list[str]] = []
    for number, line in others:
        where = f"{name} line {number}"
        rows.append(cells_of(line, delimiter, where))
        require_width(rows[-1], header, delimiter, where)
    columns = {column: [row[i] if i < len(row) else None for row in rows] for i, column in enumerate(header) if column}
    numbers = [number for number, _ in others]
    if levels:
        used = {level: columns[level] for level in levels}
        own = columns[code] if code else None
        return read_levels(used, name, code=own, separator=separator, lines=numbers)
    if any(map(_LEVEL.fullmatch, columns)):
        used = {column: cells for column, cells in columns.items() if column != "code"}
        return read_levels(used, name, code=columns.get("code"), separator=separator, lines=numbers)
    return read_table(columns, name, separator=separator, lines=numbers)


def _header(
    line: str, where: str, delimiter: str | None, levels: Sequence[str] | None, code: str | None
) -> tuple[list[str], str]:
    """Return the columns of a header and its delimiter: the first one that yields the columns of a taxonomy.

    Columns that were not stated have empty names where the levels are stated.
    """
    for one in (delimiter,) if delimiter else DELIMITERS:
        cells = cells_of(line, one, where)
        if levels:
            stated = [*levels, *([code] if code else [])]
            header = _spelt(cells, stated)
            fits = set(stated) <= set(header)
        else:
            header = _meant([cell.casefold() for cell in cells], code)
            fits = "path" in header or {"parent", "name"} <= set(header) or _is_levels(header)
        if not fits:
            continue
        twice = next((column for column in header if column and header.count(column) > 1), None)
        if twice is not None:
            raise ConfigError(f"{where}: the column {quoted(twice)} is a duplicate; expected each column once")
        return header, one
    expected = f"the columns {', '.join(map(quoted, [*levels, *([code] if code else [])]))}" if levels else _TABLE
    raise ConfigError(f"{where}: has the columns {quoted(line.strip())}; expected {expected}")


def _spelt(cells: Sequence[str], stated: Sequence[str]) -> list[str]:
    """Return the stated column that each cell names, or else ignoring case; an empty text for other columns."""
    folded = {one.casefold(): one for one in stated}
    return [cell if cell in stated else folded.get(cell.casefold(), "") for cell in cells]


def _meant(header: Sequence[str], code: str | None) -> list[str]:
    """Return the columns by their usual names. Without path and parent, the column name has the paths."""
    stated = None if code is None else code.casefold()
    means = ["code" if stated == one else _MEANS.get(one.replace("_", " "), one) for one in header]
    if "parent" in means:
        return ["name" if column == "path" and "name" not in means else column for column in means]
    if "name" in means and "path" not in means:
        return ["path" if column == "name" else column for column in means]
    return means


def _is_levels(header: Sequence[str]) -> bool:
    return any(map(_LEVEL.fullmatch, header)) and all(_LEVEL.fullmatch(one) or one == "code" for one in header)
