"""What a worker does with a block of names: one after the other, unless too many workers died of one."""

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Lock
from typing import Any, Generic, TypeVar

import pyarrow as pa
import ray

from laud_ray.cluster.account import Record
from laud_ray.cluster.deaths import ACCIDENTS, DEATHS, Lost
from laud_ray.errors import EngineError, LaudError, UserError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A name's work is done, with what it returned."""

    name: str
    value: T


@dataclass(frozen=True, slots=True)
class Raised:
    """What the work raised, as text: not every exception survives the way back from a worker.

    Attributes:
        kind: the name of the user's error that it is; None for any other.
    """

    text: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """All that a worker needs beside the names: handles only, so that it travels with every block."""

    key: str
    shared: list[Any]
    account: Any
    keeps: bool  # whether the account keeps results until their block is back
    workers: int


class _Turns:
    """Names share an engine, but for one that a worker died of: it has the process alone, since others may have."""

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


Ended = tuple[tuple[str, str], bytes | None] | None  # a name that a worker did, and its result where it is kept

_turns = _Turns()
_opening = Lock()
_opened: dict[str, Any] = {}


def run_block(batch: pa.Table, one_pass: Pass) -> pa.Table:
    """In the worker: do the work of a block's names, one after the other."""
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
        Done, Lost or Raised, or None in a pass that was stopped; and what the account has not been told yet.
    """
    key, node, alone = (one_pass.key, name), ray.get_runtime_context().get_node_id(), False
    while True:
        with _turns.turn(alone=alone):
            record: Record = ray.get(one_pass.account.begin.remote(key, node, alone, ended))
            ended = None
            if record.stopped:
                return None, None
            if record.hopeless is not None:
                text = f"its engine ended: {record.hopeless}; so did the engines of other ranges, and none worked"
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
    """Unpack work and job, once per process, so that what the work caches by them is found again."""
    try:
        with _opening:
            if one_pass.key not in _opened:
                _opened.clear()
                _opened[one_pass.key] = ray.get(one_pass.shared[0])
            work, job = _opened[one_pass.key]
        return Done(name, work(name, job))
    except EngineError as error:
        # Nothing but the end of the process frees a broken engine's memory and devices.
        ray.get(one_pass.account.leave.remote((one_pass.key, name), str(error), one_pass.workers))
        os._exit(1)
    except UserError as error:
        return Raised(str(error), type(error).__name__)
    except Exception as error:  # noqa: BLE001 - the worker's edge: whatever it is, it becomes data
        # Our own errors say all in their words.
        text = str(error) if isinstance(error, LaudError) else f"{type(error).__name__}: {error}"
        return Raised(f"{name}: {text}")


class Engine:
    """The same work in an actor, so that the engine that its first name starts stays for the others."""

    def __init__(self, one_pass: Pass) -> None:
        self._pass = one_pass

    def __call__(self, batch: pa.Table) -> pa.Table:
        return run_block(batch, self._pass)
