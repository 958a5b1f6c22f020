"""An adapter on the tiny model: what the loss is, what happens if nothing is learned, and how a training resumes."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from laud_ray.config import CausalConfig
from laud_ray.models import ray_train
from laud_ray.models.language import chat
from laud_ray.models.language.causal import fixed_prompt
from laud_ray.models.language.tuning import answer_model, attention, course, training
from laud_ray.models.language.tuning.answer_model import adapted, load_base, training_dtype
from laud_ray.models.language.tuning.course import STATE, Course
from laud_ray.models.language.tuning.training import encode_bodies
from laud_ray.taxonomy.reading.found import read_found
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Example, Label, Task
from tests.tiny import LABELS, TINY, products

TASK = Task("shelf", "multiclass", tuple(map(Label, LABELS)))
CPU = torch.device("cpu")


def settings(**changed: Any) -> CausalConfig:
    given = {
        "kind": "causal",
        "model": str(TINY),
        "answers": "codes",
        "max_context": 512,
        "rank": 8,
        "dtype": "float32",
    }
    return CausalConfig.model_validate({**given, "checkpointing": False, **changed})


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train without Ray: one rank on the CPU, which reports to nobody."""
    for module in (course, training, ray_train):
        monkeypatch.setattr(module, "get_device", lambda: CPU)
    monkeypatch.setattr(course, "prepare_model", lambda model: model)
    monkeypatch.setattr(ray_train, "rank", lambda: 0)
    monkeypatch.setattr(ray_train, "world_size", lambda: 1)


def begin(config: CausalConfig, examples: list[Example], seed: int = 0) -> Course:
    torch.manual_seed(seed)
    prompt = fixed_prompt(TASK, config)
    return Course(config, adapted(config, CPU), prompt, *encode_bodies(prompt, examples), seed)


