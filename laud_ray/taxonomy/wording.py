"""How the leaves of a taxonomy are put into words for an encoder, and which way fits known answers best."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from laud_ray.taxonomy.tree import Node, Taxonomy
from laud_ray.types import Floats, Indices, Task

LEAF = "leaf"
# A wording -> the words of a node.
WORDINGS: dict[str, Callable[[Node], str]] = {
    LEAF: lambda node: node.name,
    "parent": lambda node: ", ".join(node.path[:-3:-1]),
    "path": lambda node: ", ".join(reversed(node.path)),
}
# Maps a task to the (n,) likeliest leaves of n texts.
Likeliest: TypeAlias = Callable[[Task], Indices]
# With fewer known answers, the leaf's own name is kept.
FEWEST = 50


def worded(task: Task, wording: str) -> Task:
    """Return the task with its leaves in other words; a task of another kind is returned as it is.

    Example:
        `parent` words the leaf "Drinks > Tea > Green" as "Green, Tea", and `path` as "Green, Tea, Drinks".
    """
    tree = task.taxonomy
    if tree is None:
        return task
    nodes = (tree.nodes[leaf] for leaf in tree.leaves.tolist())
    labels = zip(task.labels, map(WORDINGS[wording], nodes), strict=True)
    return replace(task, labels=tuple(replace(label, wording=words) for label, words in labels))


def best_wording(task: Task, answers: Sequence[str], likeliest: Likeliest) -> tuple[str, Mapping[str, float]]:
    """Return the wording whose likeliest leaves share most of their path with the answers, and the share of each.

    The leaf's own name is kept unless another wording is better by more than the standard error of the difference.

    Args:
        answers: the paths of n known nodes.
        likeliest: maps a task to the (n,) likeliest leaves of the texts of the answers.

    Raises:
        ValueError: if the task has no taxonomy, or an answer is none of its nodes.
    """
    tree = task.taxonomy
    if tree is None:
        raise ValueError(f"task.kind: {task.kind} is not valid; expected a taxonomy")
    known = [tree.find(answer) for answer in answers]
    if None in known:
        raise ValueError(f"{answers[known.index(None)]!r} is not valid; expected the path of a node of the taxonomy")
    truth = np.asarray(known, np.int64)
    shares = {name: _shared(tree, truth, likeliest(worded(task, name))) for name in WORDINGS}
    best = LEAF
    for name, share in shares.items():
        gain = share - shares[best]
        if gain.mean() > gain.std() / max(len(gain), 1) ** 0.5:
            best = name
    return best, {name: round(float(share.mean()), 4) for name, share in shares.items()}


def _shared(tree: Taxonomy, truth: Indices, leaves: Indices) -> Floats:
    """Return for each text the hierarchical F1 of its likeliest leaf, (n,)."""
    nodes = tree.leaves[leaves]
    share: Floats = 2 * tree.shared_depth(truth, nodes) / (tree.depths[truth] + tree.depths[nodes])
    return share
