"""The nodes of a taxonomy as the options of a prompt: their names, and the codes that stand for them."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import islice

import numpy as np

from laud_ray.models.language.prompts import Listing, Option, codes, label_line
from laud_ray.taxonomy.task import dump
from laud_ray.taxonomy.tree import Taxonomy
from laud_ray.types import Label, Task

# Names that could be codes are no longer than this.
_CODE = 4


def node_labels(taxonomy: Taxonomy, nodes: Sequence[int]) -> list[Label]:
    """Return listed nodes as labels, named by their paths.

    Their other spellings are the ends of the path that name only one node of the list, such as "Tea > Green tea".
    """
    paths = [taxonomy.nodes[node].path for node in nodes]
    names = [taxonomy.label(node) for node in nodes]
    ends = [[taxonomy.separator.join(path[i:]) for i in range(1, len(path))] for path in paths]
    times = Counter([*names, *(end for some in ends for end in some)])
    return [
        Label(name, taxonomy.nodes[node].description, also=tuple(end for end in some if times[end] == 1))
        for node, name, some in zip(nodes, names, ends, strict=True)
    ]


def shown_labels(task: Task) -> list[Label]:
    """Return the labels of a prompt that lists all that may be right: with an inner task, every node of the tree."""
    if task.taxonomy is None:
        return list(task.labels)
    nodes = range(len(task.taxonomy.nodes)) if task.inner else task.taxonomy.leaves.tolist()
    return node_labels(task.taxonomy, nodes)


def lists_all(task: Task, size: int) -> bool:
    """Whether a prompt lists all labels: unless a taxonomy or a multilabel task has more of them than a list."""
    if task.taxonomy is None:
        return not task.multilabel or len(task.labels) <= size
    return (len(task.taxonomy.nodes) if task.inner else len(task.labels)) <= size


def coded(task: Task) -> list[Label]:
    """Return the labels whose names a code must not be: all of a task's, or short names of a taxonomy's nodes."""
    if task.taxonomy is None:
        return list(task.labels)
    return [Label(node.name) for node in task.taxonomy.nodes if len(node.name) <= _CODE]


def listing(task: Task, size: int, chosen: Sequence[str] = (), *, reverse: bool = False) -> tuple[Listing, str]:
    """Return how prompts list the nodes of a taxonomy, and the code for "unsure".

    Args:
        task: a task with a taxonomy.
        size: the most nodes in a list.
        chosen: size + 2 codes, the last two for "none of these" and for "unsure". By default the first codes that no
            node is called.
        reverse: whether nodes are listed in the reverse of their order.
    """
    assert task.taxonomy is not None, "only a taxonomy has lists of nodes"
    *names, none, unsure = chosen or islice(codes(coded(task)), size + 2)
    tree = hashlib.blake2b(dump(task.taxonomy) + bytes([task.inner]), digest_size=8).hexdigest()
    return Listing(tree, tuple(names), none, reverse), unsure


def longest_options(task: Task, found: Listing) -> tuple[Option, ...]:
    """Return the options of a prompt that lists the longest nodes. Its tokens bound those of nearly all prompts."""
    assert task.taxonomy is not None, "only a taxonomy has lists of nodes"
    tree = task.taxonomy
    lengths = np.asarray([len(label_line(Label(tree.label(i), node.description))) for i, node in enumerate(tree.nodes)])
    longest = np.argsort(-lengths, kind="stable")[: len(found.codes)]
    return found.options([Label(tree.label(i), tree.nodes[i].description) for i in longest.tolist()])
