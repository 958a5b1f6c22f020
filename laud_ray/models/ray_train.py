"""A thin layer over Ray Train: run a training function in this process or in N workers, and fetch the result folder."""

import hashlib
import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray.train
import torch
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.train.torch import TorchTrainer, get_device

from laud_ray.cluster.workers import Workers
from laud_ray.errors import EngineError, LaudError
from laud_ray.models.faults import reason
from laud_ray.models.language.warm import POOL, make_room
from laud_ray.storage.folder import Folder, filesystem
from laud_ray.storage.local import scratch
from laud_ray.types import Floats, Indices

logger = logging.getLogger(__name__)

WARM_UP = 0.1
# The file in which Ray Train records the last checkpoint.
SNAPSHOT = "checkpoint_manager_snapshot.json"


@dataclass(frozen=True, slots=True)
class Resources:
    """The processes that train.

    Attributes:
        workers: the number of worker processes; 0 trains in this process.
        gpus_per_worker: GPUs of each worker; may be a fraction.
        storage: folder or URI in which workers leave checkpoints and the result. If workers run on several nodes, all
            of them must reach it. None: a temporary folder.
        max_failures: how many times Ray Train restarts a failed training.
    """

    workers: int = 0
    gpus_per_worker: float = 0
    storage: str | None = None
    max_failures: int = 2


def fit(loop: Callable[[dict[str, Any]], None], config: Mapping[str, Any], resources: Resources, out: str) -> None:
    """Run `loop(config)` on every worker, and copy the folder that rank 0 delivers to `out`.

    The last checkpoint stays in `resources.storage`: if this process is killed before the result is published, the same
    call resumes from it. The caller removes it after publishing the result.

    Raises:
        LaudError: the error of the first failed worker, if it is a LaudError.
        EngineError: for any other error of a worker.
    """
    _make_room(resources)
    with scratch.temporary("train") as place:
        storage = Folder(resources.storage or str(place))
        # Ray Train resumes any training with the same name, even with other settings. So the name contains a hash of
        # all settings.
        name = _name_of(loop, config, resources)
        _keep_only(storage, name)
        fs, path = filesystem(storage.uri)
        trainer = TorchTrainer(
            _where_we_are(loop) if resources.workers else loop,
            train_loop_config=dict(config),
            scaling_config=ScalingConfig(
                num_workers=resources.workers,
                use_gpu=resources.gpus_per_worker > 0,
                resources_per_worker={"GPU": resources.gpus_per_worker} if resources.gpus_per_worker else None,
            ),
            run_config=RunConfig(
                name=name,
                # Not a URI, because Ray Train accepts neither a relative path nor the settings of an endpoint.
                storage_path=path,
                storage_filesystem=fs,
                checkpoint_config=CheckpointConfig(num_to_keep=1),
                failure_config=FailureConfig(max_failures=resources.max_failures),
            ),
        )
        try:
            checkpoint = trainer.fit().checkpoint
        except WorkerGroupError as error:
            raise _first_failure(error) from error
        with checkpoint.as_directory() as folder:
            shutil.copytree(folder, out, dirs_exist_ok=True)
        if not resources.workers:
            shutil.rmtree(checkpoint.path)


def _make_room(resources: Resources) -> None:
    """Stop idle engines that hold the GPUs or the memory that the training needs."""
    if resources.workers:
        make_room(Workers(gpus=resources.gpus_per_worker, engines=resources.workers), resources.workers)
    elif torch.cuda.is_available():
        POOL.free_gpus()
    else:
        make_room(Workers(), 1)


def _where_we_are(loop: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Wrap a training function so that it runs in this process's working directory, if the worker's node has it.

    Ray Train changes the working directory, but a model may be given as a relative folder.
    """
    here = os.getcwd()

    def placed(config: dict[str, Any]) -> None:
        if os.path.isdir(here):
            os.chdir(here)
        loop(config)

    return placed


def _first_failure(error: WorkerGroupError) -> LaudError:
    """Return the error of the failed worker with the lowest rank; as EngineError if it is not a LaudError."""
    failure = error.worker_failures[min(error.worker_failures)]
    return failure if isinstance(failure, LaudError) else EngineError(f"training: {reason(failure)}")


def deliver(save: Callable[[Path], None], metrics: Mapping[str, float]) -> None:
    """Report a checkpoint to Ray Train: the folder that `save` fills on rank 0. The last one is the result.

    The training function calls it on every rank. A restarted training resumes from the last checkpoint.
    """
    checkpoint = None
    if rank() == 0:
        folder = scratch.new("model")
        save(folder)
        checkpoint = Checkpoint.from_directory(str(folder))
    # In local mode nothing is uploaded: the folder itself is the result, and `fit` copies and deletes it.
    ray.train.report(dict(metrics), checkpoint=checkpoint, delete_local_checkpoint_after_upload=True)


@contextmanager
def last_checkpoint() -> Iterator[Path | None]:
    """Yield the folder of the last checkpoint before a failure, or None. The training function calls it."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        yield None
        return
    with checkpoint.as_directory() as folder:
        yield Path(folder)


def _name_of(loop: Callable[[dict[str, Any]], None], config: Mapping[str, Any], resources: Resources) -> str:
    """Return a name that is the same for the same training with the same Ray version.

    The version is part of it because Ray does not read the snapshots of another version.
    """
    settings = (
        ray.__version__,
        loop.__module__,
        loop.__qualname__,
        replace(resources, storage=None),
        sorted(config.items()),
    )
    return f"train-{hashlib.sha256(repr(settings).encode()).hexdigest()[:32]}"


def _keep_only(storage: Folder, name: str) -> None:
    """Remove the leftovers of other trainings, and those of this one if it cannot be resumed."""
    for left in storage.folders():
        if left != name or not _can_continue(storage / name):
            (storage / left).remove()


def _can_continue(attempt: Folder) -> bool:
    """Whether an attempt has a readable snapshot and the checkpoint named in it; otherwise Ray Train would fail."""
    try:
        last = json.loads(attempt.read(SNAPSHOT))["latest_checkpoint_result"]["checkpoint_dir_name"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False
    return last in attempt.folders()


def rank() -> int:
    """Return this worker's rank, from 0."""
    return int(ray.train.get_context().get_world_rank())


def world_size() -> int:
    """Return the number of workers."""
    return int(ray.train.get_context().get_world_size())


def summed(values: Floats) -> Floats:
    """Add up an array of every rank, elementwise. The training function calls it on all ranks."""
    if world_size() == 1:
        return values
    total = torch.from_numpy(values).to(get_device())
    torch.distributed.all_reduce(total)
    found: Floats = total.cpu().numpy()
    return found


def learning_rate(progress: float, highest: float) -> float:
    """Return the learning rate at a progress in [0, 1]: linear warm-up over the first tenth, then cosine decay to 0."""
    warm = min(1.0, progress / WARM_UP + 0.04)
    fall = 0.5 * (1 + math.cos(math.pi * max(0.0, progress - WARM_UP) / (1 - WARM_UP)))
    return highest * warm * fall


def rows_by_rank(rows: Indices) -> list[Indices]:
    """Divide the rows of a batch among the ranks. The training function calls it."""
    return [rows[one :: world_size()] for one in range(world_size())]


def own_rows(mine: Indices | None, rows: Indices) -> tuple[Indices, float]:
    """Return a rank's rows with weight 1; if it has none, the first row of the batch with weight 0.

    A rank without rows must take part nevertheless, because the exchange of gradients waits for every rank.
    """
    return (rows[:1], 0.0) if mine is None or not len(mine) else (mine, 1.0)
