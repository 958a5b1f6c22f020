"""The product's `vllm` engine in this process, so that a model folder is loaded once for any number of calls.

Prompts, answer codes, guided decoding and parsing are those of `VllmEngine`. Only Ray is left out.
"""

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from laud_ray.config import LlmConfig
from laud_ray.models.language.engine import engine_arguments, prepare
from laud_ray.models.language.replica import Prompted, generated, parameters
from laud_ray.oracles.engines import Asked, CallRecorder, Request
from laud_ray.oracles.llm import LlmOracle, oracle_prompt, temperature
from laud_ray.oracles.vllm.calls import completion
from laud_ray.oracles.vllm.engine import ALTERNATIVES, VllmEngine, open_tokenizer, token_codes
from laud_ray.store.ledger import Answer, Ledger
from laud_ray.types import Example, Task

CHUNK = 64  # answers are recorded after each chunk of prompts, so that a killed process loses less than a minute


class LocalEngine(VllmEngine):
    """Generates in this process instead of in an actor."""

    @property
    def shared(self) -> Sequence[int]:
        """The token ids that all prompts begin with."""
        return self._frame.prefix_ids

    def ask(self, requests: Sequence[Request], recorder: CallRecorder) -> Asked:
        """Get answers to requests; those of CHUNK prompts are recorded together."""
        answers: dict[str, Answer] = {}
        llm = _loaded(self._config.model, self._config.dtype, self._config.max_context)
        for start in range(0, len(requests), CHUNK):
            began, begun = time.monotonic(), list[tuple[Request, Prompted]]()
            for request in requests[start : start + CHUNK]:
                ids = self.token_ids(request)
                number = recorder.begin(request, len(ids))
                if number is None:
                    break
                begun.append((request, Prompted(number, ids, self.seed_of(request))))
            outputs = llm.generate(
                [{"prompt_token_ids": prompt.ids} for _, prompt in begun],
                [parameters(self.sampling, prompt.seed) for _, prompt in begun],
                use_tqdm=False,
            )
            seconds = time.monotonic() - began
            for (request, prompt), output in zip(begun, outputs, strict=True):
                found = completion(generated(prompt, output.outputs[0]))
                answers[request.key] = recorder.finish(prompt.number, found, seconds)
            if len(begun) < len(requests[start : start + CHUNK]):
                return Asked(answers, recorder.capped())
        return Asked(answers)


class LocalOracle(LlmOracle):
    """The product's oracle with a `LocalEngine`.

    Attributes:
        shared_tokens: the length of the beginning that all prompts share.
    """

    shared_tokens: int = 0


def local_oracle(config: LlmConfig, task: Task, ledger: Ledger, *, examples: Sequence[Example] = ()) -> LocalOracle:
    """Create the oracle of a configuration as `laud_ray.oracles.build_llm` does, with a `LocalEngine`."""
    tokenizer = open_tokenizer(config, "oracle")
    prompt = oracle_prompt(config, task, token_codes(tokenizer, task.labels, config.model))
    engine = LocalEngine(config, prompt, tokenizer, temperature=temperature(config))
    oracle = LocalOracle(config, prompt, engine, ledger, examples=examples)
    oracle.shared_tokens = len(engine.shared)
    return oracle


@cache
def _loaded(model: str, dtype: str, max_context: int) -> Any:
    import torch

    cpu = not torch.cuda.is_available()
    prepare(on_cpu=cpu)
    from vllm import LLM

    return LLM(
        model=model,
        max_logprobs=ALTERNATIVES,
        disable_log_stats=True,
        **engine_arguments(model, dtype=dtype, max_context=max_context, gpus=1, on_cpu=cpu),
    )
