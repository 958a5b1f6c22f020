"""Run vLLM in this cluster, offline, through ray.data.llm. It starts in about a minute, so one call has all requests.

Prompts are tokenized here, so the token counts in the ledger are exact and the pipeline consists of the engine alone.
"""

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from laud_ray.config import LlmConfig
from laud_ray.errors import ModelError
from laud_ray.models.language import chat
from laud_ray.models.language.engine import engine_arguments, environment, require_vllm
from laud_ray.models.language.prompts import Prompt
from laud_ray.oracles.account import answer_tokens
from laud_ray.oracles.engines import Asked, CallRecorder, Completion, Request, Token, all_refused
from laud_ray.store.ledger import Answer
from laud_ray.types import Label

logger = logging.getLogger(__name__)

ALTERNATIVES = 20


def open_tokenizer(model: str, where: str) -> Any:
    """Load the tokenizer of a model. This also detects a missing model early.

    Raises:
        ModelError: if the model does not exist or vLLM is not installed.
    """
    try:
        require_vllm()
        return chat.open_tokenizer(model)
    except ModelError as error:
        raise ModelError(
            f"{where}.{error}" if str(error).startswith("model:") else f"{where}.engine: {error}"
        ) from None


def token_codes(tokenizer: Any, labels: Sequence[Label], model: str) -> list[str]:
    """Return a code of one token for each label and for "unsure"; an empty list if the tokenizer has too few."""
    n = len(labels) + 1
    found = [code for code, _ in chat.choose_codes(tokenizer, n, model, labels)]
    return found if len(found) == n else []


