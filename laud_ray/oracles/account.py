"""Record the calls of one language model in the ledger: caps, prices and parsed answers."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from laud_ray.config import LlmConfig
from laud_ray.errors import ConfigError
from laud_ray.models.language.prompts import Option, Prompt
from laud_ray.oracles.completions.confidence import read
from laud_ray.oracles.completions.verdicts import read_one, read_verdicts
from laud_ray.oracles.engines import Completion, Request
from laud_ray.store.ledger import Answer, Call, Caps, Ledger
from laud_ray.types import Task

ANSWER_TOKENS = 16
RATIONALE_TOKENS = 256
# For estimates: the tokens of an answer without and with a rationale.
LIKELY_TOKENS, LIKELY_RATIONALE_TOKENS = 2, 60
# Of one verdict, such as "AB": "yes" with a comma: at most, and for estimates.
VERDICT_TOKENS, LIKELY_VERDICT_TOKENS = 14, 7
MOST_KEPT = 4000


def answer_tokens(config: LlmConfig) -> int:
    """The most tokens of an answer."""
    return config.max_answer_tokens or (RATIONALE_TOKENS if config.rationale else ANSWER_TOKENS)


def fitted(config: LlmConfig, task: Task) -> LlmConfig:
    """Return a configuration whose answers have room for a verdict on each label that a prompt asks about."""
    if not task.multilabel or config.engine == "vllm" or config.max_answer_tokens is not None:
        return config
    asked = min(len(task.labels), config.shortlist)
    return config.model_copy(update={"max_answer_tokens": ANSWER_TOKENS + VERDICT_TOKENS * asked})


def likely_answer_tokens(config: LlmConfig, task: Task | None = None) -> int:
    """An estimate of the tokens of an answer."""
    if task is not None and task.multilabel and config.engine == "openai":
        return LIKELY_VERDICT_TOKENS * min(len(task.labels), config.shortlist)
    return LIKELY_RATIONALE_TOKENS if config.rationale else LIKELY_TOKENS


def key_of(config: LlmConfig, where: str) -> str | None:
    """Return the API key for the endpoint from the environment; None if there is none and base_url is set.

    Raises:
        ConfigError: if there is no key and no base_url.
    """
    key = os.environ.get(config.key_variable, "").strip()
    if not key and config.base_url is None:
        raise ConfigError(
            f"{where}.key_variable: the environment variable {config.key_variable} is not set; expected the API key "
            "in it, or base_url for an endpoint of your own"
        )
    return key or None


def needs_confidence(config: LlmConfig) -> bool:
    """Whether single answers are accepted by the probability that the model gives them, as a threshold requires."""
    return config.threshold > 0 and config.votes == 1


def no_confidence(config: LlmConfig, where: str, reason: str = "") -> ConfigError:
    """The error for a threshold with a model that returns no log-probabilities."""
    detail = f" ({reason})" if reason else ""
    return ConfigError(
        f"{where}.threshold: {config.threshold} needs a confidence, and {config.model} returns no log-probabilities"
        f"{detail}; expected threshold: 0, or votes: 3 or more"
    )


@dataclass(frozen=True, slots=True)
class Account:
    """Records calls in the ledger and enforces the caps of a configuration. Implements `CallRecorder`.

    Attributes:
        where: the key of the configuration, for messages.
        oracle: the name under which calls are counted.
        _listed: the prompts and options of the calls that are not answered yet, by their numbers.
    """

    ledger: Ledger
    config: LlmConfig
    where: str
    oracle: str
    prompt: Prompt
    _listed: dict[int, tuple[Prompt, tuple[Option, ...]]] = field(default_factory=dict, repr=False, compare=False)

    def begin(self, request: Request, prompt_tokens: int) -> int | None:
        config, most = self.config, answer_tokens(self.config)
        call = Call(
            request.key,
            self.oracle,
            config.engine,
            config.model,
            self.prompt.version,
            request.document_id,
            request.vote,
            request.attempt,
            prompt_tokens + most,
            config.dollars(prompt_tokens, most),
        )
        number = self.ledger.begin(call, Caps(config.max_calls, config.max_tokens, config.max_dollars))
        if number is not None:
            self._listed[number] = request.prompt, request.options
        return number

    def finish(self, number: int, completion: Completion, seconds: float) -> Answer:
        prompt, options = self._listed.pop(number)
        if prompt.one:
            parsed = read_one(completion)
        elif prompt.each:
            parsed = read_verdicts(completion, options, prompt)
        else:
            parsed = read(completion, options, self.prompt.unsure or "")
        used = (completion.prompt_tokens or 0, completion.completion_tokens or 0)
        words = _shortened(completion.refusal or completion.text)
        answer = Answer(words, parsed.label, parsed.confidence, *used, self.config.dollars(*used), seconds, parsed.why)
        self.ledger.finish(number, answer)
        self.require_confidence(answer)
        return answer

    def require_confidence(self, answer: Answer) -> None:
        """Raise ConfigError if the threshold needs a confidence that the model does not give."""
        if needs_confidence(self.config) and answer.label is not None and answer.confidence is None:
            raise no_confidence(self.config, self.where)

    def fail(self, number: int, reason: str, *, billed: bool) -> None:
        self._listed.pop(number, None)
        self.ledger.fail(number, reason, billed=billed)

    def answered(self) -> int:
        return self.ledger.totals(self.oracle).answered

    def was_read(self) -> bool:
        """Whether at least one answer of this model in this run could be parsed."""
        return self.ledger.has_label(self.oracle)

    def refused(self) -> dict[str, int | None]:
        return self.ledger.remembered(self._refusals)

    def refuse(self, names: Mapping[str, int | None]) -> None:
        self.ledger.remember(self._refusals, {**self.refused(), **names})

    @property
    def _refusals(self) -> str:
        return f"parameters refused by {self.config.model} at {self.config.base_url or 'OpenAI'}"

    def capped(self) -> str:
        config, used = self.config, self.ledger.totals(self.oracle)
        if config.max_calls is not None and used.calls >= config.max_calls:
            figures = f"max_calls: {used.calls:,} of {config.max_calls:,} calls of {config.model} are used"
        else:
            of = [
                *([f"max_tokens: {used.tokens:,} of {config.max_tokens:,} tokens"] if config.max_tokens else []),
                *([f"max_dollars: ${used.dollars:.4f} of ${config.max_dollars:g}"] if config.max_dollars else []),
            ]
            figures = f"{', '.join(of)} of {config.model} are used, and the next call may not fit"
        return f"{self.where}.{figures}; raise the cap and run the same command again to resume"


def _shortened(words: str) -> str:
    """Return the beginning and the end of an answer, which are stored: a reply may be 100 kB long."""
    return words if len(words) <= MOST_KEPT else f"{words[: MOST_KEPT // 2]} [...] {words[-MOST_KEPT // 2 :]}"
