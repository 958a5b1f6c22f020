"""Those who work for `dispatch`: Ray tasks in warm processes, or a pool of actors that own engines."""

import logging
import os
import time
from dataclasses import dataclass
from threading import Lock, Timer
from typing import Any, Protocol

import ray
from ray import exceptions as failed

from laud_ray.cluster.workers import Workers
from laud_ray.errors import EngineError, LaudError, PassError

logger = logging.getLogger(__name__)

AT_ONCE = 2  # names that an engine has: one is read, tokenized or written while the engine has the other
FAILED_STARTS = 20  # in a row
REFRESH = 1.0  # seconds between two looks at the cluster's nodes
FAREWELL = 10.0  # seconds that cancelled work has to end
DELIVERY = 1.0  # seconds that the last word of a process has to reach the driver

GONE = (
    failed.WorkerCrashedError,
    failed.OutOfMemoryError,
    failed.RayActorError,
    failed.NodeDiedError,
    failed.LocalRayletDiedError,
    failed.ObjectLostError,
    failed.RaySystemError,
)


@dataclass(frozen=True, slots=True)
class Raised:
    """What the work raised, as text: not every exception survives the way back from a worker."""

    text: str


@dataclass(frozen=True, slots=True)
class EngineEnded:
    """The work's engine ended with this error, and the worker's process ends now too."""

    text: str


@dataclass(frozen=True, slots=True)
class Again:
    """A name came to a process that was about to end: nothing was tried."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A name's attempt is over: with what the work returned, or with Ray's word on why it did not."""

    name: str
    value: Any
    error: failed.RayError | None


class Crew(Protocol):
    """Those who work.

    Attributes:
        busy: whether any of them has a name.
        size: about how many of them there are.
    """

    @property
    def busy(self) -> bool: ...

    @property
    def size(self) -> int: ...

    def takes(self, name: str, *, alone: bool) -> bool:
        """Give the name to one with room, where nothing else may be if it is to be alone; False if there is none."""

    def ended(self) -> list[Ended]:
        """Wait until something ends, a second at most; return all that has."""

    def close(self) -> None:
        """End what is under way."""


class Tasks:
    """Tasks in warm processes, one name in each; twice as many as there is room for, so that none waits for us."""

    def __init__(self, shared: list[Any], workers: Workers) -> None:
        # Without max_calls=0 a process that has a GPU ends after each task, and its model with it.
        self._start = ray.remote(**workers.settings, max_retries=0, max_calls=0)(_run)
        self._shared, self._workers = shared, workers
        self._names: dict[Any, str] = {}
        self._window, self._looked = 0, -REFRESH
        self._ending = 0  # processes that told us so, and were not seen to end yet

    @property
    def busy(self) -> bool:
        return bool(self._names)

    @property
    def size(self) -> int:
        return slots(self._workers)

    def takes(self, name: str, *, alone: bool) -> bool:  # noqa: ARG002 - a task is always alone in its process
        now = time.monotonic()
        if now - self._looked >= REFRESH:
            self._window, self._looked = max(2, 2 * slots(self._workers)), now
        if len(self._names) >= self._window:
            return False
        self._names[self._start.options(name=name).remote(name, self._shared)] = name
        return True

    def ended(self) -> list[Ended]:
        found = [Ended(self._names.pop(ref), *_outcome(ref)) for ref in _ready(list(self._names))]
        self._ending += sum(isinstance(one.value, EngineEnded) for one in found)
        return [self._without_blame(one) for one in found]

    def _without_blame(self, one: Ended) -> Ended:
        """Have a name tried again that Ray gave to a process which was about to end, and which took it along."""
        if not self._ending or not isinstance(one.error, failed.WorkerCrashedError):
            return one
        self._ending -= 1
        return Ended(one.name, Again(), None)

    def close(self) -> None:
        # By force: an interrupt in the midst of an import would leave a process that can never import it.
        for ref in self._names:
            ray.cancel(ref, force=True)
        if self._names:
            ray.wait(list(self._names), num_returns=len(self._names), timeout=FAREWELL)


