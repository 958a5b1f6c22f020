"""The oracles, which annotate documents: replay, llm, people, cascade."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from laud_ray.config.mistakes import require_url, require_variable
from laud_ray.config.section import PathText, Section


class ReplayConfig(Section):
    """Answers from a column of the corpus that only the oracle sees.

    Attributes:
        label: the column.
        noise: rate of answers that are replaced by a random wrong label.
        abstain: rate of answers that are replaced by an abstention.
    """

    kind: Literal["replay"]
    label: str = Field(min_length=1)
    noise: float = Field(default=0.0, ge=0, le=1)
    abstain: float = Field(default=0.0, ge=0, le=1)


class LlmConfig(Section):
    """Answers of a language model, which runs in this cluster (vllm) or at an OpenAI-compatible endpoint (openai).

    Attributes:
        guideline: instructions for annotation beyond the labels and their descriptions.
        chat_template: whether prompts are put into the model's chat template (vllm). Without it they are plain text
            that the answer continues, which a small model may follow better.
        examples: how many annotated examples each prompt shows: the document's nearest neighbours.
        shortlist: the most nodes of a taxonomy in a prompt: the likeliest leaves by the encoder, and the labels of the
            nearest annotated documents. If none of these is right, a further question lists nodes of a higher level.
        rationale: ask for a sentence of reasoning before the answer.
        votes: answers per document. With more than one, the confidence is the winner's share of the votes.
        temperature: sampling temperature. None: 0 for one vote, 0.7 for several.
        threshold: answers below this confidence become abstentions.
        max_answer_tokens: None: 16, or 256 with a rationale. A reasoning model needs more.
        base_url, key_variable: the endpoint, and the environment variable that holds its API key.
        timeout: seconds.
        concurrency: requests in flight (openai); a replica of vllm has eight times as many.
        max_calls, max_tokens, max_dollars: caps over the whole run. Calls in flight count, and so do the calls of
            all other oracles with the same model, those for the evaluation sample included.
        input_price, output_price: dollars per million tokens. Without them, what an endpoint costs is unknown.
        replicas, gpus_per_replica: vLLM engines, and GPUs for each, all on one node.
        OPERATIONAL: the keys that may change during a run.
    """

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset(
        {"base_url", "key_variable", "timeout", "retries", "concurrency", "max_calls", "max_tokens", "max_dollars"}
        | {"input_price", "output_price", "replicas", "gpus_per_replica", "max_answer_tokens", "max_text_chars"}
    )

    kind: Literal["llm"]
    engine: Literal["vllm", "openai"]
    model: PathText
    guideline: str = ""
    chat_template: bool = True
    examples: int = Field(default=0, ge=0)
    shortlist: int = Field(default=50, ge=2, le=500)
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

    @property
    def name(self) -> str:
        """The name under which its calls and answers are recorded."""
        return f"llm:{self.model}"

    @property
    def priced(self) -> bool:
        """Whether the dollars of its calls are known."""
        return bool(self.input_price or self.output_price)

    def dollars(self, given: float, answered: float) -> float:
        """Return the price of tokens in prompts and of tokens in answers; 0 if it has no prices."""
        return (given * self.input_price + answered * self.output_price) / 1e6

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, url: str | None) -> str | None:
        return None if url is None else require_url(url, "http://localhost:8000/v1")

    @field_validator("key_variable")
    @classmethod
    def _is_variable(cls, name: str) -> str:
        return require_variable(name, "OPENAI_API_KEY")

    @model_validator(mode="after")
    def _templated(self) -> "LlmConfig":
        if self.engine == "openai" and not self.chat_template:
            raise ValueError("chat_template: false is not valid; expected engine: vllm, since an endpoint always chats")
        return self

    @model_validator(mode="after")
    def _priced(self) -> "LlmConfig":
        if self.max_dollars is not None and not self.priced:
            raise ValueError(f"max_dollars: {self.max_dollars:g} needs prices; expected input_price or output_price")
        return self


class PeopleConfig(Section):
    """People answer: on the page of `laud annotate`, in a file, or in Label Studio.

    Attributes:
        guideline: what an annotator is told beyond the labels; the page shows it beside each question.
        team: how many people answer; with 1 nothing is asked twice.
        per_document: answers that each document gets, from different people.
        twice: share of the questions, drawn at random, that two people of a team answer: agreement is estimated from
            these alone.
        doubt: whether a second person of a team is asked where the first differs from the model, which has not learned
            the answer.
        suggestions: whether the labels that the model finds likely may be shown.
        hidden: share of the questions that hides them nevertheless, so that their effect on people can be measured.
            Questions that measure, those of the evaluation sample and those asked again, always hide them.
        hourly: dollars for an hour of active time. max_dollars: a cap on what all answers cost.
        close_at: share of a round's answers with which the round closes; the rest stays open.
        lease: seconds for which a question is kept for the person who was shown it.
        OPERATIONAL: the keys that may change during a run.
    """

    OPERATIONAL: ClassVar[frozenset[str]] = frozenset({"team", "doubt", "hourly", "max_dollars", "close_at", "lease"})

    kind: Literal["people"]
    guideline: str = ""
    team: int = Field(default=1, ge=1)
    per_document: int = Field(default=1, ge=1)
    twice: float = Field(default=0.1, ge=0, le=1)
    doubt: bool = True
    suggestions: bool = True
    hidden: float = Field(default=0.1, ge=0, le=1)
    hourly: float = Field(default=0.0, ge=0)
    max_dollars: float | None = Field(default=None, gt=0)
    close_at: float = Field(default=1.0, gt=0, le=1)
    lease: float = Field(default=300, ge=10)

    @model_validator(mode="after")
    def _possible(self) -> "PeopleConfig":
        if self.per_document > self.team:
            raise ValueError(f"per_document: {self.per_document} with team: {self.team}; expected at most the team")
        if self.max_dollars is not None and not self.hourly:
            raise ValueError(f"max_dollars: {self.max_dollars:g} without a price; expected hourly, in dollars")
        return self


# An oracle other than a cascade.
SingleConfig: TypeAlias = ReplayConfig | LlmConfig | PeopleConfig


class CascadeConfig(Section):
    """Oracles in order. Each answers the documents from which the one before abstained.

    An llm oracle abstains where its confidence is below its threshold.
    """

    kind: Literal["cascade"]
    oracles: tuple[Annotated[SingleConfig, Field(discriminator="kind")], ...]

    @field_validator("oracles")
    @classmethod
    def _several(cls, oracles: tuple[SingleConfig, ...]) -> tuple[SingleConfig, ...]:
        if len(oracles) < 2:
            raise ValueError(f"has {len(oracles)} oracle(s); expected at least two, the cheapest first")
        if any(isinstance(one, PeopleConfig) for one in oracles[:-1]):
            raise ValueError("has people before another oracle; expected people as the last oracle")
        return oracles


OracleConfig = Annotated[ReplayConfig | LlmConfig | PeopleConfig | CascadeConfig, Field(discriminator="kind")]


# The keys of all oracles that may change during a run.
OPERATIONAL = LlmConfig.OPERATIONAL | PeopleConfig.OPERATIONAL


def _members(config: OracleConfig) -> tuple[SingleConfig, ...]:
    """Return the oracles of a cascade, or an oracle alone."""
    return config.oracles if isinstance(config, CascadeConfig) else (config,)


def repeats_itself(config: OracleConfig) -> bool:
    """Whether an oracle is deterministic, so that a second answer for a document is the first one again."""
    return all(isinstance(one, LlmConfig) and one.temperature == 0 for one in _members(config))


def asks_model(config: OracleConfig) -> bool:
    """Whether an oracle asks a language model, alone or in a cascade."""
    return any(isinstance(one, LlmConfig) for one in _members(config))


def unpriced(config: OracleConfig) -> tuple[str, ...]:
    """Return the models of an endpoint whose dollars are unknown, because they have no prices."""
    asked = (one for one in _members(config) if isinstance(one, LlmConfig) and one.engine == "openai")
    return tuple(dict.fromkeys(one.model for one in asked if not one.priced))


def people_in(config: OracleConfig) -> PeopleConfig | None:
    """Return the people of an oracle, alone or in a cascade; None if it asks none."""
    return next((one for one in _members(config) if isinstance(one, PeopleConfig)), None)


def require_verdicts(config: OracleConfig, where: str) -> None:
    """Refuse ways to ask a language model that a multilabel task does not have.

    Raises:
        ValueError: if an oracle asks so; it names the key, below `where`.
    """
    for one in _members(config):
        if isinstance(one, LlmConfig) and one.engine == "vllm" and one.examples:
            raise ValueError(
                f"{where}.examples: {one.examples} is not valid with engine: vllm and task.kind: multilabel; expected 0"
            )
        if isinstance(one, LlmConfig) and one.rationale:
            raise ValueError(
                f"{where}.rationale: true is not valid with task.kind: multilabel; expected false, since an answer has "
                "a verdict on each label and nothing else"
            )
