"""The sections of the configuration: keys, types, ranges, defaults. Keys are fixed; more may be added."""

from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from laud_ray.config.mistakes import known_names
from laud_ray.query import COMPOSED, SPREADABLE, STRATEGIES
from laud_ray.types import Label, Task

OTHER = "other"


class Section(BaseModel):
    """A part of the configuration: no unknown keys, no conversions, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LabelConfig(Section):
    name: str = Field(min_length=1)
    description: str | None = None
    positive: bool = False


class TaskConfig(Section):
    """What is to be learned.

    In a binary task one label is positive and the rest together are `other`: the positive one is
    marked `positive: true`; without a mark it is the first.
    """

    name: str = Field(min_length=1)
    kind: Literal["binary", "multiclass"] = "multiclass"
    labels: tuple[LabelConfig, ...]

    @field_validator("labels")
    @classmethod
    def _distinct(cls, labels: tuple[LabelConfig, ...]) -> tuple[LabelConfig, ...]:
        names = [label.name for label in labels]
        if len(names) < 2:
            raise ValueError(f"{len(names)} label(s): expected at least two")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the label {twice[0]!r} stands {names.count(twice[0])} times: expected distinct labels")
        return labels

    @model_validator(mode="after")
    def _one_positive(self) -> "TaskConfig":
        marked = [label.name for label in self.labels if label.positive]
        if self.kind == "multiclass" and marked:
            raise ValueError(f"{marked[0]!r} is marked positive: expected so only when kind is binary")
        if len(marked) > 1:
            raise ValueError(f"{', '.join(map(repr, marked))} are marked positive: expected one")
        return self

    def to_task(self) -> Task:
        labels = tuple(Label(label.name, label.description) for label in self.labels)
        if self.kind == "multiclass":
            return Task(self.name, "multiclass", labels)
        at = next((i for i, label in enumerate(self.labels) if label.positive), 0)
        rest = tuple(label for i, label in enumerate(labels) if i != at)
        return Task(self.name, "binary", (labels[at], Label(OTHER, rest=rest)))


class CorpusConfig(Section):
    """Where the documents are. Texts longer than max_chars are cut there and counted."""

    path: str = Field(min_length=1)
    text: str = Field(min_length=1)
    id: str | None = None
    max_chars: int = Field(default=2000, ge=1)


class EncoderZeroShotConfig(Section):
    """Similarity of text and label in a sentence encoder. `template` turns a label's name into a text to embed."""

    engine: Literal["encoder"] = "encoder"
    model: str = "bundled"
    template: str = "{label}"

    @field_validator("template")
    @classmethod
    def _has_label(cls, template: str) -> str:
        if "{label}" not in template:
            raise ValueError(f"{template!r}: expected a text with {{label}} in it")
        return template


class PromptedSection(Section):
    """What every scorer that reads labels off a language model needs. The model is a hub name or a folder.

    Attributes:
        guideline: what an annotator would be told beyond the labels.
        max_labels: more labels than this are cut, for each document, to the likeliest by the encoder.
        max_text_tokens: longer texts are cut there.
        max_context: tokens of the longest prompt.
        orders: label orders that are averaged over, against position bias.
        calibrate: divide by the mean probability of each label on a sample of the corpus. It takes out what a
            model likes of itself, and with it how common a class is: never for a binary task.
        reader: how label probabilities are read: as log-probabilities of the next token, or with the language
            model cut down to a classifier over the label codes.
        memory: share of the GPU's memory that the engine takes.
    """

    model: str = Field(min_length=1)
    guideline: str = ""
    max_labels: int = Field(default=64, ge=2, le=128)
    max_text_tokens: int = Field(default=256, ge=4)
    max_context: int = Field(default=4096, ge=64)
    orders: int = Field(default=1, ge=1, le=16)
    calibrate: bool = False
    reader: Literal["logprobs", "classify"] = "classify"
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    memory: float = Field(default=0.9, gt=0, le=1)


class VllmZeroShotConfig(PromptedSection):
    """The probabilities that a language model gives to the codes of the labels."""

    engine: Literal["vllm"]


