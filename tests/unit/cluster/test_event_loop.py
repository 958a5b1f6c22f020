"""Asynchronous work is done for callers with and without an event loop of their own."""

import asyncio
import contextvars
import threading
from concurrent.futures import Future

import pytest

from laud_ray.cluster.event_loop import complete

NAME = contextvars.ContextVar("NAME", default="none")


async def work() -> tuple[str, str]:
    await asyncio.sleep(0)
    return NAME.get(), threading.current_thread().name


async def fail() -> None:
    await asyncio.sleep(0)
    raise ValueError("of the work")


def test_without_a_loop_it_runs_here() -> None:
    assert complete(work()) == ("none", threading.current_thread().name)
    with pytest.raises(ValueError, match="of the work"):
        complete(fail())


def test_within_a_running_loop_as_in_a_notebook() -> None:
    async def cell() -> tuple[str, str]:
        NAME.set("the caller's")
        return complete(work())

    name, thread = asyncio.run(cell())
    assert name == "the caller's"
    assert thread != threading.current_thread().name

    async def failing() -> None:
        complete(fail())

    with pytest.raises(ValueError, match="of the work"):
        asyncio.run(failing())


def test_it_may_be_called_within_itself() -> None:
    async def outer() -> tuple[str, str]:
        return complete(work())

    async def cell() -> tuple[str, str]:
        return complete(outer())

    assert asyncio.run(cell())[0] == "none"


def test_an_interrupt_of_the_caller_cancels_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    async def long() -> None:
        try:
            interrupted.set()
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    interrupted = threading.Event()

    whole = Future.result

    def result(self: "Future[object]", timeout: float | None = None) -> object:
        if not self.done():
            interrupted.wait(30)
            monkeypatch.undo()
            raise KeyboardInterrupt
        return whole(self, timeout)

    async def cell() -> None:
        monkeypatch.setattr(Future, "result", result)
        complete(long())

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(cell())
    assert ended == ["cancelled"]
