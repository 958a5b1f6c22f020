"""Run vLLM in this cluster, in actors of our own that outlive a call.

Through ray.data.llm each call would start its engines anew, 45 to 60 s each; a run makes dozens of calls. Prompts are
tokenized here, so the token counts in the ledger are exact and the engine only generates.
"""

import sys
from collections.abc import Sequence
from typing import Any

from laud_ray.cluster.connect import connect
from laud_ray.config import LlmConfig
from laud_ray.errors import ConfigError, ModelError
from laud_ray.models.language import chat
from laud_ray.models.language.answers.codes import choose_codes
from laud_ray.models.language.engine import EngineSettings, require_vllm
from laud_ray.models.language.prompts import Option, Prompt
from laud_ray.oracles.account import answer_tokens
from laud_ray.oracles.engines import Asked, CallRecorder, Request, all_refused
from laud_ray.oracles.vllm.asking import ask
from laud_ray.oracles.vllm.calls import choice
from laud_ray.oracles.vllm.faults import require_gpus, short_context
from laud_ray.types import Label

ALTERNATIVES = 20


def open_tokenizer(config: LlmConfig, where: str) -> Any:
    """Load the tokenizer of an oracle's model. This also detects a missing model, or one that cannot generate, early.

    Raises:
        ModelError: if the model does not exist or cannot generate, or vLLM is not installed.
    """
    try:
        require_vllm()
        chat.require_generative(config.model)
        return chat.open_tokenizer(config.model, template=config.chat_template)
    except ModelError as error:
        raise ModelError(
            f"{where}.{error}" if str(error).startswith("model:") else f"{where}.engine: {error}"
        ) from None


def token_codes(tokenizer: Any, labels: Sequence[Label], model: str, n: int | None = None) -> list[str]:
    """Return codes of one token that no label is called; an empty list if the tokenizer has too few.

    Args:
        n: how many. None: one for each label and for "unsure".
    """
    n = len(labels) + 1 if n is None else n
    found = [code for code, _ in choose_codes(tokenizer, n, model, labels)]
    return found if len(found) == n else []


class VllmEngine:
    """Generates with vLLM. Without a rationale, guided decoding restricts answers to the codes of the prompt.

    Attributes:
        sampling: arguments of vLLM's SamplingParams for all requests, as for `Replica.exchange`.
    """

    def __init__(
        self,
        config: LlmConfig,
        prompt: Prompt,
        tokenizer: Any,
        *,
        temperature: float,
        seed: int = 0,
        where: str = "oracle",
        longest: Sequence[Option] = (),
    ) -> None:
        """Create the engine's prompts; it starts when it is first asked.

        Args:
            longest: the longest options that a prompt may list beside those of `prompt`.

        Raises:
            ConfigError: if the labels do not fit into a prompt.
        """
        self._config, self._prompt, self._tokenizer = config, prompt, tokenizer
        self._seed, self._where, self._longest = seed, where, tuple(longest)
        self._frame = chat.frame(tokenizer, prompt)
        self.sampling: dict[str, Any] = {
            "temperature": temperature,
            "max_tokens": answer_tokens(config),
            "logprobs": ALTERNATIVES,
        }
        if not config.rationale:
            self.sampling["choice"] = list(choice(prompt.options, prompt.unsure))
        if (error := self._too_short()) is not None:
            raise error

    @property
    def at_once(self) -> int:
        """All documents: on one GPU, the models of a cascade run one after the other, so each is asked once a call."""
        return sys.maxsize

    def ask(self, requests: Sequence[Request], recorder: CallRecorder) -> Asked:
        """Get answers to requests; calls are recorded before they are sent, and again as they are answered.

        Raises:
            ConfigError: if this machine has not as many GPUs as the configuration wants.
            ModelError: if the engine does not start or dies repeatedly, or refuses every prompt.
        """
        connect()
        require_gpus(self._config, self._where)
        rows = [(request, self.token_ids(request), self.seed_of(request)) for request in requests]
        found = ask(rows, self._control(), self.sampling, self._settings, self._config, recorder, self._where)
        refused = all_refused(found.answers)
        if refused and not recorder.answered():
            raise ModelError(f"{self._where}.model: {self._config.model!r} accepted none of the prompts ({refused})")
        return found

    def token_ids(self, request: Request) -> list[int]:
        """Tokenize the whole prompt. Opening and text hold documents, so no control tokens are recognised in them."""
        opening, text = chat.encode_plain(self._tokenizer, [request.opening, request.text])
        return [*self._frame.prefix_ids, *opening, *text, *self._frame.suffix_ids]

    @property
    def _settings(self) -> EngineSettings:
        config = self._config
        return EngineSettings(
            model=config.model,
            tokenizer=config.model,
            max_context=config.max_context,
            dtype=config.dtype,
            gpus=config.gpus_per_replica,
        )

    def _control(self) -> list[int]:
        """Return the prompt of a document without a text, which every working engine can answer."""
        return self.token_ids(Request("", "", self._prompt, self._prompt.opening(self._longest), ""))

    def seed_of(self, request: Request) -> int:
        """Return the seed with which a request is sampled."""
        return (self._seed + 1000 * request.attempt + request.vote) % 2**31

    def _too_short(self) -> ConfigError | None:
        longest = min(self._config.max_context, chat.longest_context(self._config.model))
        needed = len(self._control()) + answer_tokens(self._config)
        return None if needed < longest else short_context(self._config, self._where, needed, longest)
