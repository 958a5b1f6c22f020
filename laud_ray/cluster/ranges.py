"""Do the work of every range on the cluster's workers with Ray Data; a range survives the death of a worker or a node.

Ranges are given by their names. `work` is called for one name: it writes its output under that name and returns one
small row. A block of the dataset holds one name, or several if there are thousands. Ray Data starts, feeds, replaces
and ends the workers, and retries the block of a worker that died. Ray Data does not report which name that worker was
doing. Therefore an actor on the driver's node, the `Account`, records every begin and end of a name. After DEATHS
begins without an end, on nodes that stayed alive, the name is set aside: it is not begun again, and is reported as
Lost. Since work may be begun more than once, its writes must be atomic and repeatable.
"""

import logging
import pickle
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

import pyarrow as pa
import ray
import ray.data
from ray import exceptions as failed
from ray.data import ActorPoolStrategy, DataContext, TaskPoolStrategy

from laud_ray import errors
from laud_ray.cluster.account import start_account
from laud_ray.cluster.blocks import Engine, Pass, Raised, run_block
from laud_ray.cluster.retry_limits import ACCIDENTS, DEATHS, set_aside
from laud_ray.cluster.retry_limits import Done as Done
from laud_ray.cluster.retry_limits import Lost as Lost
from laud_ray.cluster.workers import Workers as Workers
from laud_ray.errors import PassError, SetAsideError
from laud_ray.printable import first_line

T = TypeVar("T")
J = TypeVar("J")

logger = logging.getLogger(__name__)

FAILED_STARTS = 20  # the pass ends after this many failed starts of an engine's actor in a row
MOST_BLOCKS = 2000  # each block costs the driver a few milliseconds and 30 kB
WINDOW = 256  # most tasks submitted to Ray at once: enough for an autoscaler to see the demand
AT_ONCE = 2  # names per engine at once: one is read, tokenized or written while the other is in the engine


def map_ranges(names: Sequence[str], work: Callable[[str, J], T], job: J, workers: Workers) -> Iterator[Done[T] | Lost]:
    """Call work(name, job) for each name on the cluster's workers; yield results as they come.

    A name whose worker died is retried alone, because a process handles two names at once and either may be the cause.
    Work that raises EngineError, or that takes longer than the workers' timeout, ends its worker, which counts as a
    death. Workers and nodes may join and leave. Closing the iterator cancels the work in progress.

    Example:
        for result in map_ranges(["part-00000", "part-00001"], score_range, job, Workers(cpus=1)):
            ...

    Raises:
        UserError: if work raises one, as it was raised.
        PassError: if work raises anything else, Ray cannot run it, or every engine ends with the same error before
            it completes a name. The message begins with the name.
    """
    if not names:
        return
    # When it is imported, Ray Data sets up loggers that would write between our own lines.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if not slots(workers):
        logger.warning("no node has %g CPUs and %g GPUs; waiting for one", workers.cpus, workers.gpus)
    blocks = min(len(names), MOST_BLOCKS)
    shared, account = [ray.put((work, job))], _account()
    size = min(workers.engines or slots(workers), len(names))
    one_pass = Pass(shared[0].hex(), shared, account, blocks < len(names), size, workers.timeout_s)
    with DataContext.current(_context()):
        data = _mapped([{"name": name} for name in names], blocks, one_pass, workers)
        try:
            for batch in data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                yield from _results(batch)
        except failed.RayError as error:
            raise PassError(f"{type(error).__name__}: {first_line(error)}") from error
        finally:
            del data  # this cancels the tasks in progress
            account.forget.remote(one_pass.key)


def map_all_ranges(
    names: Sequence[str],
    work: Callable[[str, J], T],
    job: J,
    workers: Workers,
    *,
    what: str = "ranges",
    total: int | None = None,
    committed: bool = True,
) -> Iterator[Done[T]]:
    """Do the same as map_ranges, but raise at the end if any name was set aside.

    Args:
        names, work, job, workers: as in map_ranges.
        what: what the names are, in the plural, for the error.
        total: the number of all names, those done in earlier attempts included; None: len(names).
        committed: whether finished names are kept when the command ends, for the error.

    Raises:
        SetAsideError: after all others are done; the message lists the names that were set aside.
    """
    lost: list[Lost] = []
    for result in map_ranges(names, work, job, workers):
        if isinstance(result, Lost):
            lost.append(result)
        else:
            yield result
    if lost:
        raise SetAsideError(set_aside(lost, total or len(names), what=what, committed=committed))


def _mapped(rows: list[dict[str, str]], blocks: int, one_pass: Pass, workers: Workers) -> ray.data.Dataset:
    data = ray.data.from_items(rows, override_num_blocks=blocks)
    # With a GPU, Ray Data requires a batch size. This one holds a whole block.
    options: dict[str, Any] = {"batch_size": -(-len(rows) // blocks), "batch_format": "pyarrow"} | workers.settings
    if workers.engines:
        most = min(workers.engines, blocks)
        pool = ActorPoolStrategy(
            min_size=1,
            initial_size=most,
            max_size=most,
            max_tasks_in_flight_per_actor=2 * AT_ONCE,  # the pool grows when it has 1.75 times AT_ONCE in flight
            max_concurrent_calls_per_actor=AT_ONCE,
            enable_true_multi_threading=True,
        )
        return data.map_batches(Engine, fn_constructor_args=(one_pass,), compute=pool, **options)
    pool = TaskPoolStrategy(size=min(WINDOW, blocks))
    # Without max_calls=0, Ray ends a process that has a GPU after each task, and the loaded model is lost.
    options["max_calls"] = 0 if workers.gpus else None
    # The account does not see a worker that dies before it begins a name. The block's retries limit these deaths.
    retries = ACCIDENTS + DEATHS * (options["batch_size"] + 1)
    with warnings.catch_warnings():
        # max_retries is deprecated, but Ray Data has no other limit; our pinned version of Ray still supports it.
        warnings.simplefilter("ignore", category=DeprecationWarning)
        fixed = {"one_pass": one_pass}
        return data.map_batches(run_block, fn_kwargs=fixed, compute=pool, max_retries=retries, **options)


def _results(batch: pa.Table) -> Iterator[Any]:
    for cell in batch.column("result").to_pylist():
        result = pickle.loads(cell)
        if isinstance(result, Raised):
            raise getattr(errors, result.kind)(result.text) if result.kind else PassError(result.text)
        if result is not None:
            yield result


def _context() -> DataContext:
    context = DataContext.get_current().copy()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_consecutive_actor_init_deaths = FAILED_STARTS
    context.execution_no_progress_timeout_s = -1  # a range, or the wait for a node, may take long
    context.memory_usage_poll_interval_s = None
    context.op_resource_reservation_enabled = False  # if on, no task queues in Ray Core, and slots idle for 0.1 s
    return context


def _account() -> Any:
    """Return the account of this driver, which all its passes share and which runs on its node."""
    return _accounts(ray.get_runtime_context().get_job_id(), ray.get_runtime_context().get_node_id())


@cache
def _accounts(job: str, node: str) -> Any:  # noqa: ARG001 - job is part of the cache key: another cluster, another job
    return start_account(node)


def slots(workers: Workers) -> int:
    """Return how many such workers an otherwise idle cluster has room for."""
    wanted = [(kind, amount) for kind, amount in (("CPU", workers.cpus), ("GPU", workers.gpus)) if amount]
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(min((int(node.get(kind, 0) / amount) for kind, amount in wanted), default=1) for node in nodes)
