"""Run vLLM's asynchronous engine in its own processes, with an event loop in a thread, and shut both down reliably."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import Any, TypeVar

import psutil
import torch

from laud_ray.errors import EngineError, ModelError
from laud_ray.models.language.engine import EngineSettings, engine_arguments, environment, require_vllm

# The interval, in seconds, at which the engine's health is checked: vLLM does not notify every waiting call of a death.
HEALTH_CHECK_S = 0.5
# The interval, in seconds, at which a starting engine's new processes are looked for.
LOOK_S = 0.1

T = TypeVar("T")


class AsyncEngine:
    """A running engine.

    Attributes:
        client: vLLM's AsyncLLM; to be used in the event loop only.
    """

    client: Any

    def __init__(self, settings: EngineSettings, more: dict[str, Any]) -> None:
        """Start the engine; this takes a minute.

        Args:
            settings: the model and its limits; `reader` is ignored.
            more: further arguments of vLLM's AsyncEngineArgs.

        Raises:
            ModelError: if vLLM cannot start the model; vLLM's log has the details.
        """
        require_vllm()
        self._on_cpu = not torch.cuda.is_available()
        os.environ.update(environment(on_cpu=self._on_cpu))
        # This process already has threads, and forking a process with threads is not safe.
        os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
        self._loop, self._turn, self._closed = asyncio.new_event_loop(), Lock(), False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._thread = Thread(target=self._loop.run_forever, name="async-engine", daemon=True)
        self._thread.start()
        try:
            self.call(self._start(settings, more))
        except (RuntimeError, ValueError, OSError) as error:
            self._stop()
            said = " ".join(str(error).split())[:300]
            raise ModelError(f"model: vLLM cannot start {settings.model!r}: {said}") from error

    @property
    def healthy(self) -> bool:
        """Whether the engine is running; a dead engine does not recover."""
        return not (self._closed or self.client.errored)

    @property
    def pids(self) -> list[int]:
        """The processes of the engine beside this one."""
        return [one.pid for one in self._processes]

    @property
    def ending(self) -> str:
        """How the processes of a dead engine ended."""
        codes = [one.exitcode for one in self._processes if one.exitcode]
        if not codes:
            return "it stopped"
        if codes[0] > 0:
            return f"its process ended with exit code {codes[0]}"
        name = signal.Signals(-codes[0]).name
        more = ", as the kernel does when memory runs out" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{more}"

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine in the event loop, without waiting for it.

        Raises:
            EngineError: if the engine was closed.
        """
        with self._turn:
            if self._closed:
                work.close()
                raise EngineError("the engine was closed")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the event loop, and return its result."""
        return self.submit(work).result()

    async def while_running(self, work: Awaitable[T]) -> T:
        """Wait for work in the event loop, and fail as soon as the engine stops.

        Raises:
            EngineError: if the engine has stopped.
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
            # Nothing retrieves the exception of the cancelled task; asyncio would log a warning about it.
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
        raise EngineError("the engine has stopped")

    def keep(self, task: asyncio.Task[Any] | None) -> None:
        """Register a task of the event loop, so that `close` waits for it before it stops the engine."""
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Stop the engine; calls that are still waiting raise EngineError."""
        with self._turn:
            if self._closed:
                return
            self._closed = True
            ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ending.result()
        self._stop()

    async def _start(self, settings: EngineSettings, more: dict[str, Any]) -> None:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        if settings.gpus > 1:
            # This process already holds the GPUs; with its default inside Ray, vLLM would request others.
            more = {"distributed_executor_backend": "mp", **more}
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
        with _children_killed_at_exit():
            self.client = AsyncLLM.from_engine_args(given)
            self._processes = list(self.client.engine_core.resources.engine_manager.processes)
            self._guard = kill_at_exit(self.pids)
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while self.healthy:
            await asyncio.sleep(HEALTH_CHECK_S)
        self._guard.kill()

    async def _end(self) -> None:
        await self._watcher
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.client.shutdown()
        # If it lived until the interpreter's exit, its finaliser would try to shut down again and fail.
        del self.client
        self._guard.wait()

    def _stop(self) -> None:
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def kill_at_exit(pids: Sequence[int]) -> "subprocess.Popen[bytes]":
    """Start a watcher that kills other processes when this process ends, even if it is killed.

    The processes of an engine would otherwise stay and keep the GPU's memory. The watcher blocks on a pipe from this
    process, which the operating system closes in any case.

    Args:
        pids: the processes to kill.
    """
    return _shell(f"read -r _; kill -9 {' '.join(map(str, pids))}")


def _shell(script: str) -> "subprocess.Popen[bytes]":
    """Start a script that outlives this process and reads from it."""
    return subprocess.Popen(
        ["/bin/sh", "-c", script], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )


@contextmanager
def _children_killed_at_exit() -> Iterator[None]:
    """Kill the processes that are started meanwhile if this process is killed meanwhile.

    An engine takes a minute to start, and its processes are known only when it runs.
    """
    watcher = _shell('pids=; while read -r pid; do pids="$pids $pid"; done; [ -z "$pids" ] || kill -9 $pids')
    started, known = Event(), {watcher.pid}

    def look() -> None:
        assert watcher.stdin is not None
        while not started.wait(LOOK_S):
            with suppress(psutil.Error):
                new = {one.pid for one in psutil.Process().children(recursive=True)} - known
                known.update(new)
                watcher.stdin.write("".join(f"{pid}\n" for pid in new).encode())
                watcher.stdin.flush()

    looking = Thread(target=look, name="engine-start", daemon=True)
    looking.start()
    try:
        yield
    finally:
        started.set()
        looking.join()
        watcher.kill()
        watcher.wait()
