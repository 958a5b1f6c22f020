"""A vLLM engine for many callers at once, with adapters beside its base model that come and go while it runs.

The same numbers as laud_ray.models.language.engine. n prompts, c codes.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from typing import Any

import numpy as np

from laud_ray.errors import EngineError, ModelError
from laud_ray.models.language.engine import EngineSettings
from laud_ray.models.language.process import AsyncEngine
from laud_ray.types import Floats

# Prompts of one call that the engine holds at a time, so that a long list does not hold up a single text.
AT_ONCE = 128
# Adapters in one batch: the current model's and the next one's.
ADAPTERS = 2
# Adapters that are kept at hand: one that was read from a folder once must not be looked for there again.
KEPT_ADAPTERS = 4


class LabelStream:
    """Log-probabilities of codes after prompts; vLLM puts the prompts of all callers into common batches."""

    def __init__(self, settings: EngineSettings, *, rank: int | None = None, batch_tokens: int | None = None) -> None:
        """Start the engine; takes a minute.

        Args:
            settings: its reader is ignored: an engine that takes adapters can only sample.
            rank: the largest of adapters; without it none can be added.
            batch_tokens: tokens that are computed together; None is vLLM's own choice.

        Raises:
            ModelError: if vLLM does not run the model here.
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
        if settings.gpus > 1:
            # This process has the GPUs; within Ray, vLLM would ask the cluster for others.
            more["distributed_executor_backend"] = "mp"
        self.settings, self.rank = settings, rank
        self._engine = AsyncEngine(settings, more)
        self._requests, self._adapters = count(1), count(1)

    @property
    def healthy(self) -> bool:
        """Whether the engine still runs; one that died does not come back."""
        return self._engine.healthy

    @property
    def unfinished(self) -> int:
        """Prompts that are in the engine now."""
        return int(self._engine.client.get_num_unfinished_requests())

    @property
    def adapters(self) -> set[int]:
        """The numbers of the adapters that are in the engine; the first ever added is 1."""
        numbers: set[int] = self._engine.call(self._listed())
        return numbers

    def reader(self, token_ids: Sequence[int], adapter: str | None = None) -> "StreamReader":
        """Make what reads the codes `token_ids`, at most 128, from the base model or with an adapter in PEFT's format.

        Raises:
            ModelError: if vLLM does not take the adapter.
            EngineError: if the engine has stopped.
        """
        return StreamReader(self, tuple(token_ids), None if adapter is None else self._engine.call(self._add(adapter)))

    def begin(self, prompts: Sequence[Sequence[int]], sampling: Any, adapter: "Adapter | None") -> "Future[list[Any]]":
        """Have vLLM's log-probabilities of the token after each prompt computed; cancelled, it stops what it began."""
        return self._engine.submit(self._read(prompts, sampling, adapter))

    def retire(self, adapter: "Adapter") -> None:
        """Take an adapter out of the engine as soon as no prompt needs it."""
        if self.healthy:
            self._engine.submit(self._retire(adapter))

    def close(self) -> None:
        """Stop the engine; whoever still waits gets EngineError."""
        self._engine.close()

    async def _read(self, prompts: Sequence[Sequence[int]], sampling: Any, adapter: "Adapter | None") -> list[Any]:
        self._engine.keep(asyncio.current_task())
        window = asyncio.Semaphore(AT_ONCE)
        if adapter is not None:
            adapter.uses += 1
        tasks = [asyncio.create_task(self._one(ids, sampling, adapter, window)) for ids in prompts]
        try:
            return await self._engine.unless_dead(asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            # Only when all are out of the engine may their adapter leave it.
            await asyncio.gather(*tasks, return_exceptions=True)
            if adapter is not None:
                adapter.uses -= 1
                self._drop_if_idle(adapter)

    async def _retire(self, adapter: "Adapter") -> None:
        adapter.retired = True
        self._drop_if_idle(adapter)

    async def _one(
        self, ids: Sequence[int], sampling: Any, adapter: "Adapter | None", window: asyncio.Semaphore
    ) -> Any:
        from vllm.inputs import tokens_input

        request = None if adapter is None else adapter.request
        async with window:
            name = str(next(self._requests))
            async for output in self._engine.client.generate(
                tokens_input(list(ids)), sampling, name, lora_request=request
            ):
                found = output.outputs[0].logprobs[0]
        return found

    async def _add(self, path: str) -> "Adapter":
        from vllm.lora.request import LoRARequest

        # vLLM knows adapters by number, and what it has cached by name: neither is given twice.
        number = next(self._adapters)
        request = LoRARequest(f"adapter-{number}", number, path)
        try:
            await self._engine.unless_dead(self._engine.client.add_lora(request))
        except EngineError:
            raise
        except Exception as error:  # noqa: BLE001 - vLLM's other process tells all that went wrong as this
            raise ModelError(f"{path}: vLLM does not take the adapter: {str(error).strip()}") from None
        return Adapter(request)

    def _drop_if_idle(self, adapter: "Adapter") -> None:
        if adapter.retired and not adapter.uses and self.healthy:
            self._engine.keep(asyncio.create_task(self._drop(adapter)))

    async def _drop(self, adapter: "Adapter") -> None:
        # From an engine that dies meanwhile there is nothing to take out.
        with suppress(EngineError):
            await self._engine.unless_dead(self._engine.client.remove_lora(adapter.request.lora_int_id))

    async def _listed(self) -> set[int]:
        numbers: set[int] = await self._engine.unless_dead(self._engine.client.list_loras())
        return numbers


class Adapter:
    """An adapter in the engine: how many calls use it, and whether it may leave when none does."""

    def __init__(self, request: Any) -> None:
        self.request, self.uses, self.retired = request, 0, False


class StreamReader:
    """Reads one model's codes. Threads may share it; `once` makes one that a single caller can cancel."""

    def __init__(self, stream: LabelStream, token_ids: tuple[int, ...], adapter: Adapter | None) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        self.stream, self._ids, self._adapter = stream, token_ids, adapter
        self._sampling = SamplingParams(
            max_tokens=1,
            temperature=0,
            logprob_token_ids=list(token_ids),
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        self._reading: Future[list[Any]] | None = None
        self._cancelled = False
        self.tokens = 0

    def once(self) -> "StreamReader":
        return StreamReader(self.stream, self._ids, self._adapter)

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
        """Map n prompts of token ids to their codes' (n, c) log-probabilities, and the (n,) mass of these.

        Raises:
            EngineError: if the engine has stopped.
            CancelledError: if `cancel` was called.
        """
        if not prompts:
            return np.empty((0, len(self._ids)), np.float32), np.empty(0, np.float32)
        reading = self._reading = self.stream.begin(prompts, self._sampling, self._adapter)
        if self._cancelled:
            reading.cancel()
        rows = reading.result()
        self.tokens += sum(map(len, prompts))
        logprobs = np.asarray([[row[i].logprob for i in self._ids] for row in rows], np.float32)
        return logprobs, np.exp(logprobs).sum(1)

    def cancel(self) -> None:
        """Stop what is being read, and read nothing from here on."""
        self._cancelled = True
        if self._reading is not None:
            self._reading.cancel()

    def retire(self) -> None:
        """Say that no new caller will come: the adapter leaves the engine after the last one."""
        if self._adapter is not None:
            self.stream.retire(self._adapter)


# Gives an engine for settings and, where there is one, the rank of the adapter that it must take.
StreamFor = Callable[[EngineSettings, int | None], LabelStream]
