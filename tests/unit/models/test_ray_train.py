"""What every learner trains by: the learning rate's course, and batches that ranks share."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ray.train import WorkerGroupError

from laud_ray.errors import EngineError, ModelError
from laud_ray.models import ray_train
from laud_ray.models.ray_train import _first_failure
from laud_ray.storage.folder import Folder
from tests.s3 import s3_server


@pytest.mark.parametrize(("progress", "part"), [(0, 0.04), (0.05, 0.54), (0.1, 1), (0.55, 0.5), (1, 0)])
def test_the_rate_rises_over_a_tenth_and_falls_to_nothing(progress: float, part: float) -> None:
    assert ray_train.learning_rate(progress, 2e-3) == pytest.approx(part * 2e-3)


def test_a_rank_without_rows_takes_part_with_no_weight() -> None:
    batch = np.asarray([7, 8, 9])
    for none in (None, batch[:0]):
        rows, weight = ray_train.own_rows(none, batch)
        assert (rows.tolist(), weight) == ([7], 0.0)
    rows, weight = ray_train.own_rows(batch[1:], batch)
    assert (rows.tolist(), weight) == ([8, 9], 1.0)


def attempt(place: Folder, name: str, last: str | None, *checkpoints: str) -> None:
    """What Ray Train leaves of a training: its checkpoints, and a snapshot that names the last one."""
    for one in checkpoints:
        (place / name / one).write("state.safetensors", b"weights")
    if last is not None:
        snapshot = json.dumps({"latest_checkpoint_result": {"checkpoint_dir_name": last}})
        (place / name).write(ray_train.SNAPSHOT, snapshot.encode())


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_only_what_can_be_continued_is_kept(kind: str, tmp_path: Path) -> None:
    with s3_server("laud-tests") if kind == "s3" else nullcontext():
        place = Folder("s3://laud-tests/run/training" if kind == "s3" else str(tmp_path / "training"))
        ray_train._keep_only(place, "mine")  # there is none
        attempt(place, "other", "checkpoint_1", "checkpoint_1")
        attempt(place, "mine", "checkpoint_2", "checkpoint_1", "checkpoint_2")
        ray_train._keep_only(place, "mine")
        assert place.folders() == {"mine"}
        for last, checkpoints in ((None, ["checkpoint_1"]), ("checkpoint_2", ["checkpoint_1"])):
            (place / "mine").remove()
            attempt(place, "mine", last, *checkpoints)
            ray_train._keep_only(place, "mine")
            assert place.folders() == set(), "Ray Train would fail over it, again and again"
        attempt(place, "mine", None, "checkpoint_1")
        (place / "mine").write(ray_train.SNAPSHOT, b'{"latest_ch')  # cut off by a kill
        ray_train._keep_only(place, "mine")
        assert place.folders() == set()


def test_a_training_is_named_by_all_that_it_depends_on() -> None:
    resources = ray_train.Resources(2, 0, "runs/a/training")
    config = {"examples": ("a", "b"), "seed": 0}
    name = ray_train._name_of(ray_train.fit, config, resources)
    assert name == ray_train._name_of(ray_train.fit, dict(reversed(config.items())), replace(resources, storage="/b"))
    others = [
        ray_train._name_of(ray_train.fit, config | {"seed": 1}, resources),
        ray_train._name_of(ray_train.fit, config | {"examples": ("a",)}, resources),
        ray_train._name_of(ray_train.fit, config, replace(resources, workers=1)),
        ray_train._name_of(ray_train.deliver, config, resources),
    ]
    assert len({name, *others}) == 5


def test_a_training_that_fails_says_why_in_one_line() -> None:
    ours, other = ModelError("model: 'gone' cannot be loaded"), RuntimeError("CUDA error: x\nfor debugging, pass y")
    assert _first_failure(WorkerGroupError("a traceback", {1: other, 0: ours})) is ours
    found = _first_failure(WorkerGroupError("a traceback", {0: other}))
    assert isinstance(found, EngineError)
    assert str(found) == "training: RuntimeError: CUDA error: x for debugging, pass y"
