"""A taxonomy as the labels of a task, and as a file."""

import hashlib
import json
from typing import Any

from laud_ray.errors import ModelError
from laud_ray.taxonomy.tree import Node, Taxonomy
from laud_ray.types import Label, Task

FILE = "taxonomy.json"


def task_of(name: str, taxonomy: Taxonomy, *, inner: bool = False) -> Task:
    """Return the task whose labels are the leaves of a taxonomy.

    Args:
        inner: whether an inner node may be a document's right answer.
    """
    return Task(name, "taxonomy", leaf_labels(taxonomy), taxonomy, inner)


def leaf_labels(taxonomy: Taxonomy) -> tuple[Label, ...]:
    """Return the l leaves as labels, in the order of `Taxonomy.leaves`: named by their paths, worded by their names."""
    found = []
    for leaf in taxonomy.leaves.tolist():
        node = taxonomy.nodes[leaf]
        found.append(Label(taxonomy.label(leaf), node.description, wording=node.name))
    return tuple(found)


def by_path(taxonomy: Taxonomy) -> dict[str, int]:
    """Return path as text -> node, for all nodes: what the labels of annotations name."""
    return {taxonomy.label(node): node for node in range(len(taxonomy.nodes))}


def numbers_of(task: Task) -> dict[str, int]:
    """Return label -> class; in a taxonomy path as text -> node."""
    return {name: i for i, name in enumerate(task.names)} if task.taxonomy is None else by_path(task.taxonomy)


def agrees(task: Task, predicted: str, answer: str | None) -> bool:
    """Whether an answer confirms a predicted label: the same, or an inner node above it where no leaf is known."""
    if task.taxonomy is None or task.inner or answer is None:
        return predicted == answer
    return predicted == answer or predicted.startswith(answer + task.taxonomy.separator)


def answer_names(task: Task) -> frozenset[str]:
    """Return what an answer may name: the labels of a task, and in a taxonomy the paths of the inner nodes too."""
    if task.taxonomy is None:
        return frozenset(task.names)
    return frozenset(by_path(task.taxonomy))


def dump(taxonomy: Taxonomy) -> bytes:
    """Return a taxonomy as JSON, which `load` reads. 30,000 nodes are written and read in a fraction of a second."""
    rows = [[node.code, node.name, node.parent, node.description, list(node.also)] for node in taxonomy.nodes]
    return json.dumps({"separator": taxonomy.separator, "nodes": rows}, ensure_ascii=False).encode()


def digest(taxonomy: Taxonomy) -> str:
    """Return a hash of the nodes and the separator. A run knows its taxonomy by it, so it never changes."""
    return hashlib.sha256(dump(taxonomy)).hexdigest()


def load(stored: bytes, where: str) -> Taxonomy:
    """Read what `dump` wrote.

    Args:
        where: the file, for messages.

    Raises:
        ModelError: if it is something else.
    """
    try:
        found = json.loads(stored)
        return Taxonomy(tuple(_nodes(found["nodes"])), found["separator"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelError(f"{where}: is not a stored taxonomy: {type(error).__name__}: {error}") from None


def _nodes(rows: list[list[Any]]) -> list[Node]:
    nodes: list[Node] = []
    for code, name, parent, description, also in rows:
        path = (*nodes[parent].path, name) if parent >= 0 else (name,)
        nodes.append(Node(code, path, parent, description, tuple(also)))
    return nodes
