"""A taxonomy from a column of paths to figures: `init`, `run`, `status`, and `run` again."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from laud_ray.store.run import configured, look_at
from tests.commands import laud

ROOT = Path(__file__).parents[2]
GROUPS = 3


@pytest.fixture(scope="module")
def shop(ray_session: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the demo's catalog, whose labels are sorted into a tree; a tenth of the rows have an inner node's."""
    place = tmp_path_factory.mktemp("shop")
    command = [sys.executable, str(ROOT / "examples/demo/catalog.py"), str(place / "names.parquet")]
    subprocess.run([*command, "--test", str(place / "test.parquet"), "--documents", "700"], check=True)
    for name in ("names", "test"):
        table = pq.read_table(place / f"{name}.parquet")
        labels = sorted(set(table.column("label").to_pylist()))
        paths = [
            f"Group {labels.index(one) % GROUPS}" + (f" > {one}" if i % 10 else "")
            for i, one in enumerate(table.column("label").to_pylist())
        ]
        at = table.column_names.index("label")
        pq.write_table(table.set_column(at, "label", pa.array(paths)), place / f"{name}.parquet")
    return place


@pytest.fixture(scope="module")
def run(shop: Path) -> Path:
    command = [sys.executable, "-m", "laud_ray", "init", str(shop / "names.parquet"), "--text", "text", "--id", "id"]
    written = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "above others" in written.stderr
    settings = yaml.safe_load(written.stdout)
    assert settings["task"] | {"name": "shop"} == {
        "name": "shop",
        "kind": "taxonomy",
        "labels": {"column": "label"},
        "separator": " > ",
        "answers": "leaf",
    }
    settings |= {"storage": str(shop / "run"), "learner": {"kind": "linear"}, "budget": {"annotations": 80}}
    settings["evaluation"] = {"size": 80}
    (shop / "task.yaml").write_text(yaml.safe_dump(settings))
    assert laud("run", str(shop / "task.yaml")) == 0
    return shop / "run"


def test_the_run_ends_with_figures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert laud("status", str(run), "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["state"], status["kind"]) == ("finished", "taxonomy")
    for one in status["rounds"]:
        # A tenth of the answers is an inner node: they count at the level that they reach, and not in accuracy.
        above = one["unanswered"].get("answered above the leaves", 0)
        assert above > 0
        assert one["accuracy"]["n"] + above == one["hierarchy"]["n"] == 80
        assert [level["accuracy"]["n"] for level in one["hierarchy"]["levels"]] == [80, 80 - above]
    assert (status["leaves"]["levels"], status["leaves"]["above"] > 0) == (2, True)
    assert status["hierarchy"]["nodes"][0]["level"] == 1
    assert laud("status", str(run)) == 0


def test_answers_are_nodes_of_the_tree(run: Path) -> None:
    with look_at(str(run)) as folder:
        tree = folder.config.task.to_task().taxonomy
        labels = [one.label for one in folder.store.queries() if one.label is not None]
    assert tree is not None
    depths = [tree.nodes[node].depth for label in labels if (node := tree.find(label)) is not None]
    assert len(depths) == len(labels) >= 120
    assert set(depths) == {1, 2}


def test_the_run_keeps_its_tree(run: Path, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (run / "taxonomy.json").is_file()
    assert configured(str(shop / "task.yaml")).task.to_task() == configured(f"{run}/config.yaml").task.to_task()
    assert laud("run", f"{run}/config.yaml") == 0
    capsys.readouterr()
    settings = yaml.safe_load((shop / "task.yaml").read_text())
    settings["task"]["labels"] = ["Group 0 > Other", "Group 1 > More"]
    (shop / "other.yaml").write_text(yaml.safe_dump(settings))
    assert laud("run", str(shop / "other.yaml")) == 2
    said = capsys.readouterr().err
    assert "task.labels: " in said
    assert "answers would be kept; expected another version of the same taxonomy, or another storage" in said


def test_a_labelled_file(run: Path, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert laud("evaluate", str(run), str(shop / "test.parquet"), "--label", "label", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["skipped"], found["unknown_labels"]) == (0, 0)
    assert found["n"] + found["above_leaves"] == found["hierarchy"]["n"]
    assert found["accuracy"] == found["hierarchy"]["accuracy"]["value"]
