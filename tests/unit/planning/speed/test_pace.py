"""How fast models compute: by formula, and by running them."""

from typing import Any

import pytest

from laud_ray.config import CausalConfig, EncoderConfig, EncoderZeroShotConfig, LinearConfig, LlmConfig, ResourcesConfig
from laud_ray.config.models import VllmZeroShotConfig
from laud_ray.planning.speed import fixed, pace, probe
from laud_ray.planning.speed.devices import Device, core_flops, cores_here, find_device
from laud_ray.planning.speed.pace import Pace
from laud_ray.planning.tokens import Asked, Computed
from laud_ray.types import Label, Task
from tests.tiny import TINY

GPU = Device("test", 1e12, 80e9)
CPU = Device("cpu", 8e11, 80e9, encoder=2.0, cores=8, here=True)
TASK = Task("shelf", "multiclass", (Label("Bread"), Label("Milk")))
TEXTS = ("white bread", "rye bread rolls", "whole milk 1 l", "milk")
LARGE = Computed(7_000_000_000, 100.0, 400)


def resources(**changed: Any) -> ResourcesConfig:
    return ResourcesConfig(**changed)


def test_a_gpu_scores_by_its_operations() -> None:
    section = VllmZeroShotConfig(engine="vllm", model="a/b-7B")
    found = pace.scoring(section, LARGE, TEXTS, GPU, resources(scorers=3, gpus_per_scorer=2))
    assert found == Pace(pytest.approx(2 * 7e9 * 100 / 1e12), 6.0)


def test_an_engine_on_a_cpu_uses_the_cores_that_it_reserves() -> None:
    section = VllmZeroShotConfig(engine="vllm", model="a/b-7B")
    one = pace.scoring(section, LARGE, TEXTS, CPU, resources())
    three = pace.scoring(section, LARGE, TEXTS, CPU, resources(cpus_per_scorer=3))
    assert (one.slots, three.slots) == (1, 3)
    assert one.seconds == pytest.approx(2 * 7e9 * 100 / 1e11, rel=0.01)
    # No machine has more cores than it has.
    assert pace.scoring(section, LARGE, TEXTS, CPU, resources(scorers=100)).slots == 8


def test_an_encoder_that_is_too_large_is_planned_by_its_operations() -> None:
    found = pace.scoring(EncoderZeroShotConfig(), Computed(10**9, 10.0), TEXTS, CPU, resources())
    assert found == Pace(pytest.approx(2 * 1e9 * 10 / (2.0 * 1e11)), 8)


@pytest.mark.parametrize(("checkpointing", "operations"), [(True, 6), (False, 4)])
def test_a_large_language_model_trains_by_its_operations(checkpointing: bool, operations: int) -> None:
    section = CausalConfig(kind="causal", model="a/b-7B", checkpointing=checkpointing)
    found = pace.training(section, LARGE, TASK, TEXTS, GPU, resources(workers=4, gpus_per_worker=1))
    assert found == Pace(pytest.approx(operations * 7e9 / 1e12), 4)


def test_a_worker_that_trains_on_a_cpu_has_one_core() -> None:
    section = CausalConfig(kind="causal", model="a/b-7B")
    alone = pace.training(section, LARGE, TASK, TEXTS, CPU, resources())
    found = pace.training(section, LARGE, TASK, TEXTS, CPU, resources(workers=4))
    assert (alone.slots, found.slots) == (1, 4)
    assert found.seconds == pytest.approx(8 * alone.seconds)


def test_an_oracle_computes_the_common_prefix_once() -> None:
    oracle = LlmConfig(kind="llm", engine="vllm", model="a/b-7B", replicas=2, gpus_per_replica=4)
    found = pace.answering(oracle, Asked(600, 90, 2), 7_000_000_000, GPU)
    assert found == Pace(pytest.approx(2 * 7e9 * 92 / 1e12), 8)


def test_models_at_hand_are_measured_on_this_machine() -> None:
    device = find_device(None)
    if not device.here:
        pytest.skip("this machine has a GPU")
    small = Computed(22_000_000, 5.0)
    scorer = pace.scoring(EncoderZeroShotConfig(), small, TEXTS, device, resources())
    assert scorer.measured
    assert scorer.slots == cores_here()
    encoder = EncoderConfig(kind="encoder", batch=2)
    trained = pace.training(encoder, small, TASK, TEXTS, device, resources())
    # A forward and a backward pass of PyTorch on all cores take longer than ONNX Runtime's forward pass on one of all.
    assert trained.measured
    assert trained.seconds > scorer.seconds / scorer.slots
    assert pace.training(LinearConfig(kind="linear"), small, TASK, TEXTS, device, resources()) == scorer
    tiny = Computed(1_000_000, 5.0, 100)
    assert pace.training(CausalConfig(kind="causal", model=str(TINY)), tiny, TASK, TEXTS, device, resources()).measured
    oracle = LlmConfig(kind="llm", engine="vllm", model=str(TINY))
    assert pace.answering(oracle, Asked(600, 90, 2), 1_000_000, device).measured


def test_more_threads_make_a_part_of_a_step_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_best", lambda step: 1.0)
    assert probe._on_threads(lambda: None, 1, 0.5) == 1.0
    assert probe._on_threads(lambda: None, 2, 0.5) == 0.75
    assert probe._on_threads(lambda: None, 4, 0.0) == 0.25


def test_a_measurement_leaves_the_number_of_threads_as_it_was() -> None:
    import torch

    before = torch.get_num_threads()
    assert core_flops() > 1e9
    assert torch.get_num_threads() == before


def test_engines_start_for_each_pass_and_workers_once() -> None:
    encoder, model = EncoderZeroShotConfig(), VllmZeroShotConfig(engine="vllm", model="a", answers="codes")
    size = 10**9
    assert fixed.passes(encoder, 1, size, first=True, gpu=False) == fixed.WORKERS + fixed.PASS
    assert fixed.passes(model, 3, size, first=False, gpu=False) == 3 * fixed.ENGINE
    assert fixed.passes(model, 3, size, first=False, gpu=True) == 3 * (fixed.ENGINE + fixed.COMPILE)
    undecided = VllmZeroShotConfig(engine="vllm", model="a")
    assert fixed.passes(undecided, 1, size, first=False, gpu=False) == 2 * fixed.ENGINE, "one to choose its answers"
    merged = fixed.passes(CausalConfig(kind="causal", model="a"), 2, size, first=False, gpu=False)
    assert merged == pytest.approx(2 * (fixed.ENGINE + 1e9 * fixed.MERGE))
    assert fixed.training(EncoderConfig(kind="encoder"), 2) == fixed.FIT_ENCODER + fixed.TRAIN_WORKERS