class EncoderConfig(Section):
    """LoRA on an encoder and a cosine head that starts as the label embeddings.

    Attributes:
        memory: unlabelled documents of the corpus whose predictions count for texts near them; 0 for none. It pays
            with some thirty of them a class, and costs where the classes have a long tail (docs/LOG.md), so None is
            3,000 for a multiclass task with at least 25 of them a class, else 0.
    """

    kind: Literal["encoder"]
    model: str = "bundled"
    rank: int = Field(default=16, ge=1, le=512)
    epochs: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    batch: int = Field(default=32, ge=1)
    max_tokens: int = Field(default=64, ge=4, le=512)
    class_balance: float = Field(default=0.0, ge=0, le=1)
    holdout: float = Field(default=0.0, ge=0, le=0.5)
    memory: int | None = Field(default=None, ge=0, le=20_000)


class LinearConfig(Section):
    """Frozen embeddings and a regularised linear head: the cheap baseline. `smoothing` is against wrong labels."""

    kind: Literal["linear"]
    model: str = "bundled"
    max_tokens: int = Field(default=64, ge=4, le=512)
    class_balance: float = Field(default=0.0, ge=0, le=1)
    smoothing: float = Field(default=0.0, ge=0, lt=1)


class CausalConfig(PromptedSection):
    """LoRA on a decoder language model whose target is the code of the label.

    Attributes:
        rank: of the adapter; vLLM loads no others.
        batch: examples per step, over all workers.
        batch_tokens: tokens that a worker computes at a time; the rest of its share is accumulated.
        shard: spread the base model over the workers (FSDP2), for models that do not fit one device.
    """

    kind: Literal["causal"]
    rank: Literal[8, 16, 32, 64, 128, 256] = 16
    epochs: int = Field(default=4, ge=1)
    learning_rate: float = Field(default=2e-4, gt=0, lt=1)
    batch: int = Field(default=16, ge=1)
    batch_tokens: int = Field(default=8192, ge=64)
    checkpointing: bool = True
    shard: bool = False


class InContextConfig(PromptedSection):
    """No training: annotated examples in the prompt, the same for all documents or the nearest of each."""

    kind: Literal["in_context"]
    examples: int = Field(default=16, ge=1)
    choose: Literal["nearest", "balanced"] = "nearest"
    max_example_tokens: int = Field(default=2048, ge=16)


class ReplayConfig(Section):
    """Answers from a column of the corpus that only the oracle sees; noise and abstain are rates."""

    kind: Literal["replay"]
    label: str = Field(min_length=1)
    noise: float = Field(default=0.0, ge=0, le=1)
    abstain: float = Field(default=0.0, ge=0, le=1)


class LlmConfig(Section):
    """A language model answers: in this cluster (vllm), or at any endpoint that speaks OpenAI's protocol (openai).

    Attributes:
        guideline: what an annotator would be told beyond the labels.
        examples: nearest annotated examples shown with each document.
        rationale: ask for a sentence of reasoning first.
        votes: answers per document; with more than one, confidence is the share of the winner.
        temperature: of sampling; None is 0 for one answer and 0.7 for several.
        threshold: below this confidence the answer is an abstention.
        max_answer_tokens: None is 16, or 256 with a rationale; a model that reasons by itself needs more.
        base_url, key_variable: the endpoint, and the environment variable that holds its key.
        concurrency: requests in flight (openai) or in one batch of a replica (vllm).
        max_calls, max_tokens, max_dollars: caps over the whole run; what is under way counts.
        input_price, output_price: dollars per million tokens.
        replicas, gpus_per_replica: engines of vllm.
        OPERATIONAL: the keys that may change during a run.
    """

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset(
        {"base_url", "key_variable", "timeout", "retries", "concurrency", "max_calls", "max_tokens", "max_dollars"}
        | {"input_price", "output_price", "replicas", "gpus_per_replica"}
    )

    kind: Literal["llm"]
    engine: Literal["vllm", "openai"]
    model: str = Field(min_length=1)
    guideline: str = ""
    examples: int = Field(default=0, ge=0)
    rationale: bool = False
    votes: int = Field(default=1, ge=1, le=25)
    temperature: float | None = Field(default=None, ge=0, le=2)
    threshold: float = Field(default=0.0, ge=0, le=1)
    max_text_chars: int = Field(default=2000, ge=16)
    max_answer_tokens: int | None = Field(default=None, ge=1)
    base_url: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    timeout: float = Field(default=60, gt=0)
    retries: int = Field(default=6, ge=0)
    concurrency: int = Field(default=32, ge=1)
    max_calls: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_dollars: float | None = Field(default=None, gt=0)
    input_price: float = Field(default=0.0, ge=0)
    output_price: float = Field(default=0.0, ge=0)
    replicas: int = Field(default=1, ge=1)
    gpus_per_replica: int = Field(default=0, ge=0)
    max_context: int = Field(default=4096, ge=64)
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r}: expected a URL such as http://localhost:8000/v1")
        return url

    @model_validator(mode="after")
    def _priced(self) -> "LlmConfig":
        if self.max_dollars is not None and not self.input_price and not self.output_price:
            raise ValueError(f"max_dollars: {self.max_dollars:g} without prices: expected input_price or output_price")
        return self


