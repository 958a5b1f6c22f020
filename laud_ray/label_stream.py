"""A vLLM engine for many callers at once, with adapters beside its base model that come and go while it runs.

The same numbers as laud_ray.label_engine. n prompts, c codes.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future
from itertools import count
from threading import Lock, Thread
from typing import Any, TypeVar

import numpy as np
import torch

from laud_ray.errors import EngineError, ModelError
from laud_ray.label_engine import EngineSettings, engine_arguments, environment, require_vllm
from laud_ray.types import Floats

# Prompts of one call that the engine holds at a time, so that a long list does not hold up a single text.
AT_ONCE = 128
# Adapters in one batch: the current model's and the next one's.
ADAPTERS = 2
# Adapters that are kept at hand: one that was read from a folder once must not be looked for there again.
KEPT_ADAPTERS = 4
# How often a dead engine is looked for, in seconds: not all that waits is told by vLLM.
LOOK_EVERY_S = 0.5

T = TypeVar("T")


class LabelStream:
    """Log-probabilities of codes after prompts; vLLM puts the prompts of all callers into common batches.

    The engine computes in processes of its own; an event loop in a thread of its own talks to it.
    """

    def __init__(self, settings: EngineSettings, *, rank: int | None = None, batch_tokens: int | None = None) -> None:
        """Start the engine; takes a minute.

        Args:
            settings: its reader is ignored: one that takes adapters can only sample.
            rank: the largest of adapters; without it none can be added.
            batch_tokens: tokens that are computed together; None is vLLM's own choice.
        """
        require_vllm()
        self.settings, self.rank = settings, rank
        self._on_cpu, self._batch_tokens = not torch.cuda.is_available(), batch_tokens
        os.environ.update(environment(on_cpu=self._on_cpu))
        # This process has threads by now, which a fork would not survive.
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
        self._loop, self._turn, self._closed = asyncio.new_event_loop(), Lock(), False
        self._requests, self._adapters = count(1), count(1)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = Thread(target=self._loop.run_forever, name="label-stream", daemon=True)
        self._thread.start()
        try:
            self._call(self._start())
        except BaseException:
            self._stop()
            raise

    @property
    def healthy(self) -> bool:
        """Whether the engine still runs; one that died does not come back."""
        return not (self._closed or self._engine.errored)

    @property
    def unfinished(self) -> int:
        """Prompts that are in the engine now."""
        return int(self._engine.get_num_unfinished_requests())

    def reader(self, token_ids: Sequence[int], adapter: str | None = None) -> "StreamReader":
        """Make what reads the codes `token_ids`, at most 128, from the base model or with an adapter in PEFT's format.

        Raises:
            ModelError: if vLLM does not take the adapter.
            EngineError: if the engine has stopped.
        """
        return StreamReader(self, tuple(token_ids), None if adapter is None else self._call(self._add(adapter)))

    def close(self) -> None:
        """Stop the engine; whoever still waits gets EngineError."""
        with self._turn:
            if self._closed:
                return
            self._closed = True
            ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ending.result()
        self._stop()

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine in the engine's loop.

        Raises:
            EngineError: if it was closed.
        """
        with self._turn:
            if self._closed:
                work.close()
                raise EngineError("the engine was closed")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def read(self, prompts: Sequence[Sequence[int]], sampling: Any, adapter: "Adapter | None") -> list[Any]:
        """Give for each prompt vLLM's log-probabilities of the next token; cancelled, it stops what it began."""
        self._keep(asyncio.current_task())
        window = asyncio.Semaphore(AT_ONCE)
        if adapter is not None:
            adapter.uses += 1
        tasks = [asyncio.create_task(self._one(ids, sampling, adapter, window)) for ids in prompts]
        try:
            return await self._unless_dead(asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            # Only when all are out of the engine may their adapter leave it.
            await asyncio.gather(*tasks, return_exceptions=True)
            if adapter is not None:
                adapter.uses -= 1
                self._drop_if_idle(adapter)

    async def retire(self, adapter: "Adapter") -> None:
        """Take an adapter out of the engine as soon as no prompt needs it."""
        adapter.retired = True
        self._drop_if_idle(adapter)

    async def _start(self) -> None:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        settings = self.settings
        more: dict[str, Any] = {}
        if self.rank is not None:
            more = {
                "enable_lora": True,
                "max_lora_rank": self.rank,
                "max_loras": ADAPTERS,
                "max_cpu_loras": KEPT_ADAPTERS,
            }
        if self._batch_tokens is not None:
            more["max_num_batched_tokens"] = self._batch_tokens
        given = AsyncEngineArgs(
            model=settings.model,
            tokenizer=settings.tokenizer,
            gpu_memory_utilization=settings.memory,
            disable_log_stats=True,
            **engine_arguments(
                settings.model,
                dtype=settings.dtype,
                max_context=settings.max_context,
                gpus=settings.gpus,
                on_cpu=self._on_cpu,
            ),
            **more,
        )
        self._engine = AsyncLLM.from_engine_args(given)
        self._watcher = asyncio.create_task(self._watch())

    async def _one(
        self, ids: Sequence[int], sampling: Any, adapter: "Adapter | None", window: asyncio.Semaphore
    ) -> Any:
        from vllm.inputs import tokens_input

        request = None if adapter is None else adapter.request
        async with window:
            name = str(next(self._requests))
            async for output in self._engine.generate(tokens_input(list(ids)), sampling, name, lora_request=request):
                found = output.outputs[0].logprobs[0]
        return found

    async def _add(self, path: str) -> "Adapter":
        from vllm.lora.request import LoRARequest

        # vLLM knows adapters by number, and what it has cached by name: neither is given twice.
        number = next(self._adapters)
        request = LoRARequest(f"adapter-{number}", number, path)
        try:
            await self._unless_dead(self._engine.add_lora(request))
        except EngineError:
            raise
        except Exception as error:  # noqa: BLE001 - vLLM's other process tells all that went wrong as this
            raise ModelError(f"{path}: vLLM does not take the adapter: {str(error).strip()}") from None
        return Adapter(request)

    def _drop_if_idle(self, adapter: "Adapter") -> None:
        if adapter.retired and not adapter.uses and self.healthy:
            self._keep(asyncio.create_task(self._drop(adapter)))

    async def _drop(self, adapter: "Adapter") -> None:
        await self._unless_dead(self._engine.remove_lora(adapter.request.lora_int_id))

    async def _unless_dead(self, work: Awaitable[T]) -> T:
        """Wait for work as long as the engine runs.

        Raises:
            EngineError: if it has stopped.
        """
        from vllm.v1.engine.exceptions import EngineDeadError

        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task, self._watcher), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
        except EngineDeadError:
            pass
        finally:
            task.cancel()
        raise EngineError("the engine has stopped")

    async def _watch(self) -> None:
        while self.healthy:
            await asyncio.sleep(LOOK_EVERY_S)

    async def _end(self) -> None:
        await self._watcher
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._engine.shutdown()

    def _keep(self, task: asyncio.Task[Any] | None) -> None:
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return self.submit(work).result()

    def _stop(self) -> None:
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Adapter:
    """An adapter in the engine: how many calls use it, and whether it may leave when none does."""

    def __init__(self, request: Any) -> None:
        self.request, self.uses, self.retired = request, 0, False


class StreamReader:
    """Reads one model's codes. Threads may share it; `once` makes one that a single caller can cancel."""

    def __init__(self, stream: LabelStream, token_ids: tuple[int, ...], adapter: Adapter | None) -> None:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        self._stream, self._ids, self._adapter = stream, token_ids, adapter
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
        return StreamReader(self._stream, self._ids, self._adapter)

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
        """Map n prompts of token ids to their codes' (n, c) log-probabilities, and the (n,) mass of these.

        Raises:
            EngineError: if the engine has stopped.
            CancelledError: if `cancel` was called.
        """
        if not prompts:
            return np.empty((0, len(self._ids)), np.float32), np.empty(0, np.float32)
        reading = self._reading = self._stream.submit(self._stream.read(prompts, self._sampling, self._adapter))
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
        if self._adapter is not None and self._stream.healthy:
            self._stream.submit(self._stream.retire(self._adapter))


# Gives an engine for settings and, where there is one, the rank of the adapter that it must take.
StreamFor = Callable[[EngineSettings, int | None], LabelStream]
