"""What is asked, how often and of whom: seed, queries, evaluation sample, audits, budget."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from laud_ray.config.mistakes import known_names
from laud_ray.config.oracles import OracleConfig
from laud_ray.config.section import Section
from laud_ray.query import COMPOSED, SPREADABLE, STRATEGIES


class InitConfig(Section):
    per_class: int = Field(default=1, ge=1)
    max_queries: int = Field(default=300, ge=1)


MIX = {"margin": 0.7, "random": 0.3}


class QueryConfig(Section):
    """What to ask about next.

    Attributes:
        mix: each part's share when the strategy is mix, of their sum.
        diversity: how a batch of an uncertainty strategy is spread over what its candidates look like.
        shortlist: the most candidates that are embedded for a strategy that looks at where they lie.
        answerable: whether to avoid what is like documents that the oracle abstained from.
    """

    strategy: str = "margin"
    batch: int = Field(default=50, ge=1)
    mix: dict[str, Annotated[float, Field(gt=0)]] = Field(default=MIX)
    diversity: Literal["kmeans", "core_set", "badge"] | None = None
    shortlist: int = Field(default=50_000, ge=1)
    answerable: bool = True

    @field_validator("diversity", mode="before")
    @classmethod
    def _none(cls, method: object) -> object:
        return None if method == "none" else method

    @field_validator("strategy")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in STRATEGIES:
            raise ValueError(f"{name!r} is no query strategy: expected one of {known_names(name, STRATEGIES)}")
        return name

    @field_validator("mix")
    @classmethod
    def _parts(cls, mix: dict[str, float]) -> dict[str, float]:
        simple = [name for name in STRATEGIES if name not in COMPOSED]
        for name in mix:
            if name not in simple:
                raise ValueError(f"{name!r} cannot be part of a mix: expected one of {known_names(name, simple)}")
        if not mix:
            raise ValueError("no parts: expected at least one strategy with its share")
        return mix

    @model_validator(mode="after")
    def _consistent(self) -> "QueryConfig":
        if self.shortlist < self.batch:
            raise ValueError(f"shortlist: {self.shortlist}: expected at least the batch, {self.batch}")
        if self.strategy != "mix" and self.mix != MIX:
            raise ValueError(f"mix: with the strategy {self.strategy!r}, which has no parts: expected strategy: mix")
        parts = list(self.mix) if self.strategy == "mix" else [self.strategy]
        if self.diversity is not None and not set(parts) & set(SPREADABLE):
            raise ValueError(
                f"diversity: {self.diversity!r} with the strategy {', '.join(map(repr, parts))}: "
                f"expected it with one of {', '.join(SPREADABLE)}"
            )
        return self


class EvaluationConfig(Section):
    """The sample that figures come from. `oracle` is the most trusted one; by default the run's.

    Attributes:
        trusted: of how many documents `oracle` is asked; the run's own answers for all `size`. None: it answers alone.
    """

    size: int = Field(default=300, ge=20)
    stop_set: int = Field(default=1000, ge=0)
    stratify: bool | None = None
    oracle: OracleConfig | None = None
    trusted: int | None = Field(default=None, ge=20)

    @model_validator(mode="after")
    def _measurable(self) -> "EvaluationConfig":
        if self.trusted is not None and self.oracle is None:
            raise ValueError(f"trusted: {self.trusted} without an oracle: expected evaluation.oracle, who gives them")
        if self.trusted is not None and self.trusted > self.size:
            raise ValueError(f"trusted: {self.trusted}: expected at most the size, {self.size}")
        return self


class AuditConfig(Section):
    """Leaving out answers that are probably wrong, and asking again in place of some of a round's queries.

    A label that two answers agree on, or that most of three give, is what a model learns; while answers differ, the
    document trains nothing. The last model is judged with more care: once the budget is spent.

    Attributes:
        share: of a round's batch that may be spent on asking again; 0 is none.
        leave_out: whether the model that learns when the budget is spent leaves out what is probably wrong, and takes
            the likeliest of answers that differ, which buys nothing; None: where `share` is above 0.
        every: so many rounds.
        oracle: who is asked; None: the run's oracle, anew.
        trusted: its word is final, so no third answer is asked for.
        referee: who gives the third answer where the first, the second and the model's differ, or the second is none;
            None: whoever gave the second, anew.
    """

    share: float = Field(default=0.0, ge=0, lt=1)
    leave_out: bool | None = None
    every: int = Field(default=1, ge=1)
    oracle: OracleConfig | None = None
    trusted: bool = False
    referee: OracleConfig | None = None

    @model_validator(mode="after")
    def _of_use(self) -> "AuditConfig":
        if self.trusted and self.oracle is None:
            raise ValueError("trusted: true without an oracle: expected audit.oracle, whose word is final")
        if self.trusted and self.referee is not None:
            raise ValueError("referee: never asked, since trusted: true: expected one of the two")
        return self

    @property
    def leaves_out(self) -> bool:
        return self.share > 0 if self.leave_out is None else self.leave_out


class BudgetConfig(Section):
    """`annotations` are those of seed, queries and audits together."""

    annotations: int = Field(default=500, ge=1)
