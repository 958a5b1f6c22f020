"""Where in a taxonomy a proposed label would stand: below the node that the current model finds for most of a group."""

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from laud_ray.steps.work import Work
from laud_ray.taxonomy import Taxonomy
from laud_ray.types import Indices, Task
from laud_ray.update.open_run import Current

# Leaves that a language model may choose from: those that the current model finds for the groups most often.
MOST = 100
# The share of a group that must be below a node.
MOSTLY = 0.5


def predicted(work: Work, current: Current, parts: Sequence[tuple[str, Indices]]) -> list[str | None]:
    """Return the labels that the current model gives to the documents in some rows of ranges."""
    scores, found = work.run.scores(current.round), list[str | None]()
    for name, rows in parts:
        column = scores.read_table(name, ["label"]).column("label").cast(pa.string())
        found += column.take(pa.array(rows)).to_pylist()
    return found


def likely(task: Task, groups: Sequence[Sequence[str | None]]) -> Task:
    """Return a flat task of the leaves that the members of groups have most often, of which one may fit a group."""
    counts = Counter(label for group in groups for label in group if label is not None)
    kept = {label for label, _ in counts.most_common(MOST)}
    return Task(task.name, "multiclass", tuple(one for one in task.labels if one.name in kept))


def placed(tree: Taxonomy, name: str | None, members: Sequence[str | None]) -> str | None:
    """Return the path of a new leaf: its name below the deepest inner node that most members are under.

    Example:
        With most of a group under "Food > Drinks > Tea" and "Food > Drinks > Coffee", "plant milk" is
        "Food > Drinks > plant milk".

    Args:
        tree: the taxonomy in force.
        name: of the leaf, or its path.
        members: labels of the group's documents; None, and a label that the taxonomy lacks, is under no node.
    """
    if name is None or _is_placed(tree, name):
        return name
    nodes = [node for label in members if label is not None and (node := tree.find_one(label)) is not None]
    counts = Counter(above for node in nodes for above in tree.ancestors(node).tolist())
    under = [node for node, n in counts.items() if n > MOSTLY * len(members)]
    if not under:
        return name
    return tree.label(max(under, key=lambda node: int(tree.depths[node]))) + tree.separator + name


def _is_placed(tree: Taxonomy, name: str) -> bool:
    """Whether a name is a path below a known node already."""
    above = name.split(tree.separator)[:-1]
    return bool(above) and tree.find_one(tree.separator.join(above)) is not None
