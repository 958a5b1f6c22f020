"""Keep vLLM engines running between calls, and give back what they hold when other work needs it.

An engine takes from ten seconds to minutes to start, and a run asks its oracle dozens of times. The engines of this
process are therefore kept until it ends (Ray ends its actors with it, also after a `kill -9`), or until one of these
needs their room:

- GPUs, for training, for a pass, or for the engines of another model: the engines that were unused for longest are
  stopped until there is room. On one GPU, models therefore run one after the other.
- Memory, where engines have no GPU: at most MOST_ON_CPU models stay, and none while a training or a pass begins with
  less than LEAST_MEMORY bytes free.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from laud_ray.cluster.workers import Workers

if TYPE_CHECKING:
    from laud_ray.models.language.engine import EngineSettings
    from laud_ray.models.language.replica import Prompted

logger = logging.getLogger(__name__)

MOST_ON_CPU = 2
LEAST_MEMORY = 4 << 30
# Seconds that an engine may take to stop; after that its process is killed.
STOP_S = 30
# Seconds for which Ray may count GPUs as used whose worker has just ended.
SETTLE_S = 2.0


class Handle:
    """An engine's actor as this process sees it. Its methods return object references, so that none of them waits."""

    def __init__(self, settings: "EngineSettings") -> None:
        """Create the actor and start its engine as soon as it is placed."""
        import ray

        from laud_ray.models.language.replica import Replica

        # Without resources, Ray places an actor where a CPU is free and then reserves none for it.
        place = {"num_gpus": settings.gpus, "num_cpus": 0} if settings.gpus else {}
        self._actor = ray.remote(Replica).options(max_concurrency=2, **place).remote()
        self.starting: Any = self._actor.start.remote(settings, os.environ.get("OMP_NUM_THREADS"))
        self.is_started = self.is_dead = False

    def exchange(self, prompts: "Sequence[Prompted]", sampling: dict[str, Any]) -> "Any":
        """Return a reference to an `Exchange`, see `Replica.exchange`."""
        return self._actor.exchange.remote(list(prompts), sampling)

    def pids(self) -> list[int]:
        """Return the processes of the actor and its engine."""
        import ray

        found: list[int] = ray.get(self._actor.pids.remote())
        return found

    def stop(self) -> None:
        """Stop the engine, wait until its memory is free, and end the actor."""
        import ray
        from ray.exceptions import RayError

        if self.is_started and not self.is_dead:
            with suppress(RayError):
                ray.get(self._actor.stop.remote(), timeout=STOP_S)
        self.kill()

    def kill(self) -> None:
        """End the actor without waiting; the engine's processes end with it."""
        import ray

        self.is_dead = True
        if ray.is_initialized():
            ray.kill(self._actor)


class _Engines:
    """The engines of one model, one for each replica."""

    def __init__(self, settings: "EngineSettings") -> None:
        self.settings, self.busy, self.handles = settings, False, list[Handle]()

    @property
    def gpus(self) -> int:
        return self.settings.gpus * len(self.handles)

    def stop(self) -> None:
        logger.info("the engine of %s makes room", self.settings.model)
        for handle in self.handles:
            handle.stop()
        self.handles.clear()


