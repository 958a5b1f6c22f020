"""Rebuild the results of rounds from the JSON in which they are stored."""

import json
from collections.abc import Mapping
from typing import Any

from laud_ray.errors import DamageError
from laud_ray.storage.checksums import EXPECTED
from laud_ray.types import ClassEstimates, ClassFigures, Estimate, Figures, RoundResult


def from_json(result: Mapping[str, object]) -> RoundResult:
    """Rebuild a result from its JSON.

    Raises:
        DamageError: if it is not the result of a round.
    """
    try:
        return _rebuilt(json.loads(json.dumps(result)))
    except (KeyError, TypeError, AttributeError) as error:
        number = result.get("number", "?") if isinstance(result, Mapping) else "?"
        raise DamageError(
            f"round {number}: its result in the run's database cannot be read ({error!r}); {EXPECTED}"
        ) from None


def _rebuilt(data: dict[str, Any]) -> RoundResult:
    figures = data["figures"]
    estimates = {key: Estimate(**figures[key]) for key in ("accuracy", "macro_f1")}
    per_class = tuple(_class_figures(row) for row in figures["per_class"])
    data["figures"] = Figures(**{**figures, **estimates, "per_class": per_class})
    return RoundResult(**data)


def _class_figures(row: dict[str, Any]) -> ClassFigures:
    found = row.get("estimates")
    estimates = found and ClassEstimates(**{name: Estimate(**one) for name, one in found.items()})
    return ClassFigures(**{**row, "estimates": estimates})
