"""A model whose training recorded that it has not learned is noted, and does not become current."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from laud_ray.errors import ModelError
from laud_ray.models import kinds
from laud_ray.steps import close
from laud_ray.steps.training import train as step
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import failure_of, seal
from laud_ray.types import Label, Task

FAILURE = "the model has not learned: it names 'Tea' for 98% of its 75 training examples"


def make(models: Path, name: str, **more: Any) -> Folder:
    (models / name).mkdir(parents=True)
    seal(models / name, {"kind": "causal", "labels": ["Tea", "other"], **more})
    return Folder(str(models / name))


def test_a_failure_is_read_from_the_model(tmp_path: Path) -> None:
    assert failure_of(make(tmp_path, "round-0001", failure=FAILURE)) == FAILURE
    assert failure_of(make(tmp_path, "round-0002")) is None
    with pytest.raises(ModelError, match="is not a model"):
        failure_of(Folder(str(tmp_path / "round-0003")))
    damaged = tmp_path / "round-0001" / "model.json"
    damaged.write_bytes(damaged.read_bytes().replace(b"98%", b"10%"))
    with pytest.raises(ModelError, match="its checksum differs"):
        failure_of(Folder(str(tmp_path / "round-0001")))


def test_the_run_hears_of_it_before_the_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "round-0001", failure=FAILURE), make(tmp_path, "round-0002")
    notes: list[tuple[str, int, str]] = []
    run = SimpleNamespace(folder=Folder(str(tmp_path)), models=Folder(str(tmp_path)), model_name="round-{:04}".format)
    resources = SimpleNamespace(workers=0, gpus_per_worker=0.0)
    work: Any = SimpleNamespace(
        workers=lambda round: None,
        run=run,
        config=SimpleNamespace(
            resources=resources,
            learner=SimpleNamespace(kind="causal"),
            task=SimpleNamespace(tree=None, wording=None),
            zero_shot=None,
            seed=0,
        ),
        task=Task("drinks", "binary", (Label("Tea"), Label("other"))),
        step=lambda *_, **__: nullcontext(),
        note=lambda *note: notes.append(note),
    )
    for name in ("training_answers", "feedback_labels", "_unlabelled"):
        monkeypatch.setattr(step, name, lambda *_: ())
    monkeypatch.setattr(step.stage, "to_examples", lambda *_: [])
    monkeypatch.setattr(kinds, "build", lambda *_: None)
    for round in (1, 2):  # both are there already, so nothing is trained
        step.train(work, round)
    assert notes == [("train", 1, f"round-0001: {FAILURE}")]
    assert [close.has_learned(work, round) for round in (1, 2)] == [False, True]
