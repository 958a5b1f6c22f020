"""Run a block of names in a worker, one after the other. A name of which too many workers died is skipped."""

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Lock, Timer
from typing import Any, NoReturn

import pyarrow as pa
import ray

from laud_ray.cluster.account import Record
from laud_ray.cluster.retry_limits import ACCIDENTS, DEATHS, Done, Lost
from laud_ray.errors import EngineError, LaudError, UserError


@dataclass(frozen=True, slots=True)
class Raised:
    """The exception that the work raised, as text, because not every exception can be pickled.

    Attributes:
        kind: the class name if it is a UserError; None for any other exception.
    """

    text: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """What a worker needs besides the names. It holds only handles, because it is sent with every block.

    Attributes:
        key: identifies the pass.
        shared: a list of one object reference, to (work, job).
        account: handle of the Account actor.
        keeps: whether the account keeps results until their block has been returned (blocks of several names).
        workers: the largest number of workers at once.
        timeout_s: seconds after which the work of a name counts as hanging.
    """

    key: str
    shared: list[Any]
    account: Any
    keeps: bool
    workers: int
    timeout_s: float


class _Turns:
    """Lets several names run in a process at once, except a retried one, which runs alone.

    If two names run in a process that dies, either may be the cause. Running a retry alone settles which it is.
    """

    def __init__(self) -> None:
        self._change, self._inside, self._alone = Condition(), 0, False

    @contextmanager
    def turn(self, *, alone: bool) -> Iterator[None]:
        with self._change:
            self._change.wait_for(lambda: not self._alone and not (alone and self._inside))
            self._inside, self._alone = self._inside + 1, alone
        try:
            yield
        finally:
            with self._change:
                self._inside, self._alone = self._inside - 1, False
                self._change.notify_all()


# The key of a name that this worker has finished, and its pickled result if the account keeps results.
Ended = tuple[tuple[str, str], bytes | None] | None

_turns = _Turns()
_opening = Lock()
_opened: dict[str, Any] = {}


def run_block(batch: pa.Table, one_pass: Pass) -> pa.Table:
    """Do the work of the names in a block, one after the other. Runs in the worker."""
    results: list[bytes] = []
    ended: Ended = None
    for name in batch.column("name").to_pylist():
        result, ended = _result(name, one_pass, ended)
        results.append(pickle.dumps(result))
    if ended is not None:
        one_pass.account.end.remote(*ended)
    return pa.table({"result": pa.array(results, pa.large_binary())})


def _result(name: str, one_pass: Pass, ended: Ended) -> tuple[Any, Ended]:
    """Do the work of a name, unless too many workers died of it.

    Returns:
        Done, Lost or Raised, or None if the pass has been stopped; and what must still be reported to the account.
    """
    key, node, alone = (one_pass.key, name), ray.get_runtime_context().get_node_id(), False
    while True:
        with _turns.turn(alone=alone):
            record: Record = ray.get(one_pass.account.begin.remote(key, node, alone, ended))
            ended = None
            if record.stopped:
                return None, None
            if record.hopeless is not None:
                text = f"its engine ended: {record.hopeless}; the engines of other ranges failed in the same way"
                return Raised(f"{name}: {text}"), None
            if record.value is not None:
                return pickle.loads(record.value), None
            if record.deaths >= DEATHS:
                cause = "its worker process died" if record.cause is None else f"its engine ended: {record.cause}"
                return Lost(name, record.deaths, cause), None
            if record.accidents >= ACCIDENTS:
                return Lost(name, record.accidents, "its node died"), None
            if alone or not record.deaths + record.accidents:
                result = _worked(name, one_pass)
                if isinstance(result, Raised):
                    ray.get(one_pass.account.stop.remote(one_pass.key))
                return result, (key, pickle.dumps(result) if one_pass.keeps else None)
        alone = True


def _worked(name: str, one_pass: Pass) -> Done[Any] | Raised:
    """Do the work of a name. Work and job are unpickled once per process, so that caches keyed by them are hit."""
    try:
        with _opening:
            if one_pass.key not in _opened:
                _opened.clear()
                _opened[one_pass.key] = ray.get(one_pass.shared[0])
            work, job = _opened[one_pass.key]
        with _deadline(name, one_pass):
            return Done(name, work(name, job))
    except EngineError as error:
        _end(name, one_pass, str(error))
    except UserError as error:
        return Raised(str(error), type(error).__name__)
    except Exception as error:  # noqa: BLE001 - the worker's edge: every exception is returned as data
        # The messages of our own errors are complete without the class name.
        text = str(error) if isinstance(error, LaudError) else f"{type(error).__name__}: {error}"
        return Raised(f"{name}: {text}")


@contextmanager
def _deadline(name: str, one_pass: Pass) -> Iterator[None]:
    """End this process if the work of a name takes too long: an engine that hangs would hold its range for ever."""
    text = f"no result within {one_pass.timeout_s:,g} s"
    timer = Timer(one_pass.timeout_s, _end, (name, one_pass, text))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(name: str, one_pass: Pass, cause: str) -> NoReturn:
    """Report why this worker ends, and end it: only that frees the memory and devices of a broken engine."""
    try:
        ray.get(one_pass.account.leave.remote((one_pass.key, name), cause, one_pass.workers))
    finally:
        os._exit(1)


class Engine:
    """An actor that runs blocks. The engine that its first name starts is kept for the later names."""

    def __init__(self, one_pass: Pass) -> None:
        self._pass = one_pass

    def __call__(self, batch: pa.Table) -> pa.Table:
        return run_block(batch, self._pass)
