"""Run a coroutine from synchronous code, also inside a running event loop, as in a notebook."""

import asyncio
import contextvars
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def complete(work: Coroutine[Any, Any, T]) -> T:
    """Block until a coroutine has ended, and return its result.

    Inside a running event loop, which cannot run a second one, the coroutine runs in a thread with its own loop. It
    is cancelled if the caller is interrupted.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    begun: Future[asyncio.AbstractEventLoop] = Future()

    def run() -> T:
        with asyncio.Runner() as own:
            begun.set_result(own.get_loop())
            return own.run(work)

    with ThreadPoolExecutor(1, "laud-event-loop") as thread:
        ended = thread.submit(contextvars.copy_context().run, run)
        try:
            return ended.result()
        except BaseException:
            _cancel(begun.result(), ended)
            raise


def _cancel(loop: asyncio.AbstractEventLoop, ended: "Future[T]") -> None:
    if not ended.done():
        with suppress(RuntimeError):  # the loop has just ended
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