class VllmEngine:
    """Generates with vLLM. Without a rationale, guided decoding restricts answers to the codes of the prompt."""

    def __init__(
        self,
        config: LlmConfig,
        prompt: Prompt,
        tokenizer: Any,
        *,
        temperature: float,
        seed: int = 0,
        where: str = "oracle",
    ) -> None:
        self._config, self._tokenizer, self._seed, self._where = config, tokenizer, seed, where
        self._frame = chat.frame(tokenizer, prompt)
        self._sampling: dict[str, Any] = {
            "temperature": temperature,
            "max_tokens": answer_tokens(config),
            "logprobs": ALTERNATIVES,
        }
        if not config.rationale:
            # After "Category:" the token of a code usually includes the space before it; in a chat it does not.
            codes = [*(option.code for option in prompt.options), *([prompt.unsure] if prompt.unsure else [])]
            self._sampling["structured_outputs"] = {"choice": [lead + code for code in codes for lead in ("", " ")]}

    @property
    def at_once(self) -> int:
        return sys.maxsize

    def ask(self, requests: Sequence[Request], recorder: CallRecorder) -> Asked:
        prompts = [self.token_ids(request) for request in requests]
        numbers: list[int] = []
        waiting = None
        for request, prompt in zip(requests, prompts, strict=True):
            number = recorder.begin(request, len(prompt))
            if number is None:
                waiting = recorder.capped()
                break
            numbers.append(number)
        rows = [self._row(i, requests[i], prompts[i]) for i in range(len(numbers))]
        return Asked(self._run(rows, requests, numbers, recorder) if rows else {}, waiting)

    def token_ids(self, request: Request) -> list[int]:
        """Tokenize the whole prompt. Opening and text hold documents, so no control tokens are recognised in them."""
        opening, text = chat.encode_plain(self._tokenizer, [request.opening, request.text])
        return [*self._frame.prefix_ids, *opening, *text, *self._frame.suffix_ids]

    def _row(self, index: int, request: Request, prompt: list[int]) -> dict[str, Any]:
        seed = (self._seed + 1000 * request.attempt + request.vote) % 2**31
        return {"index": index, "tokenized_prompt": prompt, "sampling_params": {**self._sampling, "seed": seed}}

    def _run(
        self, rows: list[dict[str, Any]], requests: Sequence[Request], numbers: Sequence[int], recorder: CallRecorder
    ) -> dict[str, Answer]:
        """Generate answers for recorded requests, and record each one as it arrives.

        Args:
            numbers: of the calls, as `CallRecorder.begin` returned them; one for each row.

        Raises:
            ModelError: if the engine fails, or refuses every prompt.
        """
        from ray.exceptions import RayError

        answers: dict[str, Answer] = {}
        began = time.monotonic()
        try:
            for row in self._generate(rows):
                i = row["index"]
                answers[requests[i].key] = _record(row, numbers[i], recorder, time.monotonic() - began)
        except RayError as error:
            reason = _cause(error)
            for request, number in zip(requests, numbers, strict=False):
                if request.key not in answers:
                    recorder.fail(number, reason, billed=False)
            logger.error("vLLM failed: %s", error)
            raise ModelError(f"{self._where}.model: vLLM could not run {self._config.model!r}: {reason}") from None
        refused = all_refused(answers)
        if refused and not recorder.answered():
            raise ModelError(f"{self._where}.model: {self._config.model!r} accepted none of the prompts ({refused})")
        return answers

    def _generate(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Send rows through the engines and yield results as they finish, in any order."""
        import ray

        ray.data.DataContext.get_current().enable_progress_bars = False
        processor = self._processor()
        gpus = self._config.gpus_per_replica * self._config.replicas
        if gpus > ray.cluster_resources().get("GPU", 0):
            logger.warning("%s.gpus_per_replica: waiting until the cluster has %d GPUs", self._where, gpus)
        blocks = -(-len(rows) // self._config.concurrency)
        yield from processor(ray.data.from_items(rows, override_num_blocks=blocks)).iter_rows()

    def _processor(self) -> Any:
        from ray.data.llm import build_processor, vLLMEngineProcessorConfig

        config, on_cpu = self._config, self._config.gpus_per_replica == 0
        placement = {"bundles": [{"CPU": 1}] if on_cpu else [{"CPU": 1, "GPU": 1}] * config.gpus_per_replica}
        processor = vLLMEngineProcessorConfig(
            model_source=config.model,
            engine_kwargs={
                **engine_arguments(
                    config.model,
                    dtype=config.dtype,
                    max_context=config.max_context,
                    gpus=config.gpus_per_replica,
                    on_cpu=on_cpu,
                ),
                "max_logprobs": ALTERNATIVES,
            },
            batch_size=config.concurrency,
            concurrency=(config.replicas, config.replicas),
            placement_group_config=placement,
            runtime_env={"env_vars": environment(on_cpu=on_cpu)},
            should_continue_on_error=True,
            log_engine_metrics=False,
            chat_template_stage=False,
            tokenize_stage=False,
            detokenize_stage=False,
        )
        with _hushed():
            return build_processor(processor, postprocess=_reading())


@contextmanager
def _hushed() -> Iterator[None]:
    """Silence the log of ray.llm, whose loggers have handlers of their own."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)


def _reading() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return the function that reduces a row, in a worker, to the columns of an answer, in types of Arrow.

    A nested function is pickled by value, so the workers do not import this package, and torch with it.
    """

    def result(row: dict[str, Any]) -> dict[str, Any]:
        # Arrow gives each dict the keys of all rows in its block; those of other rows have no value.
        listed = [[(int(key), one) for key, one in at.items() if one] for at in row["logprobs"] or ()]
        return {
            "index": row["index"],
            "text": row["generated_text"],
            "generated": [int(token) for token in row["generated_tokens"]],
            "tokens": [
                [{"id": key, "text": one["decoded_token"] or "", "logprob": one["logprob"]} for key, one in at]
                for at in listed
            ],
            "prompt_tokens": row["num_input_tokens"],
            "completion_tokens": row["num_generated_tokens"],
        }

    return result


def _cause(error: Exception) -> str:
    """Return the line of a worker's traceback with the error."""
    lines = [
        line.strip() for line in str(error).splitlines() if re.match(r"\s*([\w.]*Error|Value error)\b.*[:,]", line)
    ]
    return (lines or str(error).strip().splitlines())[-1][:300]


def _record(row: Mapping[str, Any], number: int, recorder: CallRecorder, seconds: float) -> Answer:
    failure = row.get("__inference_error__")
    if failure:
        recorder.fail(number, failure, billed=False)
        return Answer(None, reason=failure)
    return recorder.finish(number, _completion(row), seconds)


def _completion(row: Mapping[str, Any]) -> Completion:
    tokens = []
    for said, listed in zip(row["generated"], row["tokens"], strict=False):
        one = next((one for one in listed if one["id"] == said), None)
        if one is not None:
            alternatives = tuple((other["text"], float(other["logprob"])) for other in listed)
            tokens.append(Token(str(one["text"]), float(one["logprob"]), alternatives))
    return Completion(str(row["text"]), tuple(tokens), int(row["prompt_tokens"]), int(row["completion_tokens"]))
