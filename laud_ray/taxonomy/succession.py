"""Carry answers from one version of a taxonomy to the next. Labels are paths as text."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from laud_ray.taxonomy.versions import Differences


@dataclass(frozen=True, slots=True)
class Carried:
    """An answer in a later version.

    Attributes:
        label: the path of its node; None if there is no such node.
        unclear: whether the answer does not say which leaf is right now: its leaf was split, or its node removed.
    """

    label: str | None
    unclear: bool = False


@dataclass(frozen=True, slots=True)
class Succession:
    """How labels of one version continue in the next one.

    Attributes:
        changed: label -> its label in the next version, None if it has none; a label that stays the same is left out.
        unclear: the labels whose answers have to be asked about again.
        added: leaves of the next version that no node of the earlier one corresponds to, also those below a split leaf.
        moved: leaves of the next version that were below another node.
        wider: whether a document that no label fitted may have one now: leaves were added, and not only below a leaf.
    """

    changed: Mapping[str, str | None] = field(default_factory=dict)
    unclear: Collection[str] = frozenset()
    added: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    wider: bool = False

    def carry(self, answer: Carried) -> Carried:
        """Return an answer of the earlier version in the next one. What is unclear stays unclear."""
        if answer.label is None:
            return answer
        return Carried(self.changed.get(answer.label, answer.label), answer.unclear or answer.label in self.unclear)

    def carry_label(self, label: str | None) -> str | None:
        """Return a label of the earlier version in the next one; None if it has none there."""
        return self.carry(Carried(label)).label


def succession(found: Differences) -> Succession:
    """Return how the labels of the old version continue in the new one.

    An answer at a split leaf becomes one at the node above the new leaves, and one at a removed node is lost; both are
    unclear. An answer at a node that was renamed, moved or merged belongs to the node that it became.

    Example:
        If "Food > Tea" became "Drinks > Hot tea", an answer "Food > Tea" becomes "Drinks > Hot tea".
    """
    old, new = found.old, found.new
    labels = {old.label(one): new.label(other) for one, other in found.kept.items()}
    gone = [old.label(one) for one in found.removed]
    changed: dict[str, str | None] = {was: now for was, now in labels.items() if was != now}
    added, moved = set(found.added), {other for _, other in found.moved}
    asked = [(node, new.label(node)) for node in found.asked]
    divided = {other for _, other in found.split}
    wider = any(node in added and divided.isdisjoint(new.ancestors(node).tolist()) for node, _ in asked)
    return Succession(
        changed | dict.fromkeys(gone),
        frozenset([*gone, *(old.label(one) for one, _ in found.split)]),
        added=tuple(label for node, label in asked if node in added),
        moved=tuple(label for node, label in asked if node in moved),
        wider=wider,
    )
