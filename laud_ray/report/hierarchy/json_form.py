"""Figures of a taxonomy as JSON: JSON types only. Shares are in [0, 1], depths in levels."""

from laud_ray.report.json_values import estimate_json
from laud_ray.types import ConfusedSiblings, HierarchyFigures, LevelFigures, NodeFigures


def hierarchy_json(found: HierarchyFigures | None, *, nodes: bool = True) -> dict[str, object] | None:
    """Return the figures of a taxonomy; None for other tasks. The meaning of each is that of `HierarchyFigures`.

    Estimates are `{"value", "low", "high", "n"}`. `macro_f1` is over `nodes_in_macro_f1` nodes, those with at least
    `documents_of_a_node` documents. A level has its number, its `size` in the taxonomy, and of its nodes `nodes` are in
    its `macro_f1` while `left_out` have too few documents. `nodes` lists the nodes with the most documents, and
    `confused` the siblings whose documents are most often predicted as the `other`.

    Args:
        nodes: whether to include the figures of nodes and the siblings that are confused.
    """
    if found is None:
        return None
    shares = ("accuracy", "precision", "recall", "f1", "common_depth", "backed_off")
    more: dict[str, object] = {}
    if nodes:
        more = {
            "confused": [_confused(one) for one in found.confused],
            "nodes": [_node(one) for one in found.nodes],
        }
    return {
        "n": found.n,
        **{name: estimate_json(getattr(found, name)) for name in shares},
        "macro_f1": None if found.macro_f1 is None else estimate_json(found.macro_f1),
        "nodes_in_macro_f1": found.macro_nodes,
        "documents_of_a_node": found.least,
        "answered": [estimate_json(one) for one in found.answered],
        "levels": [_level(one) for one in found.levels],
        **more,
    }


def _level(one: LevelFigures) -> dict[str, object]:
    return {
        "level": one.level,
        "size": one.size,
        "accuracy": estimate_json(one.accuracy),
        "coverage": estimate_json(one.coverage),
        "macro_f1": None if one.macro_f1 is None else estimate_json(one.macro_f1),
        "nodes": one.nodes,
        "left_out": one.left_out,
    }


def _node(one: NodeFigures) -> dict[str, object]:
    figures = {
        name: estimate_json(getattr(one.estimates, name)) for name in ("prevalence", "precision", "recall", "f1")
    }
    return {
        "label": one.label,
        "level": one.level,
        "children": one.children,
        "leaves": one.leaves,
        "documents": one.support,
        **figures,
        "elsewhere": one.elsewhere,
        "confused": [{"other": other.other, "documents": other.documents} for other in one.confused],
    }


def _confused(one: ConfusedSiblings) -> dict[str, object]:
    return {"label": one.label, "other": one.other, "documents": one.documents}
