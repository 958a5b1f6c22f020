"""Which documents are annotated, and by which oracle: seed, queries, evaluation sample, promise, audits, budget."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from laud_ray.config.mistakes import known_names
from laud_ray.config.oracles import OracleConfig
from laud_ray.config.section import Section, is_multilabel
from laud_ray.query import COMPOSED, MULTILABEL, OF_SETS, SPREADABLE, STRATEGIES


class InitConfig(Section):
    """The seed: the first annotations, found by walking down each class's zero-shot ranking.

    Attributes:
        per_class: positive answers to find for each class.
        max_queries: the most queries for all classes together.
    """

    per_class: int = Field(default=1, ge=1)
    max_queries: int = Field(default=300, ge=1)


MIX = {"margin": 0.7, "random": 0.3}
# In place of `auto` in a multilabel task: uncertain documents alone were worse than random ones; half of each were
# about as good as random ones (docs/LOG.md).
MIX_OF_SETS = {"label_entropy": 0.5, "random": 0.5}


def _of_the_task(names: Iterable[str], info: ValidationInfo) -> list[str]:
    """Return the strategies that a message offers: a multilabel task refuses some, and other tasks those of sets."""
    return [name for name in names if (name in MULTILABEL if is_multilabel(info) else name not in OF_SETS)]


class QueryConfig(Section):
    """Which documents to annotate next.

    Attributes:
        strategy: the name of a query strategy (laud_ray.query.STRATEGIES). Of a multilabel task it is one of
            laud_ray.query.MULTILABEL; MIX_OF_SETS is in place of `auto`, and where none is named.
        batch: queries per round.
        mix: the weight of each strategy where `strategy` is mix; the weights are normalised to sum to 1.
        diversity: how a batch of an uncertainty strategy is spread over the candidates' embeddings. None: not at all.
        shortlist: the most candidates that are embedded, where the strategy uses embeddings.
        answerable: whether to avoid documents that resemble those from which the oracle abstained.
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
    def _known(cls, name: str, info: ValidationInfo) -> str:
        if name not in STRATEGIES:
            expected = _of_the_task(STRATEGIES, info)
            raise ValueError(f"{name!r} is not valid; expected one of {known_names(name, expected)}")
        return name

    @field_validator("mix")
    @classmethod
    def _parts(cls, mix: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        simple = [name for name in STRATEGIES if name not in COMPOSED]
        for name in mix:
            if name not in simple:
                expected = known_names(name, _of_the_task(simple, info))
                raise ValueError(f"{name!r} is not valid in a mix; expected one of {expected}")
        if not mix:
            raise ValueError("is empty; expected at least one strategy with its weight")
        return mix

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> "QueryConfig":
        if self.shortlist < self.batch:
            raise ValueError(f"shortlist: {self.shortlist} is not valid; expected at least query.batch, {self.batch}")
        if self.strategy != "mix" and self.mix != MIX:
            raise ValueError(f"mix: is not used with strategy: {self.strategy}; expected strategy: mix")
        if self.diversity is not None and not set(self._named) & set(SPREADABLE):
            raise ValueError(
                f"diversity: {self.diversity!r} is not valid with strategy {', '.join(map(repr, self._named))}; "
                f"expected strategy to be one of {', '.join(_of_the_task(SPREADABLE, info))}"
            )
        return self

    @property
    def _named(self) -> tuple[str, ...]:
        """The strategies of a mix, or else the strategy."""
        return tuple(self.mix) if self.strategy == "mix" else (self.strategy,)

    def of_sets(self) -> "QueryConfig":
        """Return the same section of a multilabel task, with its own mix in place of `auto` or no strategy.

        Raises:
            ValueError: if a strategy reads class probabilities that sum to 1.
        """
        if self.strategy == "auto" or "strategy" not in self.model_fields_set:
            diversity = self.diversity if "diversity" in self.model_fields_set else "kmeans"
            return self.model_copy(update={"strategy": "mix", "mix": dict(MIX_OF_SETS), "diversity": diversity})
        for name in self._named:
            if name not in MULTILABEL:
                allowed = [one for one in MULTILABEL if one not in COMPOSED]  # in a mix
                if name == self.strategy:
                    spread = (*COMPOSED, *SPREADABLE) if self.diversity is not None else MULTILABEL
                    allowed = [one for one in MULTILABEL if one in spread]
                raise ValueError(
                    f"{name!r} is not valid with task.kind: multilabel; expected one of {known_names(name, allowed)}"
                )
        return self

    def of_classes(self) -> "QueryConfig":
        """Return this section of a task of another kind.

        Raises:
            ValueError: if a strategy reads the probabilities of labels that are independent of each other.
        """
        for name in self._named:
            if name in OF_SETS:
                raise ValueError(f"{name!r} is not valid; expected it only with task.kind: multilabel")
        return self


class EvaluationConfig(Section):
    """The sample from which the figures of a run are estimated.

    Attributes:
        size: documents in the sample.
        stop_set: further, unlabelled documents on which the kappa rule compares successive models.
        stratify: whether the sample of a binary task is stratified by zero-shot score. None: yes, for a binary task.
        oracle: the most trusted oracle, which answers for the sample. None: the run's oracle.
        trusted: the size of a subsample that `oracle` answers, while the run's oracle answers for all `size` documents.
            None: `oracle` answers for all of them, and the run's oracle for none.
    """

    size: int = Field(default=300, ge=20)
    stop_set: int = Field(default=1000, ge=0)
    stratify: bool | None = None
    oracle: OracleConfig | None = None
    trusted: int | None = Field(default=None, ge=20)

    @model_validator(mode="after")
    def _measurable(self) -> "EvaluationConfig":
        if self.trusted is not None and self.oracle is None:
            raise ValueError(f"trusted: {self.trusted} has no oracle; expected evaluation.oracle, which answers them")
        if self.trusted is not None and self.trusted > self.size:
            raise ValueError(f"trusted: {self.trusted} is not valid; expected at most evaluation.size, {self.size}")
        return self


class PromiseConfig(Section):
    """How often answers of a taxonomy are right: an answer that is too uncertain climbs to the node above.

    Attributes:
        accuracy: the share of answers that are right at their level.
    """

    accuracy: float = Field(gt=0, lt=1)


class AuditConfig(Section):
    """Re-checks of answers that are probably wrong. They replace some of a round's queries.

    A re-checked document trains the model with the label that two answers, or two of three, agree on; until they
    agree it is left out of training.

    Attributes:
        share: the largest share of a round's batch that is spent on re-checks; 0 turns them off.
        leave_out: whether the last model, trained when the budget is spent, is trained without annotations that are
            probably wrong, and with the likeliest label where answers differ. It costs no annotations.
            None: if `share` is above 0.
        every: rounds from one audit to the next.
        oracle: the oracle that gives the second answer. None: a new answer of the run's oracle.
        trusted: whether the second answer is final, so that no third one is asked for.
        referee: the oracle that gives the third answer, where the second is an abstention or agrees neither with the
            first nor with the model. None: a new answer of the oracle that gave the second.
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
            raise ValueError("trusted: true has no oracle; expected audit.oracle, whose answers are final")
        if self.trusted and self.referee is not None:
            raise ValueError("referee: is never asked with trusted: true; expected one of the two keys")
        return self

    @property
    def leaves_out(self) -> bool:
        return self.share > 0 if self.leave_out is None else self.leave_out


class BudgetConfig(Section):
    """The most annotations: seed, queries and audits together. The evaluation sample is counted apart."""

    annotations: int = Field(default=500, ge=1)
