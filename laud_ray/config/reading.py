"""YAML -> frozen, strict RunConfig. Each mistake is one line: file, key, value and what was expected."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from laud_ray.config.labels import flat_file
from laud_ray.config.labels.tree import TaskTree
from laud_ray.config.labels.tree_file import read_tree
from laud_ray.config.labels.tree_store import is_reference, reference
from laud_ray.config.mistakes import join, line, refuse_credentials, short
from laud_ray.config.models import EncoderConfig
from laud_ray.config.oracles import OPERATIONAL
from laud_ray.config.run import RunConfig
from laud_ray.config.section import Context, literal_path
from laud_ray.config.task import MULTILABEL, TAXONOMY
from laud_ray.config.text_file import read_text
from laud_ray.config.yaml_text import read_yaml
from laud_ray.errors import ConfigError
from laud_ray.storage import text_reading
from laud_ray.taxonomy import SEPARATOR
from laud_ray.taxonomy import differences as changes_between

_YAML = "a YAML file"
# Keys that change results, but may change when a run is continued.
CONTINUED = ("budget.", "stop", "promise")


def load(path: str) -> RunConfig:
    """Read a YAML file.

    Raises:
        ConfigError: one line per mistake.
    """
    return parse(read_text(path, path, _YAML), path)


def load_stored(path: str) -> RunConfig:
    """Read the configuration in the folder of a run. Label names of earlier versions are accepted unchanged.

    Raises:
        ConfigError: one line per mistake.
    """
    return parse(read_text(path, path, _YAML), path, stored=True)


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
    task, tree = data.get("task"), None
    if isinstance(task, dict) and "labels" in task:
        tree = _tree(task, path) if task.get("kind") == TAXONOMY else None
        labels = _labels(task["labels"], path) if tree is None else []
        data = {**data, "task": {**task, **({} if tree is None else _defaults(task)), "labels": labels}}
    multilabel = isinstance(task, dict) and task.get("kind") == MULTILABEL
    try:
        return RunConfig.model_validate_json(json.dumps(data), context=Context(stored, tree, multilabel))
    except ValidationError as error:
        lines = [f"{path}: {line(RunConfig, data, dict(detail))}" for detail in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """List the differences that change results, each as "key: old -> new"."""
    return [
        line
        for key, line in _changed(old, new, {"resources", "storage", "store", "serving", "update"})
        if not _operational(key)
    ]


def changes(old: RunConfig, new: RunConfig) -> list[str]:
    """List all differences, each as "key: old -> new"."""
    return [line for _, line in _changed(old, new, set())]


def _changed(old: RunConfig, new: RunConfig, without: set[str]) -> Iterator[tuple[str, str]]:
    before, after = (_comparable(config, without) for config in (old, new))
    if (old.task.kind == TAXONOMY) != (new.task.kind == TAXONOMY):
        follow = ("task.labels", "learner.epochs")
        before, after = ({key: one[key] for key in one if not key.startswith(follow)} for one in (before, after))
    for key in [*before, *(key for key in after if key not in before)]:
        if before.get(key) != after.get(key):
            yield key, _difference(key, before.get(key), after.get(key), old, new)


def _comparable(config: RunConfig, without: set[str]) -> dict[str, Any]:
    """Return the values by key, as a run uses them.

    Of a taxonomy its nodes count, and not the file or column that they were read from.
    """
    data = config.model_dump(mode="json", exclude=without)
    if (tree := config.task.tree) is not None:
        data["task"]["labels"] = tree.digest or tree.dump()
    if isinstance(config.learner, EncoderConfig):
        data["learner"]["epochs"] = config.learner.epochs_for(config.task.kind)
    return _flat(data)


def _difference(key: str, before: object, after: object, old: RunConfig, new: RunConfig) -> str:
    was, now = old.task.tree, new.task.tree
    if key == "task.labels" and was is not None and now is not None:
        if was.taxonomy is not None and now.taxonomy is not None:
            return f"{key}: {'; '.join(changes_between(was.taxonomy, now.taxonomy).lines(3))}"
        return f"{key}: another taxonomy"
    return f"{key}: {before} -> {after}"


def _operational(key: str) -> bool:
    """Whether a key concerns an oracle's endpoint, limits or caps, which may change during a run."""
    return key.startswith(("oracle", "evaluation.oracle", "audit.")) and key.rpartition(".")[2] in OPERATIONAL


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
        return flat_file.as_list(value, where)
    try:
        literal_path(name)
        used = None if encoding is None else text_reading.encoding(encoding)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    text = read_text(name, f"{where}: {name!r}", flat_file.EXPECTED, used, f"labels: {{path: {name}, encoding: {{}}}}")
    return flat_file.read(name, text)


def _defaults(task: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the keys that only a taxonomy has."""
    defaults = {"separator": SEPARATOR, "answers": "leaf", "wording": "auto"}
    return {key: default if task.get(key) is None else task[key] for key, default in defaults.items()}


def _tree(task: dict[str, Any], path: str) -> TaskTree:
    """Return the labels of a task of kind taxonomy; an empty one if its separator is wrong, which is reported later."""
    separator = _defaults(task)["separator"]
    if not isinstance(separator, str) or not separator:
        return TaskTree()
    labels = task["labels"]
    if is_reference(labels):
        return reference(labels, path)
    return read_tree(labels, f"{path}: task.labels", separator)


def _flat(node: Any, key: str = "") -> dict[str, Any]:
    """Flatten nested data: {"query": {"batch": 50}} becomes {"query.batch": 50}."""
    if isinstance(node, dict):
        return {k: v for name, child in node.items() for k, v in _flat(child, join(key, name)).items()}
    if isinstance(node, list):
        return {k: v for i, child in enumerate(node) for k, v in _flat(child, join(key, i)).items()}
    return {key: node}
