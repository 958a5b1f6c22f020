"""The metrics of a round that stopping rules use."""

from typing import Literal, TypeAlias

from laud_ray.types import Estimate, RoundResult

Metric: TypeAlias = Literal["accuracy", "macro_f1", "micro_f1"]
METRICS: dict[str, str] = {"accuracy": "accuracy", "macro_f1": "macro-F1", "micro_f1": "micro-F1"}


def estimate_of(result: RoundResult, metric: Metric) -> Estimate:
    """Return a round's estimate of a metric; micro-F1 only exists in a multilabel task."""
    if metric == "micro_f1":
        assert result.figures.multilabel is not None, "the configuration allows it in multilabel tasks alone"
        return result.figures.multilabel.micro_f1
    return result.figures.accuracy if metric == "accuracy" else result.figures.macro_f1
