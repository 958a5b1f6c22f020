"""A run keeps its taxonomy: it is frozen when the run starts, found again after a crash, and compared."""

from pathlib import Path

import pytest
import yaml

from laud_ray import config
from laud_ray.config import RunConfig
from laud_ray.errors import ConfigError, RunError
from laud_ray.store.run import claim, configured, look_at
from laud_ray.store.store import Query
from laud_ray.types import Document

ROWS = "text,label\na,Food > Milk\nb,Food > Tea\nc,food > Tea\nd,\ne,Tools > Saws\n"


def settings(folder: Path, labels: object) -> str:
    data = {
        "task": {"name": "shop", "kind": "taxonomy", "labels": labels},
        "corpus": {"path": str(folder / "data.csv"), "text": "text"},
        "storage": str(folder / "run"),
        "oracle": {"kind": "replay", "label": "label"},
    }
    (folder / "shop.yaml").write_text(yaml.safe_dump(data))
    return str(folder / "shop.yaml")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "data.csv").write_text(ROWS)
    settings(tmp_path, {"column": "label"})
    return tmp_path


def names(found: RunConfig) -> tuple[str, ...]:
    return found.task.to_task().names


LEAVES = ("Food > Milk", "Food > Tea", "Tools > Saws")


def test_the_paths_in_a_column_become_the_labels_of_a_run(shop: Path) -> None:
    found = configured(f"{shop}/shop.yaml")
    assert names(found) == LEAVES
    with claim(config.load(f"{shop}/shop.yaml")) as run:  # also where nothing has read the column before
        assert names(run.config) == LEAVES
    with look_at(f"{shop}/run") as run:
        assert names(run.config) == LEAVES
    assert names(configured(f"{shop}/run/config.yaml")) == LEAVES
    assert "column: label" in (shop / "run/config.yaml").read_text()


def test_the_paths_are_frozen_with_the_corpus(shop: Path) -> None:
    with claim(configured(f"{shop}/shop.yaml")):
        pass
    (shop / "data.csv").write_text(ROWS + "f,Tools > Files\n")
    assert "Tools > Files" in names(configured(f"{shop}/shop.yaml"))  # nothing is built on the corpus yet
    (shop / "run/corpus").mkdir()
    (shop / "run/corpus/corpus.json").write_text("{}")
    assert names(configured(f"{shop}/shop.yaml")) == LEAVES


def test_a_changed_taxonomy_is_refused_once_documents_are_asked_about(shop: Path) -> None:
    path = settings(shop, ["Food > Milk", "Food > Tea"])
    with claim(configured(path)) as run:
        run.store.add_queries("seed", 1, [Query(Document("a", "a"), "why")])
    with claim(configured(path)):
        pass
    settings(shop, ["Food > Milk", "Food > Green tea"])
    message = (
        r"task.labels: 2 of 3 nodes are unchanged; 1 removed, 1 new; removed: 'Food > Tea'; new: 'Food > Green tea'"
    )
    with pytest.raises(RunError, match=message), claim(configured(path)):
        pass
    with look_at(f"{shop}/run") as run:
        assert names(run.config) == ("Food > Milk", "Food > Tea")


def test_a_changed_taxonomy_is_taken_before_the_first_question(shop: Path) -> None:
    with claim(configured(settings(shop, ["Food > Milk", "Food > Tea"]))):
        pass
    with claim(configured(settings(shop, ["Food > Milk", "Food > Green tea"]))):
        pass
    with look_at(f"{shop}/run") as run:
        assert names(run.config) == ("Food > Milk", "Food > Green tea")


@pytest.mark.parametrize("lost", ["missing", "damaged", "another"])
def test_a_lost_file_is_read_from_the_database(shop: Path, lost: str) -> None:
    path = settings(shop, ["Food > Milk", "Food > Tea"])
    with claim(configured(path)):
        pass
    file = shop / "run/taxonomy.json"
    whole = file.read_bytes()
    if lost == "missing":
        file.unlink()
    else:
        file.write_bytes(whole[:20] if lost == "damaged" else whole.replace(b"Milk", b"Cream"))
    with look_at(f"{shop}/run") as run:
        assert names(run.config) == ("Food > Milk", "Food > Tea")
    with claim(configured(path)):
        pass
    assert file.read_bytes() == whole


def test_a_column_without_paths_is_refused(shop: Path) -> None:
    (shop / "data.csv").write_text("text,label\na,Milk\nb,Tea\n")
    with pytest.raises(ConfigError, match="the column 'label': has no path with the separator ' > '"):
        configured(f"{shop}/shop.yaml")