class CascadeConfig(Section):
    """The first oracle answers; where it abstains, which an llm does under its threshold, the next one does."""

    kind: Literal["cascade"]
    oracles: tuple[Annotated[ReplayConfig | LlmConfig, Field(discriminator="kind")], ...]

    @field_validator("oracles")
    @classmethod
    def _several(cls, oracles: tuple[ReplayConfig | LlmConfig, ...]) -> tuple[ReplayConfig | LlmConfig, ...]:
        if len(oracles) < 2:
            raise ValueError(f"{len(oracles)} oracle(s): expected at least two, the cheapest first")
        return oracles


class InitConfig(Section):
    per_class: int = Field(default=1, ge=1)
    max_queries: int = Field(default=300, ge=1)


class QueryConfig(Section):
    """What to ask about next.

    Attributes:
        mix: each part's share when the strategy is mix.
        diversity: how a batch of an uncertainty strategy is spread over what its candidates look like.
        shortlist: the most candidates that are embedded for a strategy that looks at where they lie.
        answerable: whether to avoid what is like documents that the oracle abstained from.
    """

    strategy: str = "margin"
    batch: int = Field(default=50, ge=1)
    mix: dict[str, Annotated[float, Field(gt=0)]] = {"margin": 0.6, "rare_class": 0.2, "random": 0.2}
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
        parts = list(self.mix) if self.strategy == "mix" else [self.strategy]
        if self.diversity is not None and not set(parts) & set(SPREADABLE):
            raise ValueError(
                f"diversity: {self.diversity!r} with the strategy {', '.join(map(repr, parts))}: "
                f"expected it with one of {', '.join(SPREADABLE)}"
            )
        return self


class EvaluationConfig(Section):
    """The sample that figures come from. `oracle` is the most trusted one; by default the run's."""

    size: int = Field(default=300, ge=20)
    stop_set: int = Field(default=1000, ge=0)
    stratify: bool | None = None
    oracle: Annotated[ReplayConfig | LlmConfig | CascadeConfig, Field(discriminator="kind")] | None = None


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
        referee: who gives the third answer where two differ; None: whoever gave the second, anew.
    """

    share: float = Field(default=0.0, ge=0, lt=1)
    leave_out: bool | None = None
    every: int = Field(default=1, ge=1)
    oracle: Annotated[ReplayConfig | LlmConfig | CascadeConfig, Field(discriminator="kind")] | None = None
    trusted: bool = False
    referee: Annotated[ReplayConfig | LlmConfig | CascadeConfig, Field(discriminator="kind")] | None = None

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
    """The lower bound of the metric's 95 % interval reaches `value`."""

    kind: Literal["target"]
    metric: Literal["accuracy", "macro_f1"] = "accuracy"
    value: float = Field(default=0.9, gt=0, lt=1)


class GainRule(Section):
    """The next `per` annotations are expected to add less than `below`, or than their price is worth.

    Attributes:
        cost_per_annotation, value_per_point: dollars, of a percentage point; both or neither. With them the limit is
            what they say in the place of `below`.
    """

    kind: Literal["gain"]
    metric: Literal["accuracy", "macro_f1"] = "macro_f1"
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
                raise ValueError(f"{name} is {price:g} without {other}: expected both or neither")
        return self


class ResourcesConfig(Section):
    """Machines. No key here changes results.

    Attributes:
        workers: processes that train; 0 trains in this one.
        scorers: language model engines that score at a time, each over gpus_per_scorer GPUs of one node, or
            without any on cpus_per_scorer cores.
    """

    workers: int = Field(default=0, ge=0)
    gpus_per_worker: float = Field(default=0, ge=0)
    gpus_per_scorer: float = Field(default=0, ge=0)
    scorers: int = Field(default=1, ge=1)
    cpus_per_scorer: int = Field(default=1, ge=1)


class ServingConfig(Section):
    """The service that is told when a model becomes current. No key here changes results; without it, it polls.

    Attributes:
        url: of the service, without /v1.
        token_env: the environment variable that holds its bearer token.
    """

    url: str | None = None
    token_env: str | None = Field(default=None, min_length=1)

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r}: expected a URL such as http://127.0.0.1:8000")
        return url


