"""What every stopping rule says of a number that cannot be."""

from typing import Literal, TypeAlias

from laud_ray.errors import ConfigError
from laud_ray.types import Estimate, RoundResult

Metric: TypeAlias = Literal["accuracy", "macro_f1"]
METRICS: dict[str, str] = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


def require_at_least_one(rule: str, name: str, value: int) -> None:
    if value < 1:
        raise ConfigError(f"{rule}: {name} is {value}, expected at least 1")


def require_metric(rule: str, metric: str) -> None:
    if metric not in METRICS:
        raise ConfigError(f"{rule}: metric is {metric!r}, expected one of {', '.join(METRICS)}")


def estimate_of(result: RoundResult, metric: Metric) -> Estimate:
    return result.figures.accuracy if metric == "accuracy" else result.figures.macro_f1
