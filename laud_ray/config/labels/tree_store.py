"""The taxonomy in the folder of a run, and the reference to it in the run's configuration."""

import hashlib
from collections.abc import Mapping
from typing import TypeGuard

from laud_ray.config.labels.tree import TaskTree
from laud_ray.errors import ModelError
from laud_ray.storage.folder import Folder
from laud_ray.taxonomy import Taxonomy
from laud_ray.taxonomy.task import FILE, load

_KEYS = {"path", "sha256", "column"}


def is_reference(labels: object) -> TypeGuard[Mapping[str, str]]:
    """Return whether labels in YAML refer to the file of a run: {path: taxonomy.json, sha256: ...}."""
    return (
        isinstance(labels, dict)
        and labels.get("path") == FILE
        and "sha256" in labels
        and labels.keys() <= _KEYS
        and all(isinstance(one, str) for one in labels.values())
    )


def reference(labels: Mapping[str, str], path: str) -> TaskTree:
    """Return the tree in the folder of a configuration; it is not read if its file is missing or has other nodes.

    Args:
        labels: the reference.
        path: the configuration.
    """
    folder, name = Folder.of_file(path)
    found = stored(folder, labels["sha256"]) if name.endswith((".yaml", ".yml")) else None
    return TaskTree(labels.get("column"), labels["sha256"], found)


def stored(folder: Folder, digest: str) -> Taxonomy | None:
    """Return the taxonomy with this digest from the file in a run's folder; None if it is missing or another one."""
    try:
        data = folder.read(FILE)
    except FileNotFoundError:
        return None
    return parsed(data, digest, f"{folder.uri}/{FILE}")


def parsed(data: bytes, digest: str, where: str) -> Taxonomy | None:
    """Return a stored taxonomy; None if its digest is another one, or the data are damaged."""
    if hashlib.sha256(data).hexdigest() != digest:
        return None
    try:
        return load(data, where)
    except ModelError:
        return None
