"""The labels of an earlier version of a taxonomy are measured in the words of the one in force."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from laud_ray.evaluation import carried
from laud_ray.evaluation.carried import carried_quality
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Sampled
from laud_ray.store.versions.record import History, Version
from laud_ray.taxonomy import Taxonomy, read_lines
from laud_ray.taxonomy.succession import Succession, succession
from laud_ray.taxonomy.task import task_of
from laud_ray.taxonomy.versions import differences
from laud_ray.types import Label, Task

OLD = read_lines("Food\nFood > Tea\nFood > Milk\nTools\nTools > Saws\nTools > Files", "old.txt")
# Tea is split, saws are removed.
NEW = read_lines(
    "Food\nFood > Tea\nFood > Tea > Green\nFood > Tea > Black\nFood > Milk\nTools\nTools > Files", "new.txt"
)


def versions(old: Taxonomy, new: Taxonomy) -> History:
    first = Version(1, "a", succession(differences(old, old)), 0, ended=False, positions={})
    return History((first, Version(2, "b", succession(differences(old, new)), 2, ended=False, positions={})))


def run_of(tmp_path: Path, predicted: list[str | None], task: Task) -> Any:
    folder = Folder(str(tmp_path / "scores"))
    folder.write_table("p.parquet", pa.table({"label": pa.array(predicted, pa.string())}))
    sample = [Sampled("p.parquet", row, f"d{row}", 0, 100) for row in range(len(predicted))]
    store = SimpleNamespace(engine=None, sample=lambda kind: sample, queries=lambda purpose: [])
    config = SimpleNamespace(task=SimpleNamespace(to_task=lambda: task), evaluation=SimpleNamespace(trusted=None))
    return SimpleNamespace(config=config, store=store, scores=lambda round: folder)


def test_split_leaves_answer_above_and_removed_ones_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "d0": "Food > Tea > Green",  # predicted at Tea: 2 of 3 nodes
        "d1": "Food > Milk",  # right
        "d2": "Tools > Files",  # predicted as the removed saws: nothing
        "d3": "Food",  # an inner node, predicted at milk below it
        "d4": "Gone",  # which is no node any more
        "d5": None,
        "d6": "Food > Milk",  # an error row
    }
    predicted = ["Food > Tea", "Food > Milk", "Tools > Saws", "Food > Milk", "Food > Milk", "Food > Milk", None]
    run = run_of(tmp_path, predicted, task_of("goods", NEW))
    monkeypatch.setattr(carried, "history", lambda engine: versions(OLD, NEW))
    monkeypatch.setattr(carried, "decisive_answers", lambda run: said)
    common, true, answered = 2 + 2 + 0 + 1 + 0, 3 + 2 + 2 + 1 + 0, 2 + 2 + 0 + 2 + 2
    assert carried_quality(run, 0) == pytest.approx(2 * common / (true + answered))
    monkeypatch.setattr(carried, "decisive_answers", lambda run: dict.fromkeys(said))
    assert carried_quality(run, 0) is None


def test_flat_labels_are_compared_by_accuracy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tea became Hot tea; Saws were removed."""
    first = Version(1, "a", Succession(), 0, ended=False, positions={})
    later = Version(2, "b", Succession({"Tea": "Hot tea", "Saws": None}), 2, ended=False, positions={})
    monkeypatch.setattr(carried, "history", lambda engine: History((first, later)))
    said = {"d0": "Hot tea", "d1": "Milk", "d2": "Milk", "d3": "Hot tea"}
    monkeypatch.setattr(carried, "decisive_answers", lambda run: said)
    task = Task("goods", "multiclass", (Label("Hot tea"), Label("Milk")))
    assert carried_quality(run_of(tmp_path, ["Tea", "Milk", "Saws", "Milk"], task), 0) == pytest.approx(2 / 4)
