"""One thread writes: what waits when it is free goes into one transaction, so that it shares one flush to the disk."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from laud_ray.errors import UserError

T = TypeVar("T")
Job = Callable[[Connection], Any]
Transact = Callable[[Callable[[Connection], list[Any]]], list[Any]]
MOST = 64
# Where a job's own mistake stands in the place of its result.
_MISTAKES = (UserError, ValueError, TypeError)


class Writer:
    """Does jobs in the order in which they come, several in one transaction. Each has its own savepoint."""

    def __init__(self, transact: Transact) -> None:
        """Start the thread.

        Args:
            transact: does work in one transaction, and raises what keeps that from being committed.
        """
        self._transact = transact
        self._waiting: queue.SimpleQueue[tuple[Job, Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def do(self, job: Callable[[Connection], T]) -> "Future[T]":
        """Let a job be done; its future has the result once that is committed."""
        future: Future[T] = Future()
        self._waiting.put((job, future))
        return future

    def close(self, seconds: float = 5.0) -> None:
        """Do what still waits, and end; what takes longer is left, and its client sends it again."""
        self._waiting.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            jobs, ended = [first], False
            with suppress(queue.Empty):
                while len(jobs) < MOST:
                    following = self._waiting.get_nowait()
                    if following is None:
                        ended = True
                        break
                    jobs.append(following)
            wanted = [one for one in jobs if one[1].set_running_or_notify_cancel()]
            if wanted:
                self._do(wanted)
            if ended:
                return

    def _do(self, jobs: list[tuple[Job, "Future[Any]"]]) -> None:
        try:
            results = self._transact(lambda connection: [_one(connection, job) for job, _ in jobs])
        except Exception as error:  # noqa: BLE001 - a worker's edge: the futures carry it
            if len(jobs) > 1 and not isinstance(error, (OperationalError, UserError)):
                for job in jobs:  # one of them may be at fault, and the others are not
                    self._do([job])
                return
            results = [error] * len(jobs)
        for (_, future), result in zip(jobs, results, strict=True):
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)


def _one(connection: Connection, job: Job) -> object:
    try:
        with connection.begin_nested():
            return job(connection)
    except _MISTAKES as error:
        return error
