"""YAML -> frozen, strict RunConfig. Each mistake is one line: file, key, value and what was expected."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from laud_ray.config import label_file
from laud_ray.config.mistakes import join, line, refuse_credentials, short
from laud_ray.config.oracles import OPERATIONAL
from laud_ray.config.run import RunConfig
from laud_ray.config.section import STORED, literal_path
from laud_ray.config.yaml_text import read_yaml
from laud_ray.errors import ConfigError
from laud_ray.printable import first_line
from laud_ray.storage import charset, text_reading
from laud_ray.storage.file_kind import kind_of
from laud_ray.storage.folder import Folder

_YAML = "a YAML file"


def load(path: str) -> RunConfig:
    """Read a YAML file.

    Raises:
        ConfigError: one line per mistake.
    """
    return parse(_read(path, path, _YAML), path)


def load_stored(path: str) -> RunConfig:
    """Read the configuration in the folder of a run. Label names of earlier versions are accepted unchanged.

    Raises:
        ConfigError: one line per mistake.
    """
    return parse(_read(path, path, _YAML), path, stored=True)


def parse(text: str, path: str = "config", *, stored: bool = False) -> RunConfig:
    """Read a configuration from YAML text.

    Args:
        path: the name of the file in error messages.
        stored: whether the text comes from the folder of a run, where label names of earlier versions are accepted.

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
    """List the differences that change results, each as "key: old -> new"."""
    return [
        line for key, line in _changed(old, new, {"resources", "storage", "store", "serving"}) if not _operational(key)
    ]


def changes(old: RunConfig, new: RunConfig) -> list[str]:
    """List all differences, each as "key: old -> new"."""
    return [line for _, line in _changed(old, new, set())]


def _changed(old: RunConfig, new: RunConfig, without: set[str]) -> Iterator[tuple[str, str]]:
    before, after = (_flat(c.model_dump(mode="json", exclude=without)) for c in (old, new))
    for key in [*before, *(key for key in after if key not in before)]:
        if before.get(key) != after.get(key):
            yield key, f"{key}: {before.get(key)} -> {after.get(key)}"


def _operational(key: str) -> bool:
    """Whether a key concerns an oracle's endpoint, limits or caps, which may change during a run."""
    return key.startswith(("oracle", "evaluation.oracle", "audit.")) and key.rpartition(".")[2] in OPERATIONAL


def _read(path: str, where: str, expected: str, encoding: str | None = None, hint: str | None = None) -> str:
    """Return the text of a file. `where` names the file in errors, `expected` says what it should be.

    Args:
        encoding: the one that the user stated; None: it is detected, as that of a corpus.
        hint: how a user states an encoding, with {} in the place of its name; None if that is not possible.
    """
    folder, _, name = path.rpartition("/")
    try:
        data = Folder(folder or ("/" if path.startswith("/") else ".")).read(name)
    except FileNotFoundError:
        raise ConfigError(f"{where}: no such file; expected {expected}") from None
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {first_line(error)}; expected {expected}") from None
    if (kind := kind_of(data)) is not None:
        raise ConfigError(f"{where}: is {kind}; expected {expected}")
    used = charset.marked(data) or encoding or charset.detect(data)
    try:
        return data.decode(used).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start)
        line = data.split(b"\n")[number]
        guess = (charset.suggestion(line, hint) if hint else "") or f"; expected {expected} in UTF-8"
        raise ConfigError(f"{where}: line {number + 1} holds bytes that are not {used}{guess}") from None


def _found(data: object) -> str:
    """Describe YAML data that is not a mapping, for an error message."""
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
    """Return labels given as a list, or read them from a file, given as its path or as {path: ..., encoding: ...}."""
    where = f"{path}: task.labels"
    stated = value if isinstance(value, dict) and "path" in value and value.keys() <= {"path", "encoding"} else {}
    name, encoding = (stated["path"], stated.get("encoding")) if stated else (value, None)
    if not isinstance(name, str):
        return label_file.as_list(value, where)
    try:
        literal_path(name)
        used = None if encoding is None else text_reading.encoding(encoding)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    text = _read(name, f"{where}: {name!r}", label_file.EXPECTED, used, f"labels: {{path: {name}, encoding: {{}}}}")
    return label_file.read(name, text)


def _flat(node: Any, key: str = "") -> dict[str, Any]:
    """Flatten nested data: {"query": {"batch": 50}} becomes {"query.batch": 50}."""
    if isinstance(node, dict):
        return {k: v for name, child in node.items() for k, v in _flat(child, join(key, name)).items()}
    if isinstance(node, list):
        return {k: v for i, child in enumerate(node) for k, v in _flat(child, join(key, i)).items()}
    return {key: node}
