"""The stop rules of a run. `laud_ray.stopping` has what each of them computes."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from laud_ray.config.section import Section
from laud_ray.stopping.metric import Metric


class BudgetRule(Section):
    kind: Literal["budget"]


class RoundsRule(Section):
    kind: Literal["rounds"]
    maximum: int = Field(ge=1)


class KappaRule(Section):
    kind: Literal["kappa"]
    threshold: float = Field(default=0.99, gt=0, le=1)
    window: int = Field(default=3, ge=1)


class PlateauRule(Section):
    kind: Literal["plateau"]
    gain: float = Field(default=0.005, ge=0, lt=1)
    patience: int = Field(default=3, ge=1)


class PoolExhaustedRule(Section):
    kind: Literal["pool_exhausted"]


class DeltaFRule(Section):
    kind: Literal["delta_f"]
    epsilon: float = Field(default=0.005, ge=0, lt=1)
    window: int = Field(default=3, ge=1)


class TargetRule(Section):
    """Stop when the lower bound of the metric's 95 % interval reaches `value`."""

    kind: Literal["target"]
    metric: Metric = "accuracy"
    value: float = Field(default=0.9, gt=0, lt=1)


class GainRule(Section):
    """Stop when the next `per` annotations are expected to gain less than a limit.

    Attributes:
        below: the limit, as a difference of the metric.
        cost_per_annotation: dollars. Together with value_per_point it replaces `below`: the limit is then the gain
            that is worth the price of `per` annotations.
        value_per_point: dollars for each percentage point of the metric. Both of these keys, or neither.
        patience: rounds in a row for which the gain has to stay below the limit.
    """

    kind: Literal["gain"]
    metric: Metric = "macro_f1"
    per: int = Field(default=100, ge=1)
    below: float = Field(default=0.005, gt=0, lt=1)
    cost_per_annotation: float | None = Field(default=None, gt=0)
    value_per_point: float | None = Field(default=None, gt=0)
    patience: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _both_prices(self) -> "GainRule":
        given = {name: getattr(self, name) for name in ("cost_per_annotation", "value_per_point")}
        for name, price in given.items():
            other = next(one for one in given if one != name)
            if price is not None and given[other] is None:
                raise ValueError(f"{name}: {price:g} needs {other} too; expected both or neither")
        return self


StopConfig = Annotated[
    BudgetRule | RoundsRule | KappaRule | PlateauRule | PoolExhaustedRule | DeltaFRule | TargetRule | GainRule,
    Field(discriminator="kind"),
]