def fit(config: CausalConfig, examples: list[Example], out: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Train without checkpoints, and return model.json."""

    def deliver(save: Any, metrics: Any) -> None:
        out.mkdir()
        save(out)

    @contextmanager
    def nothing() -> Iterator[None]:
        yield None

    monkeypatch.setattr(ray_train, "deliver", deliver)
    monkeypatch.setattr(ray_train, "last_checkpoint", nothing)
    prompt = fixed_prompt(TASK, config)
    description = {"kind": "causal", "labels": list(TASK.names)}
    training.train(
        {
            "settings": config,
            "prompt": prompt,
            "examples": tuple(examples),
            "seed": 0,
            "description": description,
            "restartable": False,
        }
    )
    found: dict[str, Any] = json.loads((out / "model.json").read_text())
    return found


def test_the_loss_is_the_entropy_over_the_codes_alone() -> None:
    """The first step of a batch against transformers on each whole prompt, one at a time."""
    examples = products(16)
    config = settings(batch=16)
    first = begin(config, examples).epoch(0)
    prompt, base = fixed_prompt(TASK, config), load_base(str(TINY), "float32", CPU)
    tokenizer = chat.open_tokenizer(str(TINY))
    ids = prompt.ids(tokenizer, [e.text for e in examples], [prompt.opening(tokenizer)] * 16)
    with torch.inference_mode():
        logits = torch.stack([base(input_ids=torch.tensor([one])).logits[0, -1, list(prompt.token_ids)] for one in ids])
    classes = torch.tensor([LABELS.index(e.label) for e in examples])
    assert first.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, classes)), abs=1e-4)
    assert first.accuracy == pytest.approx(float((logits.argmax(1) == classes).float().mean()))
    assert first.n == 16


def test_few_examples_still_make_a_hundred_steps() -> None:
    assert settings().epochs_for(75) == 20
    assert settings().epochs_for(1) == 100
    assert settings().epochs_for(10_000) == 4
    assert settings(epochs=2).epochs_for(75) == 2


def test_a_training_is_recorded_with_what_it_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = fit(settings(epochs=4, learning_rate=4e-3, holdout=0.2), products(100), tmp_path / "m", monkeypatch)
    assert told["training"]["accuracy"] > 0.6 > told["training"]["base_rate"]
    assert (told["training"]["n"], told["held_out"], told["epochs"]) == (100, 20, 4)
    assert told["learning_rate"] == 4e-3
    assert told["temperature"] != 1.0
    assert "failure" not in told


def test_a_rate_too_low_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that the tiny model knows under other names: it must unlearn, for which the first rate is too low."""
    turned = [Example(e.text, LABELS[(LABELS.index(e.label) + 1) % len(LABELS)]) for e in products(32)]
    told = fit(settings(epochs=8, learning_rate=1.5e-3), turned, tmp_path / "m", monkeypatch)
    assert told["learning_rate"] == pytest.approx(6e-3)
    assert told["training"]["accuracy"] > 0.4
    assert "failure" not in told


def test_a_training_that_cannot_learn_is_tried_three_times_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One text under all labels: there is nothing to learn. The adapter of every attempt starts anew."""
    same = [Example("the same text", label) for label in LABELS[:6]] * 4
    starts = []
    whole = Course.epoch

    def epoch(self: Course, number: int) -> Any:
        if number == 0:
            starts.append({name: p.detach().clone() for name, p in self._named.items()})
        return whole(self, number)

    monkeypatch.setattr(Course, "epoch", epoch)
    told = fit(settings(epochs=2, learning_rate=1e-3), same, tmp_path / "m", monkeypatch)
    assert "the model has not learned" in told["failure"]
    assert "of its 24 training examples" in told["failure"]
    assert len(starts) == 3
    for other in starts[1:]:
        assert all(torch.equal(starts[0][name], tensor) for name, tensor in other.items())


def test_a_loss_that_is_not_a_number_ends_an_attempt_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = []

    def epoch(self: Course, number: int) -> Any:
        epochs.append((number, self.rate))
        ones = np.ones(len(LABELS), np.int64)
        return course.Answers(math.nan, ones, ones * 0, ones)

    monkeypatch.setattr(Course, "epoch", epoch)
    told = fit(settings(epochs=3, learning_rate=1e-3), products(12), tmp_path / "m", monkeypatch)
    assert [number for number, _ in epochs] == [0, 0, 0]
    assert [rate for _, rate in epochs] == pytest.approx([1e-3, 2.5e-4, 4e-3])
    assert "failure" in told


def test_a_resumed_training_ends_where_an_unbroken_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its second attempt, before the held-out examples join: rates, temperature and moments come back too."""
    examples, config = products(100), settings(epochs=5, learning_rate=1e-3, holdout=0.2)

    def after(one: Course, first: int) -> Course:
        for number in range(first, one.epochs):
            last = one.epoch(number)
        assert last.learned
        return one

    whole = begin(config, examples)
    assert whole.begin_again(whole.epoch(0))
    for number in range(2):
        whole.epoch(number)
    save_file(whole.state(2), tmp_path / STATE)
    after(whole, 2)

    @contextmanager
    def saved() -> Iterator[Path]:
        yield tmp_path

    monkeypatch.setattr(ray_train, "last_checkpoint", saved)
    resumed = begin(config, examples)
    assert resumed.resume() == 2
    assert resumed.rate == whole.rate != 1e-3
    after(resumed, 2)
    assert all(torch.equal(resumed.adapter()[name], tensor) for name, tensor in whole.adapter().items())
    assert resumed.state(5)["temperature"] == whole.state(5)["temperature"] != 1
    assert load_file(tmp_path / STATE)["rates"].tolist() == [1e-3, whole.rate]


def test_bfloat16_is_for_devices_that_are_fast_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"avx512_bf16": False, "amx_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert training_dtype("auto", CPU) == "float32"
    found["avx512_bf16"] = True
    assert training_dtype("auto", CPU) == "bfloat16"
    assert training_dtype("float32", CPU) == "float32"
    assert training_dtype("auto", torch.device("cuda")) == "bfloat16"


def test_an_adapter_on_a_bfloat16_model_is_float32_and_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = begin(settings(dtype="bfloat16"), products(8))
    assert {p.dtype for p in one._named.values()} == {torch.float32}
    assert one.peft.config._attn_implementation == attention.NAME
    told = fit(settings(epochs=6, learning_rate=3e-3, dtype="bfloat16"), products(64), tmp_path / "m", monkeypatch)
    assert told["training"]["accuracy"] > 0.5


def test_the_rate_falls_with_the_width_of_the_model() -> None:
    class Wide:
        class config:  # noqa: N801
            @staticmethod
            def get_text_config() -> Any:
                return type("Text", (), {"hidden_size": 576})

    assert answer_model.learning_rate(Wide()) == pytest.approx(1.32e-3, rel=0.01)


def test_activations_are_recomputed_where_they_would_take_gigabytes() -> None:
    def recomputes(tokens: int, **changed: Any) -> bool:
        config = settings(checkpointing=None, **changed)
        return bool(adapted(config, CPU, tokens).base_model.model.is_gradient_checkpointing)

    assert not recomputes(1000)
    assert recomputes(1_000_000)


def test_of_few_examples_enough_are_held_out_for_a_temperature_and_of_fewer_none() -> None:
    assert [len(begin(settings(), products(n))._held) for n in (59, 75, 300)] == [0, 20, 30]
    assert not len(begin(settings(holdout=0.0), products(75))._held)
    assert not len(begin(settings(epochs=1), products(75))._held)


def test_leaves_that_do_not_fit_are_options_of_each_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [Example(one.text, f"goods > {one.label}") for one in products(24)]
    tree = read_found([(f"goods > {label}", 1) for label in LABELS], "labels")
    config = settings(max_labels=4, epochs=1, answers="keywords")
    prompt = fixed_prompt(task_of("shelf", tree), config)
    assert prompt.narrow
    assert prompt.tree
    bodies, targets = encode_bodies(prompt, examples)
    tokenizer = chat.open_tokenizer(config.model)
    for body, target, example in zip(bodies, targets, examples, strict=True):
        listed = tokenizer.decode(body).split("<text>")[0].split("Categories:")[1].strip().splitlines()
        assert len(listed) == 4
        assert listed[target].split(" = ")[1] == example.label
    assert len(set(targets.tolist())) > 1
    monkeypatch.setitem(globals(), "TASK", task_of("shelf", tree))
    found = fit(config, examples, tmp_path / "model", monkeypatch)
    assert found["training"]["n"] == 24
    assert training.read_examples(tmp_path / "model") == examples
