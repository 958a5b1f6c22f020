"""The metrics of a round that stopping rules use."""

from typing import Literal, TypeAlias

from laud_ray.types import Estimate, RoundResult

Metric: TypeAlias = Literal["accuracy", "macro_f1"]
METRICS: dict[str, str] = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


def estimate_of(result: RoundResult, metric: Metric) -> Estimate:
    """Return a round's estimate of a metric."""
    return result.figures.accuracy if metric == "accuracy" else result.figures.macro_f1
