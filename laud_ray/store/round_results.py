"""Rebuild the results of rounds from the JSON in which they are stored."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from laud_ray.errors import DamageError
from laud_ray.storage.checksums import EXPECTED
from laud_ray.types import (
    CandidateRecall,
    ClassEstimates,
    ClassFigures,
    ConfusedSiblings,
    Estimate,
    Figures,
    HierarchyFigures,
    LevelFigures,
    MultilabelFigures,
    NodeFigures,
    RoundResult,
)

if TYPE_CHECKING:
    from laud_ray.store.store import Store

CANDIDATES = "candidate recall"


def from_json(result: Mapping[str, object]) -> RoundResult:
    """Rebuild a result from its JSON.

    Raises:
        DamageError: if it is not the result of a round.
    """
    try:
        return _rebuilt({**result})
    except (KeyError, TypeError, AttributeError) as error:
        number = result.get("number", "?") if isinstance(result, Mapping) else "?"
        raise DamageError(
            f"round {number}: its result in the run's database cannot be read ({error!r}); {EXPECTED}"
        ) from None


def _rebuilt(data: dict[str, Any]) -> RoundResult:
    figures = data["figures"]
    estimates = {key: Estimate(**figures[key]) for key in ("accuracy", "macro_f1")}
    per_class = tuple(_class_figures(row) for row in figures["per_class"])
    # Runs of earlier versions, and those of tasks of other kinds, have none of these.
    hierarchy, sets = figures.get("hierarchy"), figures.get("multilabel")
    of_kind = {"hierarchy": hierarchy and _hierarchy(hierarchy), "multilabel": sets and _multilabel(sets)}
    data["figures"] = Figures(**{**figures, **estimates, "per_class": per_class, **of_kind})
    return RoundResult(**data)


def _multilabel(data: dict[str, Any]) -> MultilabelFigures:
    estimates = {name: Estimate(**one) for name, one in data.items() if isinstance(one, dict)}
    return MultilabelFigures(**{**data, **estimates})


def _hierarchy(data: dict[str, Any]) -> HierarchyFigures:
    shares = ("accuracy", "precision", "recall", "f1", "common_depth", "backed_off", "macro_f1")
    return HierarchyFigures(
        **{
            **data,
            **{name: data[name] and Estimate(**data[name]) for name in shares},
            "answered": tuple(Estimate(**one) for one in data["answered"]),
            "levels": tuple(_level(row) for row in data["levels"]),
            "confused": tuple(ConfusedSiblings(**row) for row in data["confused"]),
            "nodes": tuple(_node(row) for row in data["nodes"]),
        }
    )


def _level(row: dict[str, Any]) -> LevelFigures:
    estimates = {name: row[name] and Estimate(**row[name]) for name in ("accuracy", "coverage", "macro_f1")}
    return LevelFigures(**{**row, **estimates})


def _node(row: dict[str, Any]) -> NodeFigures:
    confused = tuple(ConfusedSiblings(**one) for one in row["confused"])
    return NodeFigures(**{**row, "estimates": _estimates(row["estimates"]), "confused": confused})


def _class_figures(row: dict[str, Any]) -> ClassFigures:
    found = row.get("estimates")
    return ClassFigures(**{**row, "estimates": found and _estimates(found)})


def _estimates(found: dict[str, Any]) -> ClassEstimates:
    return ClassEstimates(**{name: Estimate(**one) for name, one in found.items()})


def record_candidates(store: "Store", found: CandidateRecall) -> None:
    """Record how often the lists of a round hold the right leaf of a taxonomy; the next round's replaces it."""
    store.set(CANDIDATES, json.dumps(asdict(found)))


def recorded_candidates(store: "Store") -> CandidateRecall | None:
    """Return what was recorded last; None if nothing was."""
    text = store.setting(CANDIDATES)
    if text is None:
        return None
    found = json.loads(text)
    return CandidateRecall(found["round"], found["size"], Estimate(**found["recall"]))
