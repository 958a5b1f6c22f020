"""The exit code of `laud update` says how it ended."""

import json

import pytest

from laud_ray.types import Estimate
from laud_ray.update import update as module
from laud_ray.update.outcome import Outcome
from tests.commands import laud


@pytest.mark.parametrize(
    ("state", "code"), [("quiet", 0), ("promoted", 0), ("kept", 0), ("waiting", 75), ("person", 3)]
)
def test_exit_codes(state: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome(state, ("what happened",), "round-0001", pending=4, commands=("laud labels RUN",))  # type: ignore[arg-type]
    monkeypatch.setattr(module, "update", lambda *arguments, reading: outcome)
    assert laud("update", "RUN", "new.csv") == code
    assert capsys.readouterr().out == "what happened\n  laud labels RUN\n"
    assert laud("update", "RUN", "--json") == code
    assert json.loads(capsys.readouterr().out)["state"] == state


def test_no_run_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    assert laud("update", f"{tmp_path}/none") == 2
    assert "is not a run; expected a folder that `laud run` created" in capsys.readouterr().err


def test_an_accuracy_is_printed_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome("kept", (), "round-0001", accuracy=Estimate(0.8, 0.7, 0.9, 50), lower=0.65)
    monkeypatch.setattr(module, "update", lambda *arguments, reading: outcome)
    assert laud("update", "RUN", "--json") == 0
    assert json.loads(capsys.readouterr().out)["lower"] == 0.65
