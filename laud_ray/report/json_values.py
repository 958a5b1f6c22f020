"""Values that several JSON objects have in common: JSON types only, None for what is unknown or has no bound."""

import math
from collections.abc import Sequence

from laud_ray.quality.raters import Agreement, Confused
from laud_ray.types import Estimate


def finite(value: float | None) -> float | None:
    """Return a number; None for what is unknown, infinite, or not a number."""
    return float(value) if value is not None and math.isfinite(value) else None


def estimate_json(one: Estimate) -> dict[str, object]:
    """Return an estimate; a limit without a bound is None."""
    return {"value": finite(one.value), "low": finite(one.low), "high": finite(one.high), "n": one.n}


def agreement_json(agreement: Agreement | None) -> dict[str, object] | None:
    """Return the agreement of several annotators; None if there is none."""
    if agreement is None:
        return None
    return {
        "documents": agreement.documents,
        "alpha": finite(agreement.alpha),
        "pairs": [
            {"one": p.one, "other": p.other, "n": p.n, "share": finite(p.share), "kappa": finite(p.kappa)}
            for p in agreement.pairs
        ],
        "confused": confused_json(agreement.confused),
    }


def confused_json(pairs: Sequence[Confused]) -> list[dict[str, object]]:
    """Return pairs of labels and how many documents got both."""
    return [{"label": one.label, "other": one.other, "documents": one.count} for one in pairs]
