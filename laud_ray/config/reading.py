"""YAML -> frozen, strict RunConfig. A mistake is one line with the file, the key, the value and what was expected."""

import csv
import io
import json
from typing import Any

import yaml
from pydantic import ValidationError

from laud_ray.config.mistakes import join, line
from laud_ray.config.schema import LlmConfig, RunConfig
from laud_ray.errors import ConfigError
from laud_ray.storage import Folder


def load(path: str) -> RunConfig:
    """Read a YAML file.

    Raises:
        ConfigError: one line per mistake.
    """
    where, _, name = path.rpartition("/")
    try:
        text = Folder(where or ("/" if path.startswith("/") else ".")).read(name).decode()
    except (FileNotFoundError, IsADirectoryError, OSError) as error:
        raise ConfigError(f"{path}: cannot be read: {_first_line(error)}; expected a YAML file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; expected a YAML file") from None
    return parse(text, path)


def parse(text: str, path: str = "config") -> RunConfig:
    """Read YAML text; `path` is what errors call it.

    Raises:
        ConfigError: one line per mistake.
    """
    data = _yaml(text, path)
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path}: holds {type(data).__name__}; expected a mapping with the keys task, corpus, storage, ..."
        )
    task = data.get("task")
    if isinstance(task, dict) and "labels" in task:
        data = {**data, "task": {**task, "labels": _labels(task["labels"], path)}}
    try:
        return RunConfig.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        lines = [f"{path}: {line(RunConfig, data, dict(detail))}" for detail in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """List the keys that differ in a way that changes results: "key: old -> new"."""
    before, after = (_flat(c.model_dump(mode="json", exclude={"resources", "storage"})) for c in (old, new))
    keys = [key for key in [*before, *(key for key in after if key not in before)] if not _operational(key)]
    pairs = [(key, before.get(key), after.get(key)) for key in keys]
    return [f"{key}: {old} -> {new}" for key, old, new in pairs if old != new]


def _operational(key: str) -> bool:
    """Whether a key says how an oracle is reached and what it may use, so that it may change during a run."""
    return key.startswith(("oracle", "evaluation.oracle")) and key.rpartition(".")[2] in LlmConfig.OPERATIONAL


def _yaml(text: str, path: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or _first_line(error)
        raise ConfigError(f"{path}{at}: is not valid YAML: {problem}") from None


def _labels(value: object, path: str) -> object:
    """Read labels: a list as it stands, or the file that a path names."""
    if isinstance(value, str):
        value = _label_file(value, path)
    if isinstance(value, dict):
        value = [{"name": name, "description": text} for name, text in value.items()]
    if isinstance(value, list):
        return [{"name": item} if isinstance(item, str) else item for item in value]
    return value


def _label_file(name: str, path: str) -> object:
    folder, _, file = name.rpartition("/")
    try:
        text = Folder(folder or ".").read(file).decode()
    except OSError as error:
        raise ConfigError(
            f"{path}: task.labels: {name!r} cannot be read: {_first_line(error)}; expected a YAML, CSV or text file"
        ) from None
    if file.endswith((".yaml", ".yml")):
        return _yaml(text, name)
    if file.endswith(".csv"):
        rows = list(csv.DictReader(io.StringIO(text)))
        if rows and "name" not in rows[0]:
            raise ConfigError(
                f"{name}: has the columns {', '.join(rows[0])}; expected name and, if you like, description"
            )
        return [{"name": row["name"], "description": row.get("description") or None} for row in rows]
    return [line.strip() for line in text.splitlines() if line.strip()]


def _flat(node: Any, key: str = "") -> dict[str, Any]:
    if isinstance(node, dict):
        return {k: v for name, child in node.items() for k, v in _flat(child, join(key, name)).items()}
    if isinstance(node, list):
        return {k: v for i, child in enumerate(node) for k, v in _flat(child, join(key, i)).items()}
    return {key: node}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
