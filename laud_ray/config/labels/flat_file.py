"""Read labels from a YAML, JSON, CSV, TSV or text file. Errors name the file and the line."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from laud_ray.config.labels.delimited import DELIMITERS, cells_of, lines_of, require_width
from laud_ray.config.mistakes import short
from laud_ray.config.yaml_text import read_yaml
from laud_ray.errors import ConfigError
from laud_ray.labels import read_name
from laud_ray.printable import quoted

ENDINGS = (".yaml", ".yml", ".json", ".csv", ".tsv", ".txt")
EXPECTED = "a YAML, JSON, CSV, TSV or text file"
COLUMNS = "a column name (or label), and optionally description and also"
# Shopify's taxonomy has lines such as "gid://shopify/TaxonomyCategory/aa : Apparel & Accessories".
_SHOPIFY = re.compile(r"^gid://\S+\s*:\s*")
# Google's taxonomy has lines such as "166 - Apparel & Accessories" under a first line with its name.
_GOOGLE, _GOOGLE_ID = "Google_Product_Taxonomy", re.compile(r"^\d+\s+-\s+")
_LEVEL = " > "


@dataclass(frozen=True, slots=True)
class Entry:
    """A label as it stands in a file, and its place for error messages: "labels.csv line 3"."""

    where: str
    label: dict[str, Any]


def read(name: str, text: str) -> list[dict[str, Any]]:
    """Read the labels of a file from its text.

    Raises:
        ConfigError: if the file's ending is unknown, a line or a column is invalid, or a label is a duplicate or a
            child of another.
    """
    ending = PurePosixPath(name).suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError(f"{name}: the ending {ending!r} is not valid; expected {EXPECTED} ({', '.join(ENDINGS)})")
    if ending in (".yaml", ".yml"):
        entries = _numbered(read_yaml(text, name, labels_at=()), name)
    elif ending == ".json":
        entries = _numbered(read_json(text, name), name)
    elif ending == ".txt":
        entries = list(_text_lines(text, name))
    else:
        entries = list(_table_lines(text, name, "\t" if ending == ".tsv" else None))
    if not entries:
        raise ConfigError(f"{name}: has no labels; expected at least two")
    _check(entries)
    return [entry.label for entry in entries]


def as_list(value: object, where: str) -> list[dict[str, Any]]:
    """Turn parsed YAML into labels: a list of names or mappings, or one mapping from names to descriptions.

    Args:
        where: the place of the labels, for error messages.

    Raises:
        ConfigError: if the value is anything else.

    Example:
        `["Tea", {"name": "Coffee"}]` becomes `[{"name": "Tea"}, {"name": "Coffee"}]`.
    """
    return [_one(item, f"{where}[{i}]") for i, item in enumerate(_items(value, where))]


def _items(value: object, where: str) -> list[object]:
    if isinstance(value, dict):
        odd = next((name for name, text in value.items() if isinstance(text, list | dict)), None)
        if odd is not None:
            kind = "a list" if isinstance(value[odd], list) else "a mapping"
            raise ConfigError(f"{where}: {quoted(odd)} holds {kind}; expected a list of labels without a key above it")
        return [{"name": name, "description": text} for name, text in value.items()]
    if not isinstance(value, list):
        raise ConfigError(f"{where}: {short(value)} is not valid; expected a list of labels")
    return value


def _one(item: object, where: str) -> dict[str, Any]:
    if isinstance(item, bool):  # from JSON only: the YAML reader leaves true and false as text
        item = str(item).lower()
    if isinstance(item, str):
        return {"name": item}
    if isinstance(item, dict):
        return item
    raise ConfigError(f"{where}: {short(item)} is not valid; expected a name or {{name: ..., description: ...}}")


def _numbered(value: object, name: str) -> list[Entry]:
    places = ((f"{name} label {i}", item) for i, item in enumerate(_items(value, name), 1))
    return [Entry(where, _one(item, where)) for where, item in places]


def read_json(text: str, name: str) -> object:
    """Parse JSON with numbers kept as text, so that a label 1.10 does not become 1.1."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        twice = next((key for key, times in Counter(key for key, _ in pairs).items() if times > 1), None)
        if twice is not None:
            raise ConfigError(f"{name}: the key {quoted(twice)} is a duplicate; expected each key once")
        return dict(pairs)

    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name} line {error.lineno}: is not valid JSON: {error.msg}") from None
    except RecursionError:
        raise ConfigError(f"{name}: is nested too deeply; expected a list of labels") from None


def _text_lines(text: str, name: str) -> Iterator[Entry]:
    google = text.lstrip().startswith(f"# {_GOOGLE}")
    for number, line in lines_of(text):
        path = _SHOPIFY.sub("", line.strip())
        yield Entry(f"{name} line {number}", {"name": _GOOGLE_ID.sub("", path) if google else path})


def _table_lines(text: str, name: str, delimiter: str | None) -> Iterator[Entry]:
    """Read one label per line, below a header that names the columns."""
    lines = lines_of(text)
    number, first = next(lines, (0, ""))
    if not number:
        return
    header, delimiter = _header(first, f"{name} line {number}", delimiter)
    for number, line in lines:
        where = f"{name} line {number}"
        cells = cells_of(line, delimiter, where)
        require_width(cells, header, delimiter, where)
        row = dict(zip(header, cells, strict=False))
        yield Entry(where, {"name": row.get("name", "")} | _optional(row))


def _optional(row: dict[str, str]) -> dict[str, Any]:
    also = [one for one in row.get("also", "").split("|") if one.strip()]
    return {"description": row.get("description") or None} | ({"also": also} if also else {})


def _header(line: str, where: str, delimiter: str | None) -> tuple[list[str], str]:
    """Return the columns of a header and its delimiter: the first one that yields a column called name or label.

    A column called label is returned as name.
    """
    for one in (delimiter,) if delimiter else DELIMITERS:
        header = [cell.casefold() for cell in cells_of(line, one, where)]
        named = [column for column in header if column in ("name", "label")]
        if not named:
            continue
        columns = ["name" if column == "label" else column for column in header]
        strange = next((column for column in columns if column not in ("name", "description", "also")), None)
        twice = next((column for column in columns if columns.count(column) > 1), None)
        if strange is not None or twice is not None:
            fault = (
                f"the column {quoted(strange)} is unknown"
                if strange is not None
                else f"the column {twice!r} is a duplicate"
            )
            raise ConfigError(f"{where}: {fault}; expected {COLUMNS}")
        return columns, one
    raise ConfigError(f"{where}: has the columns {quoted(line.strip())}; expected {COLUMNS}")


def _check(entries: Sequence[Entry]) -> None:
    """Refuse invalid names, duplicates, and names that are children of another label ("A > B" beside "A")."""
    places: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry.label.get("name"), str):
            continue  # the check of the configuration reports it, with the key
        try:
            name = read_name(entry.label["name"])
        except ValueError as error:
            raise ConfigError(f"{entry.where}: {error}") from None
        if name in places:
            raise ConfigError(
                f"{entry.where}: the label {quoted(name)} is a duplicate of {places[name]}; expected each label once"
            )
        places[name] = entry.where
    for name, where in places.items():
        above = name.rpartition(_LEVEL)[0]
        if above in places:
            raise ConfigError(
                f"{where}: {quoted(name)} is a child of the label {quoted(above)}; expected labels of one level, "
                "or task.kind: taxonomy"
            )
