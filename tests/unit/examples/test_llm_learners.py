"""The comparison of learners: what it builds, what it says is missing, and its table."""

import sys
from pathlib import Path

import numpy as np
import pytest

from laud_ray.models.encoder.learner import EncoderLearner
from laud_ray.models.encoder.linear import LinearLearner
from laud_ray.models.language.causal import CausalLearner
from laud_ray.models.language.in_context import InContextLearner
from laud_ray.types import Label, Task
from tests.tiny import TINY

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


def test_learners_are_those_of_a_run_with_all_labels_in_a_prompt() -> None:
    from labelled_sets import LabelledSet
    from llm_learners import LEARNERS, arguments, learner

    task = Task("t", "multiclass", tuple(Label(f"label {i}") for i in range(77)))
    data = LabelledSet("t", task, [f"name {i}" for i in range(200)], np.arange(200) % 77, [], np.empty(0, np.int64))
    args = arguments(["--data", "t", "--model", str(TINY), "--dtype", "float32"])
    made = {name: learner(name, data, args) for name in LEARNERS}
    assert {name: type(one) for name, one in made.items()} == {
        "zero_shot_encoder": EncoderLearner,
        "zero_shot_llm": InContextLearner,
        "in_context": InContextLearner,
        "causal": CausalLearner,
        "encoder": EncoderLearner,
        "linear": LinearLearner,
    }
    assert made["causal"].settings.max_labels == 77
    assert made["causal"].settings.epochs is None
    assert not made["causal"].settings.chat_template
    assert len(made["in_context"].probe) == 64
    assert made["in_context"].probe == learner("in_context", data, args).probe


def test_what_is_missing_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_learners import main

    def said(*given: str) -> str:
        monkeypatch.setattr(sys, "argv", ["llm_learners.py", *given])
        with pytest.raises(SystemExit) as raised:
            main()
        return str(raised.value)

    assert "nothing does not exist; expected a folder with train.parquet" in said("--data", str(tmp_path / "nothing"))
    assert "make llm makes data/smollm2" in said("--data", str(tmp_path), "--model", str(tmp_path / "no-model"))


def test_a_finished_result_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import llm_learners

    measured: list[tuple[str, int]] = []

    def apart(key: dict[str, object], _args: object) -> dict[str, object]:
        measured.append((str(key["learner"]), int(str(key["budget"]))))
        estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
        told = {"failure": "the model has not learned"} if key["learner"] == "causal" else {}
        return {
            "accuracy": estimate,
            "macro_f1": estimate,
            "calibration_error": 0.1,
            "n": 400,
            "rows_per_second": 7.0,
            "training_minutes": 1.5,
            "told": told,
        }

    monkeypatch.setattr(llm_learners, "apart", apart)
    common = ["x", "--data", str(tmp_path), "--model", str(TINY), "--lines", str(tmp_path / "lines.jsonl")]
    monkeypatch.setattr(sys, "argv", [*common, "--budgets", "300", "--learners", "zero_shot_llm", "causal"])
    llm_learners.main()
    monkeypatch.setattr(sys, "argv", [*common, "--learners", "causal"])
    llm_learners.main()
    assert measured == [("zero_shot_llm", 0), ("causal", 300), ("causal", 500)]
    printed = capsys.readouterr().out
    assert "400 test names" in printed
    assert "| causal | 500 | 50.0 (40.0-60.0) | 50.0 (40.0-60.0) | 0.100 | 7 | 1.5 |" in printed
    assert "causal with 300: the model has not learned" in printed


def test_an_encoder_needs_no_language_model(tmp_path: Path) -> None:
    from llm_learners import arguments, missing

    given = ["--data", str(tmp_path), "--model", str(tmp_path / "no-model")]
    assert missing(arguments([*given, "--learners", "encoder", "linear"])) is None
    assert missing(arguments([*given, "--only", "linear", "300"])) is None
    assert missing(arguments([*given, "--only", "causal", "300"])) is not None
