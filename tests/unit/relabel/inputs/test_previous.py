"""Earlier labels are found by id, whatever order and files they were in."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from laud_ray.errors import CorpusError, RunError
from laud_ray.relabel.inputs import previous
from laud_ray.relabel.inputs.catalog import Catalog
from laud_ray.relabel.ranges.records import read_record
from laud_ray.storage.folder import Folder
from tests import relabeled
from tests.relabeling import cut, relabel, write

IDS = [f"d{i}" for i in range(500)]


@pytest.fixture
def found(tmp_path: Path) -> Catalog:
    path = write(tmp_path / "in.parquet", {"id": IDS, "text": [f"text {i}" for i in range(500)]}, row_group_size=130)
    return cut(path, tmp_path / "work", size=60)


def aligned(found: Catalog, place: Path) -> list[str | None]:
    labels: list[str | None] = []
    for part in found.ranges:
        table = Folder(str(place)).read_table(f"{part.name}.parquet")
        assert table.num_rows == part.rows
        labels += table["label"].cast(pa.string()).to_pylist()
    return labels


@pytest.mark.parametrize("by", [None, "label"])
@pytest.mark.parametrize("names", [("Tea", "Coffee"), ("01", "1"), ("a/b c", "Ünï%20")])
def test_labels_come_by_id(found: Catalog, tmp_path: Path, by: str | None, names: tuple[str, str]) -> None:
    """The earlier output has other ranges, another order, lost and extra ids, and rows without a label."""
    old = {name: None if i % 11 == 0 else names[i % 2] for i, name in enumerate(IDS) if i % 5} | {"extra": names[0]}
    shuffled = random.Random(0).sample(sorted(old), len(old))
    table = relabeled.rows(shuffled, [old[name] for name in shuffled])
    out = relabeled.write(tmp_path / "old", table, parts=3, by=by)
    previous.require(str(out))
    previous.align(found, str(out), Folder(str(tmp_path / "to")))
    assert aligned(found, tmp_path / "to") == [old.get(name) for name in IDS]


def test_it_is_done_once(found: Catalog, tmp_path: Path) -> None:
    out = relabeled.write(tmp_path / "old", relabeled.rows(IDS, ["Tea"] * 500))
    previous.align(found, str(out), Folder(str(tmp_path / "to")))
    first = tmp_path / "to/part-00000.parquet"
    first.unlink()
    previous.align(found, str(out), Folder(str(tmp_path / "to")))
    assert not first.exists()


def test_changes_are_counted_where_there_was_a_label(found: Catalog, tmp_path: Path) -> None:
    new = relabel(found, tmp_path / "new")["label"].to_pylist()
    other = {"Tea": "Coffee", "Coffee": "Juice", "Juice": "Tea"}
    old = [None if i % 10 == 0 else other[one] if i % 10 == 1 else one for i, one in enumerate(new)]
    out = relabeled.write(tmp_path / "old", relabeled.rows(IDS, old))
    previous.align(found, str(out), Folder(str(tmp_path / "to")))
    again = relabel(found, tmp_path / "again", previous=Folder(str(tmp_path / "to")))
    assert again["previous_label"].to_pylist() == old
    records = [read_record(Folder(str(tmp_path / "again")), part.name) for part in found.ranges]
    assert (sum(one.compared for one in records), sum(one.changed for one in records)) == (450, 50)


def test_an_unfinished_output_or_none_is_refused(found: Catalog, tmp_path: Path) -> None:
    out = relabeled.write(tmp_path / "old", relabeled.rows(IDS, ["Tea"] * 500), finished=False)
    for place in (out, tmp_path / "nowhere"):
        with pytest.raises(RunError, match=r"is not finished or not an output \(no _SUCCESS\)"):
            previous.require(str(place))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/_SUCCESS").touch()
    with pytest.raises(CorpusError, match="does not exist; expected a folder that `laud relabel` wrote"):
        previous.align(found, str(tmp_path / "empty"), Folder(str(tmp_path / "to")))
