"""A whole relabel of a multilabel model, and the next one of what has changed, in this process without Ray."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from laud_ray.compare.diff import compare
from laud_ray.relabel import Canary, CanaryError, Options, Outcome, open_source, previous_of, relabel
from laud_ray.relabel.source import Source
from laud_ray.report.relabelled import relabel_view, to_json
from laud_ray.storage.folder import Folder
from tests.multilabels import independent, model_folder
from tests.relabeling import NAMED, rows, write

TEXTS = [f"drink {i % 90}" for i in range(120)]
DATA = {"id": [f"d{i}" for i in range(120)], "text": [*TEXTS[:-1], ""]}


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process do the work of the workers."""

    def mapped(missing: SimpleNamespace, work: Callable, job: object, _: object, **__: object) -> Iterator:
        done = missing.done
        for name in missing.names:
            value = work(name, job)
            done += getattr(value, "rows", 0)
            yield done, SimpleNamespace(name=name, value=value)

    monkeypatch.setattr("laud_ray.relabel.steps.map_missing", mapped)
    monkeypatch.setattr("laud_ray.cluster.connect.connect", lambda: None)


def source(model: Path) -> Source:
    found = replace(open_source(str(model), None), load=independent)
    assert found.rules is not None
    return found


def labelled(model: Path, data: Path, out: Path, check: Canary | None = None, **options: object) -> Outcome:
    given = Options(**{"columns": NAMED, "range_rows": 50, "changed": True, **options})
    previous = previous_of(Folder(str(out)), None)
    return relabel(source(model), str(data), str(out), replace(given, previous=previous), check, lambda _: None)


def test_a_catalog_gets_sets_and_the_next_one_what_has_changed(tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model")
    data = write(tmp_path / "data.parquet", DATA)
    first = labelled(model, data, tmp_path / "labels/1")
    totals = first.totals
    assert (totals.rows, totals.errors) == (120, 1)
    assert sum(totals.sizes.values()) == 119
    assert sum(int(size) * n for size, n in totals.sizes.items()) == sum(totals.labels.values())
    assert labelled(model, data, tmp_path / "labels/1").again
    more = {"id": [*DATA["id"][:-1], "n1", "n2"], "text": [*DATA["text"][:-1], "new drink", "drink 5"]}
    second = labelled(model, write(tmp_path / "more.parquet", more), tmp_path / "labels/2", Canary(0.5, 0.01))
    assert (second.totals.carried, second.totals.compared, second.totals.changed) == (119, 119, 0)
    old, new = rows(tmp_path / "labels/1"), rows(tmp_path / "labels/2")
    assert new["labels"].to_pylist()[:119] == old["labels"].to_pylist()[:119]
    assert new["confidences"].to_pylist()[:119] == old["confidences"].to_pylist()[:119]
    found = compare(str(tmp_path / "labels/1"), str(tmp_path / "labels/2"))
    assert (found.sets, found.compared, found.changed, found.only_new) == (True, 119, 0, 2)
    console = Console(width=120, highlight=False)
    with console.capture() as shown:
        console.print(relabel_view(second, "labels/2", "model"))
    assert "labels a row;" in shown.get()
    assert "0 of 119 sets of labels changed" in shown.get()
    assert json.loads(json.dumps(to_json(second, "labels/2", "model")))["sizes"] == second.totals.sizes
    manifest = json.loads((tmp_path / "labels/2/_manifest.json").read_text())
    assert manifest["totals"]["sizes"] == second.totals.sizes


def test_a_model_that_changes_too_many_sets_is_stopped(tmp_path: Path) -> None:
    data = write(tmp_path / "data.parquet", DATA)
    labelled(model_folder(tmp_path / "model"), data, tmp_path / "labels/1")
    other = model_folder(tmp_path / "other", at_most=1)
    with pytest.raises(CanaryError, match=r"changed their set of labels: \d"):
        labelled(other, data, tmp_path / "labels/2", Canary(1.0, 0.05), changed=None)
    assert not (tmp_path / "labels/2/_SUCCESS").exists()
    made = labelled(other, data, tmp_path / "labels/3", Canary(1.0, 1.0), changed=None)
    assert 0 < made.totals.changed < made.totals.compared == 119
    assert set(made.totals.sizes) <= {"0", "1"}