class Pool:
    """The engines of this process, those that were unused for longest first.

    Attributes:
        starts: how many engines were started.
    """

    def __init__(self) -> None:
        self._engines: dict[EngineSettings, _Engines] = {}
        self._session: str | None = None
        self.starts = 0

    @property
    def is_empty(self) -> bool:
        """Whether no engine is kept."""
        return not self._engines

    @contextmanager
    def lend(self, settings: "EngineSettings", replicas: int) -> Iterator[list[Handle]]:
        """Yield the engines of a model, which are started if they are not running; the caller waits for `starting`.

        The caller may replace a handle of the list whose engine has died by `start`.
        """
        self._forget_other_sessions()
        self._session = _session()
        mine = self._engines.pop(settings, None) or _Engines(settings)
        self._engines[settings] = mine
        mine.handles[:] = [one for one in mine.handles if not one.is_dead]
        if len(mine.handles) < replicas:
            missing = replicas - len(mine.handles)
            mine.busy = True
            self.make_room(missing, settings.gpus, model=True)
            mine.handles += [self.start(settings) for _ in range(missing)]
        mine.busy = True
        try:
            yield mine.handles
        finally:
            mine.busy = False

    def start(self, settings: "EngineSettings") -> Handle:
        """Start one engine."""
        self.starts += 1
        logger.info("start %d: an engine of %s", self.starts, settings.model)
        return Handle(settings)

    def make_room(self, count: int, gpus: float, *, model: bool = False) -> None:
        """Stop idle engines until `count` workers with `gpus` GPUs each find room.

        Args:
            count: the number of workers.
            gpus: GPUs of each; 0 frees memory where engines without a GPU hold it.
            model: whether the workers are the engines of a further model.
        """
        if gpus:
            self._stop_until(lambda: _has_room(count, gpus, self._held()), lambda one: one.gpus > 0)
        elif model:
            few = lambda: len(self._on_cpu()) <= MOST_ON_CPU and _has_memory()  # noqa: E731
            self._stop_until(few, lambda one: not one.settings.gpus)
        else:
            self._stop_until(_has_memory, lambda one: not one.settings.gpus)

    def release(self) -> None:
        """End all engines without waiting for it."""
        self._forget_other_sessions()
        for one in self._engines.values():
            for handle in one.handles:
                handle.kill()
        self._engines.clear()

    def free_gpus(self) -> None:
        """Stop all idle engines with a GPU, for work in this process, for which Ray reserves none."""
        self._stop_until(lambda: False, lambda one: one.gpus > 0)

    def _stop_until(self, enough: Callable[[], bool], which: Callable[[_Engines], bool]) -> None:
        self._forget_other_sessions()
        idle = [one for one in self._engines.values() if which(one) and one.handles and not one.busy]
        while idle and not enough():
            unused = idle.pop(0)
            unused.stop()
            del self._engines[unused.settings]

    def _held(self) -> int:
        return sum(one.gpus for one in self._engines.values())

    def _on_cpu(self) -> list[_Engines]:
        return [one for one in self._engines.values() if not one.settings.gpus]

    def _forget_other_sessions(self) -> None:
        """Forget the engines of a Ray that was shut down, which have ended with it."""
        if self._engines and self._session != _session():
            self._engines.clear()


POOL = Pool()


@contextmanager
def closing_engines() -> Iterator[None]:
    """End the engines that this process has started when the block, or the decorated function, ends."""
    try:
        yield
    finally:
        POOL.release()


def make_room(workers: Workers, names: int) -> None:
    """Stop idle engines whose room the workers of a pass need; without engines, nothing happens.

    Args:
        workers: the workers.
        names: how many names they work on.
    """
    if POOL.is_empty:
        return
    from laud_ray.cluster.ranges import slots

    wanted = workers.engines or (slots(workers) if workers.gpus else 0)
    POOL.make_room(min(wanted, names), workers.gpus)


def _has_room(count: int, gpus: float, held: int) -> bool:
    """Whether the cluster's nodes have room for `count` workers beside the engines, which hold `held` GPUs."""
    import ray

    total = sum(node["Resources"].get("GPU", 0) for node in ray.nodes() if node["Alive"])
    # If other work has just ended, its GPUs count as used for a moment.
    until = time.monotonic() + (SETTLE_S if total - held >= count * gpus else 0)
    while not (fits := _free(gpus) >= count) and time.monotonic() < until:
        time.sleep(0.05)
    return fits


def _free(gpus: float) -> int:
    """Return for how many workers the nodes have GPUs that nobody uses."""
    from ray._private.state import available_resources_per_node

    return sum(int(node.get("GPU", 0) / gpus) for node in available_resources_per_node().values())


def _session() -> str | None:
    """Identify this process's connection to Ray; None without one."""
    import ray

    return str(ray.get_runtime_context().get_worker_id()) if ray.is_initialized() else None


def _has_memory() -> bool:
    import psutil

    return int(psutil.virtual_memory().available) >= LEAST_MEMORY
