"""The number format of an engine: a CPU computes in bfloat16 only where that is its own and the weights' format."""

import json
from pathlib import Path

import pytest

from laud_ray.models.language import chat, engine


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "dtype": "bfloat16"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def stored_as(weights: Path, dtype: str | None) -> str:
    path = weights / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "dtype": dtype}))
    return str(weights)


def test_a_cpu_with_the_instructions_computes_in_the_format_of_the_weights(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "multiplies_bfloat16", lambda: True)
    formats = {
        one: engine.number_format(stored_as(weights, one), "auto", on_cpu=True)
        for one in ("bfloat16", "float16", "float32", None)
    }
    assert formats == {"bfloat16": "bfloat16", "float16": "float32", "float32": "float32", None: "float32"}


def test_a_cpu_without_the_instructions_computes_in_float32(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "multiplies_bfloat16", lambda: False)
    assert engine.number_format(str(weights), "auto", on_cpu=True) == "float32"


def test_what_is_configured_holds_and_a_gpu_is_left_to_vllm(weights: Path) -> None:
    assert engine.number_format(str(weights), "float32", on_cpu=True) == "float32"
    assert engine.number_format(str(weights), "float16", on_cpu=True) == "float16"
    assert engine.number_format(str(weights), "auto", on_cpu=False) == "auto"


def test_a_model_that_does_not_say_its_format_has_none(tmp_path: Path) -> None:
    assert chat.stored_format(str(tmp_path / "absent")) == ""


@pytest.mark.parametrize(
    ("has", "fast"), [({}, False), ({"avx512_bf16": False, "avx2": True}, False), ({"amx_bf16": True}, True)]
)
def test_the_cpu_has_the_instructions_if_torch_lists_them(
    has: dict[str, bool], fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.torch.cpu, "get_capabilities", lambda: has)
    assert engine.multiplies_bfloat16() is fast
