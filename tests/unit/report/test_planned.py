"""The views of `laud plan`."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from laud_ray import cli
from laud_ray.planning import plan
from laud_ray.planning.speed.devices import Device
from laud_ray.report.planned import plan_view, to_json
from tests.unit.planning.test_plan import settings


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> plan.Plan:
    monkeypatch.setattr(plan, "find_device", lambda gpu: Device("test", 1e12, 80e9))
    return plan.plan(settings(tmp_path))


def shown(made: plan.Plan) -> str:
    console = Console(width=200, record=True)
    with console.capture() as captured:
        console.print(plan_view(made))
    return captured.get()


def test_the_view_has_steps_ways_and_assumptions(made: plan.Plan) -> None:
    text = shown(made)
    assert "This run: 4 rounds at most" in text
    assert "of it to start Ray and to load models" in text
    for name in ("LLM alone", "LLM and people", "people alone"):
        assert f"\n{name}: interval of the" in text
    assert "LLM alone: interval of the agreement with the LLM, from 20 of the LLM." in text
    assert "people alone: interval of the accuracy, from 20 of people." in text
    assert "Labelling all 60 distinct documents with big instead: $" in text
    assert "Note: people are assumed to cost $35 an hour" in text
    assert text.rstrip().endswith("Nothing was run.")


def test_the_json_has_all_of_it(made: plan.Plan) -> None:
    found = json.loads(json.dumps(to_json(made)))
    assert found["hours"] == pytest.approx(sum(step["hours"] or 0 for step in found["steps"]))
    assert 0 < found["start_up_hours"] < found["hours"]
    ways = found["comparison"]["ways"]
    assert [way["name"] for way in ways] == ["LLM alone", "LLM and people", "people alone"]
    assert all(way["half_width"] == pytest.approx((way["high"] - way["low"]) / 2) for way in ways)
    assert found["comparison"]["everything"]["documents"] == 60
    assert found["comparison"]["assumptions"]


def test_the_command_prints_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "task.yaml"
    config.write_text(settings(tmp_path).dump())
    cli.main(["plan", str(config), "--gpu", "H100", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["device"]["name"] == "H100"
    assert {"counts", "rounds", "steps", "notes", "comparison", "dollars", "hours", "people_hours"} <= set(found)


def test_an_unknown_gpu_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "task.yaml"
    config.write_text(settings(tmp_path).dump())
    with pytest.raises(SystemExit) as ended:
        cli.main(["plan", str(config), "--gpu", "X9"])
    assert ended.value.code == 2
    assert "--gpu: 'X9' is unknown; expected one of T4" in capsys.readouterr().err
