"""A vLLM engine for concurrent callers, in which adapters are added and removed while it runs.

It gives the same numbers as laud_ray.models.language.engine. n prompts, c codes.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from typing import Any

import numpy as np

from laud_ray.errors import EngineError, ModelError
from laud_ray.models.language.engine import EngineSettings, picked, samplings
from laud_ray.models.language.process import AsyncEngine
from laud_ray.types import Floats

# Prompts of one call that are in the engine at the same time, so that a long list does not delay a single text.
AT_ONCE = 128
# Adapters that one batch may use: the current model's and the next one's.
ADAPTERS = 2
# Adapters that stay in CPU memory, so that an adapter is read from its folder only once; the folder may be gone later.
KEPT_ADAPTERS = 4


class LabelStream:
    """Computes log-probabilities of codes after prompts; vLLM batches the prompts of all callers together."""

    def __init__(self, settings: EngineSettings, *, rank: int | None = None, batch_tokens: int | None = None) -> None:
        """Start the engine; this takes a minute.

        Args:
            settings: the model and its limits; `reader` is ignored, because an engine with adapters can only sample.
            rank: the largest rank of an adapter; None: no adapter can be added.
            batch_tokens: the most tokens in a batch; None: vLLM's default.

        Raises:
            ModelError: if vLLM cannot start the model.
        """
        more: dict[str, Any] = {}
        if rank is not None:
            more = {
                "enable_lora": True,
                "max_lora_rank": rank,
                "max_loras": ADAPTERS,
                "max_cpu_loras": KEPT_ADAPTERS,
            }
        if batch_tokens is not None:
            more |= {"max_num_batched_tokens": batch_tokens, "max_num_seqs": min(batch_tokens, 2 * AT_ONCE)}
        self.settings, self.rank = settings, rank
        self._engine = AsyncEngine(settings, more)
        self._requests, self._adapters = count(1), count(1)

    @property
    def healthy(self) -> bool:
        """Whether the engine is running; a dead engine does not recover."""
        return self._engine.healthy

    @property
    def unfinished(self) -> int:
        """The number of prompts in the engine."""
        return int(self._engine.client.get_num_unfinished_requests())

    @property
    def adapters(self) -> set[int]:
        """The numbers of the adapters in the engine; adapters are numbered from 1 as they are added."""
        numbers: set[int] = self._engine.call(self._listed())
        return numbers

    def reader(self, token_ids: Sequence[int], adapter: str | None = None) -> "StreamReader":
        """Return a reader of codes for the base model, or for an adapter, which is added to the engine.

        Args:
            token_ids: the tokens of the codes, at most 128; none for a reader of words.
            adapter: a folder in PEFT's format; None for the base model.

        Raises:
            ModelError: if vLLM cannot load the adapter.
            EngineError: if the engine has stopped.
        """
        return StreamReader(self, tuple(token_ids), None if adapter is None else self._engine.call(self._add(adapter)))

    def begin(
        self, prompts: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]], adapter: "Adapter | None"
    ) -> "Future[list[Floats]]":
        """Start computing the log-probabilities of tokens after their prompts; cancel the future to stop it."""
        return self._engine.submit(self._read(prompts, tokens, adapter))

    def retire(self, adapter: "Adapter") -> None:
        """Remove an adapter from the engine as soon as no call uses it."""
        if self.healthy:
            self._engine.submit(self._retire(adapter))

    def close(self) -> None:
        """Stop the engine; calls that are still waiting raise EngineError."""
        self._engine.close()

    async def _read(
        self, prompts: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]], adapter: "Adapter | None"
    ) -> list[Floats]:
        self._engine.keep(asyncio.current_task())
        window = asyncio.Semaphore(AT_ONCE)
        if adapter is not None:
            adapter.uses += 1
        from vllm.sampling_params import RequestOutputKind

        given = zip(prompts, tokens, samplings(tokens, output_kind=RequestOutputKind.FINAL_ONLY), strict=True)
        tasks = [
            asyncio.create_task(self._one(ids, wanted, sampling, adapter, window)) for ids, wanted, sampling in given
        ]
        try:
            return await self._engine.while_running(asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            # The adapter may be removed only after all prompts that use it have left the engine.
            await asyncio.gather(*tasks, return_exceptions=True)
            if adapter is not None:
                adapter.uses -= 1
                self._drop_if_idle(adapter)

    async def _retire(self, adapter: "Adapter") -> None:
        adapter.retired = True
        self._drop_if_idle(adapter)

    async def _one(
        self,
        ids: Sequence[int],
        tokens: Sequence[int],
        sampling: Any,
        adapter: "Adapter | None",
        window: asyncio.Semaphore,
    ) -> Floats:
        from vllm.inputs import tokens_input

        request = None if adapter is None else adapter.request
        async with window:
            name = str(next(self._requests))
            async for output in self._engine.client.generate(
                tokens_input(list(ids)), sampling, name, lora_request=request
            ):
                found = picked(output, tokens)
        return found

    async def _add(self, path: str) -> "Adapter":
        from vllm.lora.request import LoRARequest

        # vLLM identifies adapters by number and caches them by name, so both must be unique.
        number = next(self._adapters)
        request = LoRARequest(f"adapter-{number}", number, path)
        try:
            await self._engine.while_running(self._engine.client.add_lora(request))
        except EngineError:
            raise
        except Exception as error:  # noqa: BLE001 - vLLM's engine process reports every failure as a bare Exception
            raise ModelError(f"{path}: vLLM cannot load the adapter: {str(error).strip()}") from None
        return Adapter(request)

    def _drop_if_idle(self, adapter: "Adapter") -> None:
        if adapter.retired and not adapter.uses and self.healthy:
            self._engine.keep(asyncio.create_task(self._drop(adapter)))

    async def _drop(self, adapter: "Adapter") -> None:
        # If the engine dies meanwhile, there is nothing left to remove.
        with suppress(EngineError):
            await self._engine.while_running(self._engine.client.remove_lora(adapter.request.lora_int_id))

    async def _listed(self) -> set[int]:
        numbers: set[int] = await self._engine.while_running(self._engine.client.list_loras())
        return numbers


class Adapter:
    """An adapter in the engine: the number of calls that use it, and whether it is to be removed when none does."""

    def __init__(self, request: Any) -> None:
        self.request, self.uses, self.retired = request, 0, False


class StreamReader:
    """Reads the codes of one model. Several threads may share it; `once` returns a copy that one caller can cancel."""

    def __init__(self, stream: LabelStream, token_ids: tuple[int, ...], adapter: Adapter | None) -> None:
        self.stream, self._ids, self._adapter = stream, token_ids, adapter
        self._reading: Future[list[Floats]] | None = None
        self._cancelled = False
        self.tokens = 0

    def once(self) -> "StreamReader":
        """Return a reader for a single caller, whose `cancel` does not affect other callers."""
        return StreamReader(self.stream, self._ids, self._adapter)

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
        """Map n prompts of token ids to the (n, c) log-probabilities of the codes, and their (n,) total probability.

        Raises:
            EngineError: if the engine has stopped.
            CancelledError: if `cancel` was called.
        """
        if not prompts:
            return np.empty((0, len(self._ids)), np.float32), np.empty(0, np.float32)
        logprobs = np.stack(self.read_tokens(prompts, [self._ids] * len(prompts)))
        return logprobs, np.exp(logprobs).sum(1)

    def read_tokens(self, prompts: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]]) -> list[Floats]:
        """Map n prompts to the log-probabilities of their own tokens, at most 128 each.

        Raises:
            EngineError, CancelledError: as for `read`.
        """
        reading = self._reading = self.stream.begin(prompts, tokens, self._adapter)
        if self._cancelled:
            reading.cancel()
        found = reading.result()
        self.tokens += sum(map(len, prompts))
        return found

    def cancel(self) -> None:
        """Stop the current call, and make every later one fail."""
        self._cancelled = True
        if self._reading is not None:
            self._reading.cancel()

    def retire(self) -> None:
        """Declare that no further call follows; the adapter is removed after the last running call."""
        if self._adapter is not None:
            self.stream.retire(self._adapter)


# Returns an engine for the given settings, and for the rank of the adapter that it must support (None: no adapter).
StreamFor = Callable[[EngineSettings, int | None], LabelStream]
