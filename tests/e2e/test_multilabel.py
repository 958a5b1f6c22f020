"""Several labels for a text, from a column of lists to a served model: init, run, status, evaluate, relabel, diff."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from laud_ray.label_sets import LabelSet
from laud_ray.store.run import look_at
from tests.commands import laud
from tests.relabeling import rows
from tests.served import live

WORDS = {
    "Coffee": ("espresso beans", "ground coffee", "coffee pods"),
    "Tea": ("green tea", "earl grey", "herbal infusion"),
    "Dairy": ("whole milk", "Greek yogurt", "cheddar cheese"),
    "Bakery": ("sourdough loaf", "croissants", "wholegrain rolls"),
    "Frozen": ("frozen peas", "ice cream", "frozen pizza"),
}
PLAIN = ("cleaning cloth", "light bulbs", "batteries", "garden hose")


def made(n: int, seed: int) -> pa.Table:
    """Baskets of up to three kinds of goods, or of none, with their labels."""
    rng = np.random.default_rng(seed)
    texts, labels = list[str](), list[list[str]]()
    for i in range(n):
        chosen = rng.choice(list(WORDS), size=rng.choice(4, p=[0.15, 0.4, 0.3, 0.15]), replace=False).tolist()
        goods = [str(rng.choice(WORDS[one])) for one in chosen] or [str(rng.choice(PLAIN))]
        texts.append(f"{' and '.join(goods)}, no {i}")
        labels.append(chosen)
    ids = [f"b{seed}-{i}" for i in range(n)]
    return pa.table({"id": ids, "text": texts, "labels": pa.array(labels, pa.list_(pa.string()))})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shop")
    pq.write_table(made(320, 1), place / "baskets.parquet")
    pq.write_table(made(150, 2), place / "test.parquet")
    return place


@pytest.fixture(scope="module")
def run(ray_session: str, shop: Path) -> Path:
    command = [sys.executable, "-m", "laud_ray", "init", str(shop / "baskets.parquet"), "--text", "text", "--id", "id"]
    written = subprocess.run(command, check=True, capture_output=True, text=True)
    settings = yaml.safe_load(written.stdout)
    assert settings["task"]["kind"] == "multilabel"
    assert {one["name"] for one in settings["task"]["labels"]} == set(WORDS)
    settings["task"]["at_most"] = 3
    settings |= {"storage": str(shop / "run"), "learner": {"kind": "linear"}, "budget": {"annotations": 70}}
    settings |= {"evaluation": {"size": 60}, "query": {"strategy": "auto", "batch": 35}}
    (shop / "task.yaml").write_text(yaml.safe_dump(settings))
    assert laud("run", str(shop / "task.yaml")) == 0
    return shop / "run"


def test_the_run_ends_with_figures_of_sets(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert laud("status", str(run), "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["state"], status["kind"]) == ("finished", "multilabel")
    figures = [one["multilabel"] for one in status["rounds"]]
    assert all(one["n"] == 60 for one in figures)
    assert figures[-1]["micro_f1"]["value"] > 0.6
    assert laud("status", str(run)) == 0
    assert '["' not in capsys.readouterr().out


def test_answers_are_sets_of_labels(run: Path) -> None:
    with look_at(str(run)) as folder:
        answers = [one.label for one in folder.store.queries() if one.label is not None]
    sets = [LabelSet.parse(text) for text in answers]
    assert len(sets) >= 120
    assert {len(one.yes) for one in sets} == {0, 1, 2, 3}


def test_a_labelled_file(run: Path, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert laud("evaluate", str(run), str(shop / "test.parquet"), "--label", "labels", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["multilabel"]["n"] == 150
    assert found["multilabel"]["micro_f1"]["value"] > 0.6
    assert found["accuracy"] == found["multilabel"]["exact_match"]["value"]


@pytest.fixture(scope="module")
def labelled(run: Path, shop: Path) -> Path:
    out = shop / "labels" / "1"
    assert laud("relabel", str(run), str(shop / "test.parquet"), "--out", str(out), "--changed", "--keep", "text") == 0
    return out


def test_a_catalog_gets_lists_and_its_next_relabel_what_has_changed(
    run: Path, shop: Path, labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = rows(labelled)
    assert first.num_rows == 150
    assert "label" not in first.column_names
    assert max(map(len, first["labels"].to_pylist())) <= 3
    assert all(list(one) == sorted(one, reverse=True) for one in first["confidences"].to_pylist())
    more = pa.concat_tables([pq.read_table(shop / "test.parquet"), made(20, 3)])
    pq.write_table(more, shop / "more.parquet")
    capsys.readouterr()
    out = shop / "labels" / "2"
    command = ["relabel", str(run), str(shop / "more.parquet"), "--out", str(out), "--changed", "--keep", "text"]
    checked = ["--sample", "50%", "--max-change", "1%"]
    assert laud(*command, *checked, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["carried"], found["compared"], found["changed"]) == (150, 150, 0)
    assert sum(found["sizes"].values()) == 170
    assert rows(out)["labels"].to_pylist()[:150] == first["labels"].to_pylist()
    assert laud("diff", str(labelled), str(out), "--json") == 0
    changes = json.loads(capsys.readouterr().out)
    assert (changes["changed"]["count"], changes["documents"]["only_new"]) == (0, 20)
    assert laud(*command[:3], "--out", str(shop / "no"), "--cascade", "99%") == 2
    assert "--cascade: is not valid, because" in capsys.readouterr().err


def test_the_service_gives_the_labels_of_the_relabel_and_takes_corrections(
    run: Path, labelled: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    expected = rows(labelled)
    with live(run=str(tmp_path / "run")) as client:
        asked = expected["text"].to_pylist()[:20]
        found = client.post("/v1/classify", json={"texts": asked}).json()["results"]
        assert [[label["label"] for label in one["labels"]] for one in found] == expected["labels"].to_pylist()[:20]
        assert [one["confidence"] for one in found] == pytest.approx(expected["confidence"].to_pylist()[:20], abs=2e-4)
        said = {"text": asked[0], "labels": ["Tea", "Coffee"], "predicted": [], "who": "ann"}
        assert client.post("/v1/feedback", json=said).status_code == 201
    with look_at(str(tmp_path / "run")) as opened:
        assert [one.label for one in opened.store.feedback()] == ['["Coffee","Tea"]']


def test_what_sets_do_not_have_is_refused(run: Path, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert laud("labels", str(run)) == 2
    assert laud("update", str(run), str(shop / "test.parquet")) == 2
    said = capsys.readouterr().err
    assert "task.kind: multilabel is not valid; expected multiclass: other labels of a multilabel task need" in said
    assert "task.kind: multilabel is not valid for an update; expected another kind of task" in said
