"""Ray Train, thin: run a training function in this process or in N workers, and bring back the folder it made."""

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
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.train.torch import TorchTrainer

from laud_ray.errors import EngineError, LaudError
from laud_ray.models.faults import reason
from laud_ray.storage.folder import Folder, filesystem
from laud_ray.storage.local import scratch
from laud_ray.types import Indices

logger = logging.getLogger(__name__)

WARM_UP = 0.1
# Where Ray Train writes which checkpoint is the last.
SNAPSHOT = "checkpoint_manager_snapshot.json"


@dataclass(frozen=True, slots=True)
class Resources:
    """Who trains: `workers` processes with their share of GPUs, or 0 for this process.

    Attributes:
        storage: where workers leave the result; on several nodes it must be shared by them.
    """

    workers: int = 0
    gpus_per_worker: float = 0
    storage: str | None = None
    max_failures: int = 2


def fit(loop: Callable[[dict[str, Any]], None], config: Mapping[str, Any], resources: Resources, out: str) -> None:
    """Run `loop(config)` on every worker and put the folder that its rank 0 delivers at `out`.

    What workers left in `resources.storage` stays, the last checkpoint alone: if this process is killed before the
    result is published, the same call goes on from it. Whoever published the result removes it.

    Raises:
        LaudError: what a worker raised, if that is one of ours; EngineError for whatever else it failed with.
    """
    with scratch.temporary("train") as place:
        storage = Folder(resources.storage or str(place))
        # Ray Train continues a training whose name it knows, whatever its settings: so the name says all of them.
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
                # Not as a URI: Ray Train takes no relative path, and knows no settings of an endpoint.
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


def _where_we_are(loop: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Have workers train in this process's working directory, if their node has it, and not in one of Ray Train's.

    A model may be named by a relative folder.
    """
    here = os.getcwd()

    def placed(config: dict[str, Any]) -> None:
        if os.path.isdir(here):
            os.chdir(here)
        loop(config)

    return placed


def _first_failure(error: WorkerGroupError) -> LaudError:
    """What the first of the workers that failed raised; of another kind than ours, in one line."""
    failure = error.worker_failures[min(error.worker_failures)]
    return failure if isinstance(failure, LaudError) else EngineError(f"training: {reason(failure)}")


def deliver(save: Callable[[Path], None], metrics: Mapping[str, float]) -> None:
    """In the training function, on every rank: rank 0's folder becomes the result, or the place to restart from."""
    checkpoint = None
    if rank() == 0:
        folder = scratch.new("model")
        save(folder)
        checkpoint = Checkpoint.from_directory(str(folder))
    # In local mode nothing is uploaded: the folder itself is the result, and `fit` moves it.
    ray.train.report(dict(metrics), checkpoint=checkpoint, delete_local_checkpoint_after_upload=True)


@contextmanager
def left_behind() -> Iterator[Path | None]:
    """In the training function: yield the folder that was last delivered before a failure, or None."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        yield None
        return
    with checkpoint.as_directory() as folder:
        yield Path(folder)


def _name_of(loop: Callable[[dict[str, Any]], None], config: Mapping[str, Any], resources: Resources) -> str:
    """The same name for the same training, by the same version of Ray, which reads no other's snapshots."""
    settings = (
        ray.__version__,
        loop.__module__,
        loop.__qualname__,
        replace(resources, storage=None),
        sorted(config.items()),
    )
    return f"train-{hashlib.sha256(repr(settings).encode()).hexdigest()[:32]}"


def _keep_only(storage: Folder, name: str) -> None:
    """Remove what other trainings left, and of this one what cannot be continued."""
    for left in storage.folders():
        if left != name or not _can_continue(storage / name):
            (storage / left).remove()


def _can_continue(attempt: Folder) -> bool:
    """Whether an attempt has a whole snapshot and the checkpoint that it names: Ray Train fails over any other."""
    try:
        last = json.loads(attempt.read(SNAPSHOT))["latest_checkpoint_result"]["checkpoint_dir_name"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False
    return last in attempt.folders()


def rank() -> int:
    return int(ray.train.get_context().get_world_rank())


def world_size() -> int:
    return int(ray.train.get_context().get_world_size())


def rate(progress: float, highest: float) -> float:
    """The learning rate at a progress in [0, 1]: up over the first tenth of the course, then to 0 along a cosine."""
    warm = min(1.0, progress / WARM_UP + 0.04)
    fall = 0.5 * (1 + math.cos(math.pi * max(0.0, progress - WARM_UP) / (1 - WARM_UP)))
    return highest * warm * fall


def shares(rows: Indices) -> list[Indices]:
    """In the training function: which of a batch's rows each rank takes."""
    return [rows[one :: world_size()] for one in range(world_size())]


def or_stand_in(mine: Indices | None, rows: Indices) -> tuple[Indices, float]:
    """A rank's own rows and their weight, 1; for a rank that has none, the first of the batch with weight 0.

    The gradient exchange waits for every rank.
    """
    return (rows[:1], 0.0) if mine is None or not len(mine) else (mine, 1.0)