class Engines:
    """A pool of actors; those that have started get names, so that one that finds no room keeps none waiting."""

    def __init__(self, shared: list[Any], workers: Workers, most: int) -> None:
        self._start = ray.remote(**workers.settings, max_concurrency=AT_ONCE, max_restarts=0, max_task_retries=0)(
            _Engine
        )
        self._shared = shared
        self._failed_starts = 0
        self._starting: dict[Any, Any] = {}
        self._names: dict[Any, tuple[str, Any]] = {}
        self._load: dict[Any, dict[str, bool]] = {}  # of each actor the names that it has, and whether alone
        self._most = min(workers.engines, most)
        for _ in range(self._most):
            self._hire()

    @property
    def busy(self) -> bool:
        return bool(self._names)

    @property
    def size(self) -> int:
        return self._most

    def takes(self, name: str, *, alone: bool) -> bool:
        room = 1 if alone else AT_ONCE
        free = [actor for actor, load in self._load.items() if len(load) < room and not any(load.values())]
        if not free:
            return False
        actor = min(free, key=lambda one: len(self._load[one]))
        self._load[actor][name] = alone
        self._names[actor.run.options(name=name).remote(name, self._shared)] = (name, actor)
        return True

    def ended(self) -> list[Ended]:
        found = []
        for ref in _ready([*self._starting, *self._names]):
            value, error = _outcome(ref)
            if ref in self._starting:
                self._started(self._starting.pop(ref), error)
                continue
            name, actor = self._names.pop(ref)
            if actor in self._load:
                del self._load[actor][name]
                if isinstance(error, GONE) or isinstance(value, EngineEnded):
                    self._replace(actor)
            found.append(Ended(name, value, error))
        return found

    def _hire(self) -> None:
        actor = self._start.remote()
        self._starting[actor.started.remote()] = actor

    def _started(self, actor: Any, error: failed.RayError | None) -> None:
        if error is None:
            self._load[actor], self._failed_starts = {}, 0
            return
        ray.kill(actor)
        self._failed_starts += 1
        if self._failed_starts >= FAILED_STARTS:
            raise PassError(f"{self._failed_starts} engines in a row died before they had started; the last: {error}")
        self._hire()

    def _replace(self, actor: Any) -> None:
        del self._load[actor]
        ray.kill(actor)  # it may be out of reach only, and would go on beside its successor
        self._hire()

    def close(self) -> None:
        for actor in [*self._load, *self._starting.values()]:
            ray.kill(actor)


class _Engine:
    """The same work in an actor, so that the engine that its first name starts stays for the others."""

    def started(self) -> None:
        """Return when the actor has a place."""

    def run(self, name: str, shared: list[Any]) -> Any:
        return _run(name, shared)


_opening, _ending = Lock(), Lock()
_opened: dict[str, Any] = {}


def _run(name: str, shared: list[Any]) -> Any:
    """In the worker: unpack work and job, once per process, so that what the work caches by them is found again."""
    if _ending.locked():
        os._exit(1)
    try:
        with _opening:
            key = shared[0].hex()
            if key not in _opened:
                _opened.clear()
                _opened[key] = ray.get(shared[0])
            work, job = _opened[key]
        return work(name, job)
    except EngineError as error:
        _end_soon()
        return EngineEnded(str(error))
    except Exception as error:  # noqa: BLE001 - the worker's edge: whatever it is, it becomes data
        # Our own errors say all in their words.
        return Raised(str(error) if isinstance(error, LaudError) else f"{type(error).__name__}: {error}")


def _end_soon() -> None:
    """End this process when the driver has been told why: nothing else frees a broken engine's memory and devices."""
    if _ending.acquire(blocking=False):
        last = Timer(DELIVERY, os._exit, (1,))
        last.daemon = True
        last.start()


def _ready(refs: list[Any]) -> list[Any]:
    """Return all that have ended, as soon as one has; none if that takes longer than REFRESH."""
    if not refs or not ray.wait(refs, num_returns=1, timeout=REFRESH)[0]:
        return []
    ready: list[Any] = ray.wait(refs, num_returns=len(refs), timeout=0)[0]
    return ready


def _outcome(ref: Any) -> tuple[Any, failed.RayError | None]:
    try:
        return ray.get(ref), None
    except failed.RayError as error:
        return None, error


def slots(workers: Workers) -> int:
    """How many such workers the cluster would have room for if it did nothing else."""
    wanted = [(kind, amount) for kind, amount in (("CPU", workers.cpus), ("GPU", workers.gpus)) if amount]
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(min((int(node.get(kind, 0) / amount) for kind, amount in wanted), default=1) for node in nodes)