def _repeats_itself(config: Any) -> bool:
    """Whether an oracle says the same of a document however often it is asked."""
    members = config.oracles if isinstance(config, CascadeConfig) else (config,)
    return all(isinstance(one, LlmConfig) and one.temperature == 0 for one in members)


def _engine(value: Any) -> str:
    """The engine decides which keys zero_shot has; without one it is the encoder's."""
    return str(value.get("engine", "encoder") if isinstance(value, dict) else getattr(value, "engine", "encoder"))


ZeroShotConfig = Annotated[
    Annotated[EncoderZeroShotConfig, Tag("encoder")] | Annotated[VllmZeroShotConfig, Tag("vllm")],
    Discriminator(_engine),
]
LearnerConfig = Annotated[EncoderConfig | LinearConfig | CausalConfig | InContextConfig, Field(discriminator="kind")]
OracleConfig = Annotated[ReplayConfig | LlmConfig | CascadeConfig, Field(discriminator="kind")]
StopConfig = Annotated[
    BudgetRule | RoundsRule | KappaRule | PlateauRule | PoolExhaustedRule | DeltaFRule | TargetRule | GainRule,
    Field(discriminator="kind"),
]


class RunConfig(Section):
    """One task's run, from data to classifier.

    `store` is the PostgreSQL database for its annotations and registry; None: a file in `storage`. A password
    comes from PGPASSWORD or ~/.pgpass, since the configuration is written into the storage.
    """

    task: TaskConfig
    corpus: CorpusConfig
    storage: str = Field(min_length=1)
    store: str | None = None
    seed: int = Field(default=0, ge=0)
    zero_shot: ZeroShotConfig = EncoderZeroShotConfig()
    learner: LearnerConfig = EncoderConfig(kind="encoder")
    oracle: OracleConfig
    init: InitConfig = InitConfig()
    query: QueryConfig = QueryConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    audit: AuditConfig = AuditConfig()
    budget: BudgetConfig = BudgetConfig()
    stop: tuple[StopConfig, ...] = (BudgetRule(kind="budget"),)
    resources: ResourcesConfig = ResourcesConfig()
    serving: ServingConfig = ServingConfig()

    @model_validator(mode="after")
    def _drawn_anew(self) -> "RunConfig":
        """An audit must not buy the same answers again."""
        asked: list[tuple[str, OracleConfig]] = [("oracle", self.oracle), *self.second_oracles()]
        for i, (where, config) in enumerate(asked if self.audit.share else []):
            if config in [one for _, one in asked[:i]] and _repeats_itself(config):
                raise ValueError(
                    f"audit: share: {self.audit.share:g} would ask `{where}` again at temperature 0, which says the "
                    "same again: expected another audit.oracle or audit.referee, or no temperature"
                )
        return self

    def evaluation_oracle(self) -> tuple[str, OracleConfig]:
        """Who answers for the evaluation sample, under its key: the most trusted oracle, by default the run's."""
        trusted = self.evaluation.oracle
        return ("oracle", self.oracle) if trusted is None else ("evaluation.oracle", trusted)

    def asked_oracles(self) -> dict[str, OracleConfig]:
        """Everyone whom the run asks, under their keys: the run's own, those of audits, that of the evaluation."""
        again = self.second_oracles() if self.audit.share else ()
        return dict([("oracle", self.oracle), *again, self.evaluation_oracle()])

    def second_oracles(self) -> tuple[tuple[str, OracleConfig], ...]:
        """Who is asked in an audit, under its key: for the second answer, and unless that is final for the third."""
        second = ("audit.oracle", self.audit.oracle) if self.audit.oracle else ("oracle", self.oracle)
        third = ("audit.referee", self.audit.referee) if self.audit.referee else second
        return (second,) if self.audit.trusted else (second, third)

    @field_validator("store")
    @classmethod
    def _postgresql(cls, store: str | None) -> str | None:
        if store is None:
            return None
        expected = "expected postgresql://USER@HOST/DATABASE"
        try:
            url = make_url(store)
        except ArgumentError:
            raise ValueError(f"is no URL of a database: {expected}") from None
        if url.password is not None or "password" in url.query:
            raise ValueError(f"holds a password: {expected}, and the password in PGPASSWORD or ~/.pgpass")
        if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
            raise ValueError(f"{url.drivername!r} is another kind of database: {expected}")
        return store

    def dump(self) -> str:
        """The whole configuration as YAML, defaults included."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
