"""Ray Train, thin: run a training function in this process or in N workers, and bring back the folder it made."""

import logging
import math
import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray.train
from ray.train import Checkpoint, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from laud_ray.storage import Folder
from laud_ray.types import Indices

logger = logging.getLogger(__name__)

WARM_UP = 0.1


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
    """Run `loop(config)` on every worker and put the folder that its rank 0 delivers at `out`."""
    with tempfile.TemporaryDirectory(prefix="laud-train-") as scratch:
        # A name of its own for every attempt: Ray Train silently continues a run whose name it knows.
        trainer = TorchTrainer(
            loop,
            train_loop_config=dict(config),
            scaling_config=ScalingConfig(
                num_workers=resources.workers,
                use_gpu=resources.gpus_per_worker > 0,
                resources_per_worker={"GPU": resources.gpus_per_worker} if resources.gpus_per_worker else None,
            ),
            run_config=RunConfig(
                name=f"train-{uuid.uuid4().hex}",
                # Ray Train takes no relative path, and its workers have working directories of their own.
                storage_path=Folder(resources.storage or scratch).absolute().uri,
                failure_config=FailureConfig(max_failures=resources.max_failures),
            ),
        )
        checkpoint = trainer.fit().checkpoint
        with checkpoint.as_directory() as folder:
            shutil.copytree(folder, out, dirs_exist_ok=True)
        if not resources.workers:
            shutil.rmtree(checkpoint.path)


def deliver(save: Callable[[Path], None], metrics: Mapping[str, float]) -> None:
    """In the training function, on every rank: rank 0's folder becomes the result, or the place to restart from."""
    checkpoint = None
    if rank() == 0:
        folder = tempfile.mkdtemp(prefix="laud-model-")
        save(Path(folder))
        checkpoint = Checkpoint.from_directory(folder)
    # In local mode nothing is uploaded: the folder itself is the result, and `fit` moves it.
    ray.train.report(dict(metrics), checkpoint=checkpoint, delete_local_checkpoint_after_upload=True)


def left_behind() -> Path | None:
    """In the training function: the folder that was last delivered before a failure, or None."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return None
    folder = tempfile.mkdtemp(prefix="laud-resume-")
    return Path(checkpoint.to_directory(folder))


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
