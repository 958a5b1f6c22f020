"""What the service tells about the labels of its model, never all of many in one response."""

from collections.abc import Mapping, Sequence

from laud_ray.printable import quoted
from serve.registry import Entry, Label
from serve.schemas import FaultError

# The most labels in one response.
MOST = 1000


def listed(entry: Entry, given: Mapping[str, str]) -> dict[str, object]:
    """Return some labels of a model as JSON, and how many there are.

    Args:
        entry: the model.
        given: the query of the URL: at most `limit` labels are listed, from number `offset` on, of those whose name has
            the text `contains` in it.

    Raises:
        FaultError: 422 if one of these is not valid.
    """
    offset, limit = _whole(given, "offset", 0, 0, None), _whole(given, "limit", MOST, 1, MOST)
    wanted = given.get("contains", "").casefold()
    found: Sequence[Label] = entry.labels
    if wanted:
        found = [one for one in entry.labels if wanted in one.name.casefold()]
    shown = [{"name": one.name, "description": one.description} for one in found[offset : offset + limit]]
    return {"labels": shown, "total": len(found)}


def tree_json(entry: Entry) -> dict[str, int] | None:
    """Return the size of a model's taxonomy; None for other tasks."""
    tree = entry.taxonomy
    return None if tree is None else {"leaves": len(tree.leaves), "nodes": len(tree.nodes), "levels": tree.levels}


def _whole(given: Mapping[str, str], key: str, default: int, least: int, most: int | None) -> int:
    text = given.get(key)
    if text is None:
        return default
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    if value < least or (most is not None and value > most):
        bound = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise FaultError(422, "invalid", f"{key}: {quoted(text)} is not valid; expected a whole number {bound}")
    return value
