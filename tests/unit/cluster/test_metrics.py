"""What a job counts, and that counting never ends it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.util import metrics as exported

from laud_ray.cli.metrics import watched
from laud_ray.cluster.metrics import JobMetrics
from laud_ray.loop import Event
from laud_ray.types import Estimate, Figures, RoundResult


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, Mapping[str, str]]]:
    """What reaches Ray's own metrics, in order, without a cluster."""
    found: list[tuple[str, float, Mapping[str, str]]] = []

    def record(self: Any, value: float, tags: Mapping[str, str]) -> None:
        found.append((self.info["name"], value, tags))

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(exported.Metric, "_record", record)
    monkeypatch.setattr(exported.Counter, "inc", record)
    monkeypatch.setattr(exported.Gauge, "set", record)
    return found


def last(recorded: list[tuple[str, float, Mapping[str, str]]], name: str) -> float:
    return [value for found, value, _ in recorded if found == name][-1]


def test_progress_is_counted_once(recorded: list[tuple[str, float, Mapping[str, str]]]) -> None:
    now = [100.0]
    metrics = JobMetrics("relabel", "s3://bucket/run", lambda: now[0])
    metrics.begin("score")
    for done, at in ((1000, 100.0), (1200, 102.0), (1200, 104.0), (3000, 110.0)):
        now[0] = at
        metrics.progress(done, 3000)
    counted = [value for name, value, _ in recorded if name == "laud_job_documents"]
    # 1,000 were there from an attempt before.
    assert counted == [200, 1800]
    assert last(recorded, "laud_job_done") == 3000
    assert last(recorded, "laud_job_expected") == 3000
    assert last(recorded, "laud_job_rate") == 200
    assert {tuple(sorted(tags)) for name, _, tags in recorded if name == "laud_job_documents"} == {
        ("kind", "run", "step")
    }


def test_what_moves_often_is_told_once_a_second_and_at_the_end(
    recorded: list[tuple[str, float, Mapping[str, str]]],
) -> None:
    now = [50.0]
    metrics = JobMetrics("run", "r", lambda: now[0])
    for done in range(1, 101):
        now[0] += 0.1
        metrics.progress(done, 100)
    told = [value for name, value, _ in recorded if name == "laud_job_done"]
    assert 10 <= len(told) <= 12
    assert told[-1] == 100
    assert sum(value for name, value, _ in recorded if name == "laud_job_documents") == 99


def test_only_the_newest_model_is_the_newest(recorded: list[tuple[str, float, Mapping[str, str]]]) -> None:
    metrics = JobMetrics("run", "r")
    metrics.round(1, "round-0001")
    metrics.round(2)
    metrics.round(2, "round-0002")
    models = [(tags["model"], value) for name, value, tags in recorded if name == "laud_job_model_info"]
    assert models == [("round-0001", 1), ("round-0001", 0), ("round-0002", 1)]
    assert last(recorded, "laud_job_round") == 2


def test_a_fault_of_counting_ends_the_counting_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def broken(self: object, value: float, tags: object) -> None:
        calls.append(value)
        raise RuntimeError("the exporter is gone")

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(exported.Gauge, "set", broken)
    metrics = JobMetrics("run", "r")
    metrics.spend(1.0)
    metrics.spend(2.0)
    assert len(calls) == 1
    assert "metrics are switched off: the exporter is gone" in caplog.text


def test_without_ray_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    metrics = JobMetrics("run", "r")
    metrics.progress(1, 2)
    metrics.errors(1)
    metrics.tokens(0)
    assert "_metrics" not in vars(metrics)


def test_a_run_is_counted_as_it_is_shown(recorded: list[tuple[str, float, Mapping[str, str]]], tmp_path: Path) -> None:
    shown: list[Event] = []
    observe = watched(shown.append, str(tmp_path / "absent"))
    figure = Estimate(0.8, 0.7, 0.9, 40)
    result = RoundResult(1, "round-0001", 50, 500, 900, Figures(40, figure, figure, 0.1, ()), None, True, {})
    events = [
        Event("begin", "score", 1),
        Event("progress", "score", 1, 0, 900),
        Event("progress", "score", 1, 900, 900, errors=4),
        Event("end", "score", 1, seconds=2.0),
        Event("round", "evaluate", 1, result=result),
        Event("note", "evaluate", 1, note="a note"),
        Event("end", "annotate", 1),  # of a run whose database is gone
    ]
    for event in events:
        observe(event)
    assert shown == events
    assert last(recorded, "laud_job_documents") == 900
    assert last(recorded, "laud_job_errors") == 4
    assert last(recorded, "laud_job_round") == 1
    ((model, run),) = [(tags["model"], tags["run"]) for name, _, tags in recorded if name == "laud_job_model_info"]
    assert (model, run) == ("round-0001", str(tmp_path / "absent"))


def test_an_update_is_reported(recorded: list[tuple[str, float, Mapping[str, str]]]) -> None:
    metrics = JobMetrics("run", "runs/food")
    wealth = {"confidence": 0.5, "novelty": 5.1}
    metrics.update(appended=True, wealth=wealth, alarms=("novelty",), accuracy=0.8, verdict="promote")
    metrics.update(appended=False, wealth={}, alarms=(), accuracy=None, verdict=None)
    found = [(name, value, tags.get("test", tags.get("verdict"))) for name, value, tags in recorded]
    assert found == [
        ("laud_job_generations", 1, None),
        ("laud_job_log_wealth", 0.5, "confidence"),
        ("laud_job_alarm", 0, "confidence"),
        ("laud_job_log_wealth", 5.1, "novelty"),
        ("laud_job_alarm", 1, "novelty"),
        ("laud_job_new_accuracy", 0.8, None),
        ("laud_job_decisions", 1, "promote"),
    ]
