"""A training that loses a worker goes on from its last epoch, and ends where an unbroken one does.

The broken one has its model in shards (FSDP2), the unbroken one whole on every worker (DDP).
"""

from __future__ import annotations  # what is sent to workers must not need this module's names

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from laud_ray.config import CausalConfig
from laud_ray.errors import EngineError
from laud_ray.models import ray_train
from laud_ray.models.language.causal import fixed_prompt
from laud_ray.models.language.tuning import training
from laud_ray.models.language.tuning.training import ADAPTER
from laud_ray.models.ray_train import Resources
from laud_ray.types import Label, Task
from tests.tiny import LABELS, TINY, products


def fragile(config: dict[str, Any]) -> None:
    """The training loop, but rank 0's process dies in the second epoch, once."""
    import os
    from pathlib import Path

    import ray.train

    from laud_ray.models import ray_train
    from laud_ray.models.language.tuning import course, training

    fallen, began = Path(config["fallen"]), Path(config["began"])
    whole = course.Course.epoch

    def epoch(self: Any, number: int) -> Any:
        if ray_train.rank() == 0:
            with began.open("a") as log:
                kinds = {type(parameter).__name__ for parameter in self._named.values()}
                log.write(f"{number} {' '.join(kinds)}\n")
            if number == 1 and not fallen.exists():
                fallen.touch()
                # A checkpoint is taken up some moments after it was reported; a real epoch is longer than that.
                ray.train.get_all_reported_checkpoints()
                os._exit(1)
        return whole(self, number)

    course.Course.epoch = epoch  # type: ignore[method-assign]
    training.train(config)


@pytest.mark.timeout(600)
def test_a_lost_worker_costs_an_epoch_at_most(ray_session: str, tmp_path: Path) -> None:
    settings = CausalConfig.model_validate(
        {
            "kind": "causal",
            "model": str(TINY),
            "answers": "codes",  # the tiny model was trained on them, so that it learns at once
            "max_context": 512,
            "epochs": 3,
            "learning_rate": 1e-3,
            "rank": 8,
            "shard": True,
        }
    )
    task = Task("shelf", "multiclass", tuple(map(Label, LABELS)))
    prompt = fixed_prompt(task, settings)
    config = {
        "settings": settings,
        "prompt": prompt,
        "examples": tuple(products(32)),
        "seed": 0,
        "description": {"kind": "causal", "base": str(TINY), "prompt": prompt.to_json()},
        "restartable": True,
        "fallen": str(tmp_path / "fallen"),
        "began": str(tmp_path / "began"),
    }
    resources = Resources(workers=2, storage=str(tmp_path / "train"), max_failures=1)
    ray_train.fit(fragile, config, resources, str(tmp_path / "broken"))
    assert (tmp_path / "began").read_text().splitlines() == [f"{epoch} DTensor" for epoch in (0, 1, 1, 2)]
    config["settings"] = settings.model_copy(update={"shard": False})
    ray_train.fit(training.train, config, resources, str(tmp_path / "whole"))
    broken, whole = (load_file(tmp_path / name / ADAPTER / "adapter_model.safetensors") for name in ("broken", "whole"))
    assert broken.keys() == whole.keys()
    assert any(tensor.abs().max() > 0 for name, tensor in whole.items() if "lora_B" in name)
    for name, tensor in whole.items():
        torch.testing.assert_close(broken[name], tensor, rtol=1e-4, atol=1e-6)


def counting(config: dict[str, Any]) -> None:
    """A training that leaves its epoch behind, and fails for good in its third, once."""
    from pathlib import Path

    import ray.train

    from laud_ray.models import ray_train

    with ray_train.last_checkpoint() as path:
        first = 0 if path is None else 1 + int((path / "epoch").read_text())
    for epoch in range(first, 4):
        with Path(config["began"]).open("a") as log:
            log.write(f"{epoch}\n")
        if epoch == 2 and not Path(config["fallen"]).exists():
            Path(config["fallen"]).touch()
            ray.train.get_all_reported_checkpoints()
            raise RuntimeError("for good")
        ray_train.deliver(lambda folder, epoch=epoch: (folder / "epoch").write_text(str(epoch)), {})  # type: ignore[misc]


@pytest.mark.timeout(300)
def test_the_same_call_goes_on_from_the_only_checkpoint_that_is_kept(ray_session: str, tmp_path: Path) -> None:
    """As when the process that trains is killed: what another training left is removed, its own is taken up."""
    place, began = tmp_path / "training", tmp_path / "began"
    (place / "train-of-another-round" / "checkpoint_1").mkdir(parents=True)
    config = {"began": str(began), "fallen": str(tmp_path / "fallen")}
    resources = Resources(workers=1, storage=str(place), max_failures=0)
    with pytest.raises(EngineError, match="for good"):
        ray_train.fit(counting, config, resources, str(tmp_path / "out"))
    (left,) = place.iterdir()
    assert len(list(left.glob("checkpoint_2*"))) == 1
    ray_train.fit(counting, config, resources, str(tmp_path / "out"))
    assert began.read_text().split() == ["0", "1", "2", "2", "3"]
    assert (tmp_path / "out" / "epoch").read_text() == "3"
    assert list(place.iterdir()) == [left]
    assert len(list(left.glob("checkpoint_2*"))) == 1, "no more is kept than a restart needs"
    # Other settings are another training.
    ray_train.fit(counting, config | {"began": str(tmp_path / "anew")}, resources, str(tmp_path / "out"))
    assert (tmp_path / "anew").read_text().split() == ["0", "1", "2", "3"]
    assert left not in place.iterdir()
