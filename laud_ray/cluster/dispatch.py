"""Map names over Ray workers, so that neither a dead worker nor a dead node loses one or ends the others.

Ray itself retries nothing here: what happens to a name depends on who died and how often, and Ray's own retries
do not tell. Work may be begun more than once, so it must write whole or not at all.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import ray
from ray import exceptions as failed

from laud_ray.cluster.deaths import Deaths
from laud_ray.cluster.deaths import Lost as Lost
from laud_ray.cluster.pools import GONE, Again, Crew, EngineEnded, Engines, Raised, Tasks, slots
from laud_ray.cluster.workers import Workers as Workers
from laud_ray.errors import PassError

logger = logging.getLogger(__name__)

T = TypeVar("T")
J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A name's work is done, with what it returned."""

    name: str
    value: T


def dispatch(names: Sequence[str], work: Callable[[str, J], T], job: J, workers: Workers) -> Iterator[Done[T] | Lost]:
    """Call work(name, job) for each name on the cluster's workers, in this order; yield results as they come.

    A name whose worker died is tried again after the others; with engines, which have two names each, alone, since
    either may have killed it. Work that raises EngineError ends its worker, which counts as such a death. Workers and
    nodes may come and go. The driver holds twice as many names as the cluster has room for and no more, so an
    autoscaler sees a demand. Closing the iterator ends what is under way.

    Raises:
        PassError: if work raises anything else, Ray cannot run it, or one engine after the other ends with the same
            error and none does any work; the message begins with the name.
    """
    queue, deaths = deque(names), Deaths()
    shared = [ray.put((work, job))]
    crew: Crew = Engines(shared, workers, len(queue)) if workers.engines else Tasks(shared, workers)
    told = False
    try:
        while queue or crew.busy:
            while queue and crew.takes(queue[0], alone=deaths.of(queue[0]) > 0):
                queue.popleft()
            ended = crew.ended()
            if not ended and not told and not slots(workers):
                told = True
                logger.warning("no node has %g CPUs and %g GPUs: waiting for one", workers.cpus, workers.gpus)
            for one in ended:
                match one.value:
                    case Again():
                        queue.append(one.name)
                        continue
                    case Raised(text):
                        raise PassError(f"{one.name}: {text}")
                    case EngineEnded(text):
                        reason, own = f"its engine ended: {text}", True
                        if deaths.add_cause(one.name, text, workers=min(crew.size, len(names))):
                            raise PassError(
                                f"{one.name}: {reason}; so did the engines of other ranges, and none worked"
                            )
                    case _ if one.error is None:
                        deaths.done()
                        yield Done(one.name, one.value)
                        continue
                    case _:
                        reason, own = _cause(one.name, one.error)
                lost = deaths.add(one.name, reason, own=own)
                logger.warning("%s: %s", one.name, reason)
                if lost is None:
                    queue.append(one.name)
                else:
                    yield lost
    finally:
        crew.close()


def _cause(name: str, error: failed.RayError) -> tuple[str, bool]:
    """Say why a worker is gone, and whether the name may be at fault.

    Raises:
        PassError: if no worker is: Ray could not run the work.
    """
    if isinstance(error, failed.RayTaskError) or not isinstance(error, GONE):
        raise PassError(f"{name}: {type(error).__name__}: {error}") from error
    if isinstance(error, failed.ActorUnavailableError):
        return "its worker cannot be reached", False
    if isinstance(error, failed.RayActorError):
        # That the node died Ray says in words only.
        with_node = error.preempted or "node has died" in str(error)
        return ("its node died", False) if with_node else ("its worker process died", True)
    if isinstance(error, failed.WorkerCrashedError):
        return "its worker process died", True
    if isinstance(error, failed.OutOfMemoryError):
        return "its worker was killed since memory ran out", True
    if isinstance(error, failed.RaySystemError):
        return f"Ray failed: {str(error).splitlines()[0]}", False
    return "its node died", False
