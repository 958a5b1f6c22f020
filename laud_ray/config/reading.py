"""YAML -> frozen, strict RunConfig. A mistake is one line with the file, the key, the value and what was expected."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from laud_ray.config.mistakes import join, line, refuse_credentials, short
from laud_ray.config.oracles import LlmConfig
from laud_ray.config.run import RunConfig
from laud_ray.config.yaml_text import read_yaml
from laud_ray.errors import ConfigError
from laud_ray.storage import Folder


def load(path: str) -> RunConfig:
    """Read a YAML file.

    Raises:
        ConfigError: one line per mistake.
    """
    return parse(_read(path, path, "a YAML file"), path)


def parse(text: str, path: str = "config") -> RunConfig:
    """Read YAML text; `path` is what errors call it.

    Raises:
        ConfigError: one line per mistake.
    """
    data = read_yaml(text, path)
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: {_found(data)}; expected a mapping with the keys task, corpus, storage, ...")
    try:
        refuse_credentials(data)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    task = data.get("task")
    if isinstance(task, dict) and "labels" in task:
        data = {**data, "task": {**task, "labels": _labels(task["labels"], path)}}
    try:
        return RunConfig.model_validate_json(json.dumps(data))
    except ValidationError as error:
        lines = [f"{path}: {line(RunConfig, data, dict(detail))}" for detail in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """List the keys that differ in a way that changes results: "key: old -> new"."""
    return [
        line for key, line in _changed(old, new, {"resources", "storage", "store", "serving"}) if not _operational(key)
    ]


def changes(old: RunConfig, new: RunConfig) -> list[str]:
    """List all keys that differ, but for the place of the run: "key: old -> new"."""
    return [line for _, line in _changed(old, new, {"storage", "store"})]


def _changed(old: RunConfig, new: RunConfig, without: set[str]) -> Iterator[tuple[str, str]]:
    before, after = (_flat(c.model_dump(mode="json", exclude=without)) for c in (old, new))
    for key in [*before, *(key for key in after if key not in before)]:
        if before.get(key) != after.get(key):
            yield key, f"{key}: {before.get(key)} -> {after.get(key)}"


def _operational(key: str) -> bool:
    """Whether a key says how an oracle is reached and what it may use, so that it may change during a run."""
    return key.startswith(("oracle", "evaluation.oracle", "audit.")) and key.rpartition(".")[2] in LlmConfig.OPERATIONAL


def _read(path: str, where: str, expected: str) -> str:
    """Return a file's text; `where` is what an error calls it."""
    folder, _, name = path.rpartition("/")
    try:
        return Folder(folder or ("/" if path.startswith("/") else ".")).read(name).decode()
    except FileNotFoundError:
        raise ConfigError(f"{where}: no such file; expected {expected}") from None
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {_first_line(error)}; expected {expected}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: is not UTF-8 text; expected {expected}") from None


def _found(data: object) -> str:
    """Say in a reader's words what YAML holds in the place of a mapping."""
    if data is None:
        return "is empty"
    return (
        "holds a list"
        if isinstance(data, list)
        else "holds a text"
        if isinstance(data, str)
        else f"holds {short(data)}"
    )


def _labels(value: object, path: str) -> object:
    """Read labels: a list as it stands, or the file that a path names."""
    if isinstance(value, str):
        value = _label_file(value, path)
    if isinstance(value, dict):
        value = [{"name": name, "description": text} for name, text in value.items()]
    if isinstance(value, list):
        return [_label(item, f"{path}: task.labels[{i}]") for i, item in enumerate(value)]
    return value


def _label(item: object, where: str) -> object:
    if isinstance(item, str):
        return {"name": item}
    if isinstance(item, dict):
        return item
    raise ConfigError(f"{where}: {short(item)}: expected a name or {{name: ..., description: ...}}")


def _label_file(name: str, path: str) -> object:
    text = _read(name, f"{path}: task.labels: {name!r}", "a YAML, CSV or text file")
    if name.endswith((".yaml", ".yml")):
        return read_yaml(text, name)
    if name.endswith(".csv"):
        return _label_rows(list(csv.DictReader(io.StringIO(text))), name)
    return [line.strip() for line in text.splitlines() if line.strip()]


def _label_rows(rows: list[dict[str, Any]], file: str) -> object:
    column = next((name for name in ("name", "label") if rows and name in rows[0]), "name")
    if rows and column not in rows[0]:
        raise ConfigError(
            f"{file}: has the columns {', '.join(rows[0])}; expected name (or label) and, if you like, description"
        )
    return [{"name": row[column], "description": row.get("description") or None} for row in rows]


def _flat(node: Any, key: str = "") -> dict[str, Any]:
    if isinstance(node, dict):
        return {k: v for name, child in node.items() for k, v in _flat(child, join(key, name)).items()}
    if isinstance(node, list):
        return {k: v for i, child in enumerate(node) for k, v in _flat(child, join(key, i)).items()}
    return {key: node}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
