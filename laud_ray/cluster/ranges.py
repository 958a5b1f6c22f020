"""Map names over the cluster's workers with Ray Data, so that neither a dead worker nor a dead node loses one.

A block of the data set holds a name (several, where there are thousands); a call does the work of a name, which commits
its own output under that name, and returns one small row. Ray Data starts, feeds, replaces and ends the workers and
retries the block of a worker that died. It does not report which name a worker died of, so an `Account` beside the
driver does: a name that was begun DEATHS times on nodes that live, and never ended, is not begun again. Work may be
begun more than once, so it must write its output whole or not at all.
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
from laud_ray.cluster.attempts import Done as Done
from laud_ray.cluster.attempts import Engine, Pass, Raised, run_block
from laud_ray.cluster.deaths import ACCIDENTS, DEATHS
from laud_ray.cluster.deaths import Lost as Lost
from laud_ray.cluster.workers import Workers as Workers
from laud_ray.errors import PassError

T = TypeVar("T")
J = TypeVar("J")

logger = logging.getLogger(__name__)

FAILED_STARTS = 20  # of an engine's actor in a row, before the pass ends
MOST_BLOCKS = 2000  # a block costs the driver a few milliseconds and 30 kB
WINDOW = 256  # tasks that wait in Ray at most, so that an autoscaler sees a demand
AT_ONCE = 2  # names in an engine: one is read, tokenized or written while the engine has the other


def map_ranges(names: Sequence[str], work: Callable[[str, J], T], job: J, workers: Workers) -> Iterator[Done[T] | Lost]:
    """Call work(name, job) for each name on the cluster's workers; yield results as they come.

    A name whose worker died is retried; with engines, which have two names each, alone in its process, since either
    may have killed it. Work that raises EngineError ends its worker, which counts as such a death. Workers and nodes
    may come and go. Closing the iterator ends what is under way.

    Example:
        for result in map_ranges(["part-00000", "part-00001"], score_range, job, Workers(cpus=1)):
            ...

    Raises:
        UserError: if work raises one, as it was raised.
        PassError: if work raises anything else, Ray cannot run it, or one engine after the other ends with the same
            error and none does any work; the message begins with the name.
    """
    if not names:
        return
    # Ray Data sets its loggers up when it is imported, to write among the lines of whoever uses it.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if not slots(workers):
        logger.warning("no node has %g CPUs and %g GPUs: waiting for one", workers.cpus, workers.gpus)
    blocks = min(len(names), MOST_BLOCKS)
    shared, account = [ray.put((work, job))], _account()
    size = min(workers.engines or slots(workers), len(names))
    one_pass = Pass(shared[0].hex(), shared, account, blocks < len(names), size)
    with DataContext.current(_context()):
        data = _mapped([{"name": name} for name in names], blocks, one_pass, workers)
        try:
            for batch in data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                yield from _results(batch)
        except failed.RayError as error:
            raise PassError(f"{type(error).__name__}: {_first_line(error)}") from error
        finally:
            del data  # which ends by force what is under way
            account.forget.remote(one_pass.key)


def _mapped(rows: list[dict[str, str]], blocks: int, one_pass: Pass, workers: Workers) -> ray.data.Dataset:
    data = ray.data.from_items(rows, override_num_blocks=blocks)
    # Ray Data wants a batch size where there is a GPU: one that holds a block.
    how: dict[str, Any] = {"batch_size": -(-len(rows) // blocks), "batch_format": "pyarrow"} | workers.settings
    if workers.engines:
        most = min(workers.engines, blocks)
        pool = ActorPoolStrategy(
            min_size=1,
            initial_size=most,
            max_size=most,
            max_tasks_in_flight_per_actor=2 * AT_ONCE,  # the pool grows at 1.75 times what runs at once
            max_concurrent_calls_per_actor=AT_ONCE,
            enable_true_multi_threading=True,
        )
        return data.map_batches(Engine, fn_constructor_args=(one_pass,), compute=pool, **how)
    pool = TaskPoolStrategy(size=min(WINDOW, blocks))
    # Without max_calls=0 a process that has a GPU ends after each task, and its model with it.
    how["max_calls"] = 0 if workers.gpus else None
    # A worker that dies before it begins a name is on no account: the retries of its block bound that.
    retries = ACCIDENTS + DEATHS * (how["batch_size"] + 1)
    with warnings.catch_warnings():
        # Ray Data has no other bound for it; ours of Ray's version holds it.
        warnings.simplefilter("ignore", category=DeprecationWarning)
        return data.map_batches(run_block, fn_kwargs={"one_pass": one_pass}, compute=pool, max_retries=retries, **how)


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
    context.op_resource_reservation_enabled = False  # else no task waits in Ray Core, and slots idle for 0.1 s
    return context


def _account() -> Any:
    """One for all passes of a driver, on its node."""
    return _accounts(ray.get_runtime_context().get_job_id(), ray.get_runtime_context().get_node_id())


@cache
def _accounts(job: str, node: str) -> Any:  # noqa: ARG001 - a driver that connects to another Ray is another job
    return start_account(node)


def slots(workers: Workers) -> int:
    """Return how many such workers the cluster would have room for if it did nothing else."""
    wanted = [(kind, amount) for kind, amount in (("CPU", workers.cpus), ("GPU", workers.gpus)) if amount]
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(min((int(node.get(kind, 0) / amount) for kind, amount in wanted), default=1) for node in nodes)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
