"""The questions about a document of a taxonomy, and what its answers come to. Pure.

The first question lists the likeliest leaves. "None of these" goes a level up: the second lists the nodes of a level,
the third the leaves below the chosen node. If not all of these fit into the list and none of them is right, the fourth
lists nodes between, and the fifth the leaves below the chosen one. A model that finds no leaf ends with the lowest node
that it has chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from laud_ray.labels import NONE_OF_THESE, UNSURE
from laud_ray.taxonomy.tree import Taxonomy

MOST = 5


@dataclass(frozen=True, slots=True)
class Step:
    """A question.

    Attributes:
        leaves: whether it lists leaves; else nodes of a level.
        below: the node below which all of them are; None: anywhere.
    """

    leaves: bool
    below: int | None = None


FIRST = Step(leaves=True)


def following(taxonomy: Taxonomy, size: int, said: Sequence[str | None]) -> Step | None:
    """Return the next question; None if the answers so far decide.

    Args:
        taxonomy: the tree.
        size: the most nodes in a list.
        said: the answers so far: a node's path, NONE_OF_THESE, UNSURE, or None if it could not be parsed.

    Example:
        After "none of these" and "Food", the leaves below Food are listed.
    """
    if not said:
        return FIRST
    last, asked = said[-1], len(said)
    if last == NONE_OF_THESE:
        if asked == 1:
            return Step(leaves=False)
        node = taxonomy.find(str(said[1])) if asked == 3 else None
        return Step(leaves=False, below=node) if node is not None and taxonomy.leaf_count(node) > size else None
    node = taxonomy.find(last) if asked in (2, 4) and last not in (None, UNSURE) else None
    return Step(leaves=True, below=node) if node is not None and not taxonomy.is_leaf(node) else None


def ended(said: Sequence[str | None]) -> str | None:
    """Return the answer that all answers come to: a node's path, UNSURE, or None if the last could not be parsed.

    Example:
        >>> ended(["none of these", "Food", "none of these"]), ended(["none of these", "none of these"])
        ('Food', 'unsure')
    """
    if said[-1] != NONE_OF_THESE:
        return said[-1]
    return next((one for one in reversed(said) if one != NONE_OF_THESE), UNSURE)
