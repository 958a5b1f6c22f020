"""A run that the last release made opens as it is, and goes on.

data/run-2026-11-22.tar.gz holds `names.csv` and the run of a linear learner on it, with an oracle that replays its
labels: two rounds, finished when its budget of 8 annotations was spent.
"""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from laud_ray import cli
from laud_ray.data.sharding.normalise import normalise
from laud_ray.storage.folder import Folder
from laud_ray.store.run import look_at
from tests.served import live

MADE = Path(__file__).parents[1] / "data/run-2026-11-22.tar.gz"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with tarfile.open(MADE) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """What a command prints with --json."""
    capsys.readouterr()
    cli.main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_it_is_shown_reported_and_evaluated(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = said(capsys, "status", "run")
    assert (status["state"], status["rounds"][-1]["round"], status["current_model"]) == ("finished", 2, "round-0002")
    assert [one["name"] for one in said(capsys, "models", "run")["models"] if one["current"]] == ["round-0002"]
    cli.main(["report", "run"])
    assert "round-0002" in (run / "report.html").read_text()
    found = said(capsys, "evaluate", "run", "names.csv", "--label", "label")
    assert found["n"] == 200
    assert found["accuracy"] > 0.5


def test_its_oracle_is_described(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "oracle", "run")
    (replay,) = found["oracles"]
    assert (replay["name"], replay["answers"], replay["random"], replay["dollars"]) == ("replay", 28, 20, None)
    assert replay["accuracy"] is None
    assert "evaluation.trusted" in replay["not_measured"]
    cli.main(["oracle", "run"])
    assert "replay: dollars are unknown" in capsys.readouterr().out


def test_a_finished_one_is_finished(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["run", "run/config.yaml"])
    assert said(capsys, "status", "run")["state"] == "finished"
    assert not (run / "models/round-0003").exists()


def test_it_is_served(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with live(run=str(run)) as service:
        answer = service.post("/v1/classify", json={"texts": ["plain yogurt 500g", "sweet banana 1kg"]}).json()
    assert answer["model"]["name"] == "round-0002"
    assert {one["label"] for one in answer["results"]} <= {"Dairy", "Bread", "Fruit"}
    cli.main(["promote", "run", "round-0001"])
    assert said(capsys, "status", "run")["current_model"] == "round-0001"


@pytest.mark.usefixtures("ray_session")
def test_it_goes_on_when_its_budget_is_raised(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scores that were lost since are made again, and a catalog is labelled with its model."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["budget"]["annotations"] = 13
    Path("task.yaml").write_text(yaml.safe_dump(config))
    shutil.rmtree(run / "rounds/0002/scores")
    cli.main(["run", "task.yaml"])
    status = said(capsys, "status", "run")
    assert (status["state"], status["rounds"][-1]["round"]) == ("finished", 3)
    assert (run / "rounds/0003/scores/part-00000.parquet").exists()
    cli.main(["relabel", "run", "names.csv", "--text", "text", "--out", "out"])
    assert pq.read_table("out/part-00000.parquet").num_rows == 200


def test_its_corpus_is_the_same_today(run: Path, tmp_path: Path) -> None:
    """Ids, order and fingerprint."""
    with look_at(str(run)) as found:
        corpus = found.config.corpus
    again = normalise(corpus, Folder(str(tmp_path / "again")))
    made = json.loads((run / "corpus/corpus.json").read_text())
    assert again.fingerprint == made["fingerprint"]
    assert [(one.name, one.rows) for one in again.ranges] == [(one["name"], one["rows"]) for one in made["ranges"]]
    assert pq.read_table(run / "corpus/part-00000.parquet").equals(again.read("part-00000.parquet"))
