"""Rounds as they are recorded: a result from its JSON."""

import json
from collections.abc import Mapping
from typing import Any

from laud_ray.types import ClassEstimates, ClassFigures, Estimate, Figures, RoundResult


def from_json(result: Mapping[str, object]) -> RoundResult:
    """Rebuild a result from its JSON."""
    data = json.loads(json.dumps(result))
    figures = data["figures"]
    estimates = {key: Estimate(**figures[key]) for key in ("accuracy", "macro_f1")}
    per_class = tuple(_class_figures(row) for row in figures["per_class"])
    data["figures"] = Figures(**{**figures, **estimates, "per_class": per_class})
    return RoundResult(**data)


def _class_figures(row: dict[str, Any]) -> ClassFigures:
    found = row.get("estimates")
    estimates = found and ClassEstimates(**{name: Estimate(**one) for name, one in found.items()})
    return ClassFigures(**{**row, "estimates": estimates})
