"""YAML -> frozen, strict RunConfig. A mistake is one line with the file, the key, the value and what was expected."""

import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from laud_ray.config import label_file
from laud_ray.config.mistakes import join, line, refuse_credentials, short
from laud_ray.config.oracles import LlmConfig
from laud_ray.config.run import RunConfig
from laud_ray.config.section import STORED, literal_path
from laud_ray.config.yaml_text import read_yaml
from laud_ray.errors import ConfigError
from laud_ray.storage.folder import Folder


def load(path: str) -> RunConfig:
    """Read a YAML file.

    Raises:
        ConfigError: one line per mistake.
    """
    return parse(_read(path, path, "a YAML file"), path)


def load_stored(path: str) -> RunConfig:
    """Read the configuration that a run has in its folder; its labels are called what an earlier version called them.

    Raises:
        ConfigError: one line per mistake.
    """
    return parse(_read(path, path, "a YAML file"), path, stored=True)


def parse(text: str, path: str = "config", *, stored: bool = False) -> RunConfig:
    """Read YAML text; `path` is what errors call it, `stored` says that it is a run's own.

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
        return RunConfig.model_validate_json(json.dumps(data), context=STORED if stored else None)
    except ValidationError as error:
        lines = [f"{path}: {line(RunConfig, data, dict(detail))}" for detail in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """List the keys that differ in a way that changes results: "key: old -> new"."""
    return [
        line for key, line in _changed(old, new, {"resources", "storage", "store", "serving"}) if not _operational(key)
    ]


def changes(old: RunConfig, new: RunConfig) -> list[str]:
    """List all keys that differ: "key: old -> new"."""
    return [line for _, line in _changed(old, new, set())]


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
        data = Folder(folder or ("/" if path.startswith("/") else ".")).read(name)
        return data.decode("utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{where}: no such file; expected {expected}") from None
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {_first_line(error)}; expected {expected}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where}: is neither UTF-8 nor UTF-16 text; expected {expected}") from None


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
        try:
            literal_path(value)
        except ValueError as error:
            raise ConfigError(f"{path}: task.labels: {error}") from None
        return label_file.read(value, _read(value, f"{path}: task.labels: {value!r}", label_file.EXPECTED))
    return label_file.as_list(value, f"{path}: task.labels")


def _flat(node: Any, key: str = "") -> dict[str, Any]:
    if isinstance(node, dict):
        return {k: v for name, child in node.items() for k, v in _flat(child, join(key, name)).items()}
    if isinstance(node, list):
        return {k: v for i, child in enumerate(node) for k, v in _flat(child, join(key, i)).items()}
    return {key: node}


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
