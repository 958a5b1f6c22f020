"""What the service tells about the labels of its model, never all of many in one response."""

from collections.abc import Mapping, Sequence

from laud_ray.printable import quoted
from laud_ray.types import Estimate
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
    shown = [_shown(entry, one) for one in found[offset : offset + limit]]
    return {"labels": shown, "total": len(found)}


def tree_json(entry: Entry) -> dict[str, int] | None:
    """Return the size of a model's taxonomy; None for other tasks."""
    tree = entry.taxonomy
    return None if tree is None else {"leaves": len(tree.leaves), "nodes": len(tree.nodes), "levels": tree.levels}


def rules_json(entry: Entry) -> dict[str, object] | None:
    """Return how a multilabel model decides, with the lowest and the highest threshold; None for other tasks.

    The threshold of each label stands with the label: `listed`.
    """
    rules = entry.rules
    if rules is None:
        return None
    low, high = float(rules.thresholds.min()), float(rules.thresholds.max())
    groups = [[entry.names[place] for place in group] for group in rules.exclusive]
    return {"thresholds": {"low": round(low, 6), "high": round(high, 6)}, "at_most": rules.at_most, "exclusive": groups}


def figures_json(entry: Entry) -> dict[str, object] | None:
    """Return the figures of a model on the evaluation sample of its run; None without one."""
    if entry.accuracy is None:
        return None
    found: dict[str, object] = {"accuracy": _figure(entry.accuracy)}
    return found if entry.micro_f1 is None else {**found, "micro_f1": _figure(entry.micro_f1)}


def _figure(found: Estimate) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high, "n": found.n}


def _shown(entry: Entry, label: Label) -> dict[str, object]:
    found: dict[str, object] = {"name": label.name, "description": label.description}
    if entry.rules is not None:
        found["threshold"] = round(float(entry.rules.thresholds[entry.index[label.name]]), 6)
    return found


def _whole(given: Mapping[str, str], key: str, default: int, least: int, most: int | None) -> int:
    text = given.get(key)
    if text is None:
        return default
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    if value < least or (most is not None and value > most):
        bound = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise FaultError(422, "invalid", f"{key}: {quoted(text)} is not valid; expected a whole number {bound}")
    return value
