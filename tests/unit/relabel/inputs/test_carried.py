"""What an earlier output of the same model has labelled is carried over by id and text, and the rest is scored."""

from pathlib import Path

import numpy as np
import pytest

from laud_ray.passes.scoring import load_scorer
from laud_ray.relabel.inputs import carried
from laud_ray.relabel.ranges import repeats
from laud_ray.relabel.ranges.records import read_record
from laud_ray.storage.checksums import dump_json
from laud_ray.storage.folder import Folder
from tests.relabeling import LABELS, Hashing, cut, hashing, relabel, write

N = 300
TEXTS = [f"text {i % 250}" for i in range(N)]
IDS = [f"d{i}" for i in range(N)]


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """An output of 300 rows, the last of which could not be scored."""
    data = write(tmp_path / "one.parquet", {"id": IDS, "text": [*TEXTS[:-1], "poison"]}, row_group_size=100)
    relabel(cut(data, tmp_path / "work-one", size=60), tmp_path / "one", hashed=True)
    return tmp_path / "one"


def scored(out: Path) -> list[str]:
    """The texts that the scorer of an output saw."""
    found = load_scorer(Folder(str(out.parent / f"model-of-{out.name}")), hashing)
    assert isinstance(found, Hashing)
    return found.seen


def test_only_new_and_changed_texts_are_scored_and_the_rows_are_those_of_a_whole_relabel(
    first: Path, tmp_path: Path
) -> None:
    """Rows are inserted, removed, changed and moved to other ranges."""
    table = {"id": ["new", *IDS[20:]], "text": ["a new text", *TEXTS[20:100], "changed", *TEXTS[101:]]}
    found = cut(write(tmp_path / "two.parquet", table, row_group_size=70), tmp_path / "work-two", size=50)
    to = Folder(str(tmp_path / "kept"))
    assert carried.carry(found, str(first), to, 2000, LABELS) == N - 20 - 2
    made = relabel(found, tmp_path / "two", hashed=True, carried=to)
    assert sorted(scored(tmp_path / "two")) == sorted({"a new text", "changed", TEXTS[-1]})
    assert made.equals(relabel(found, tmp_path / "whole", hashed=True))
    records = [read_record(Folder(str(tmp_path / "two")), part.name) for part in found.ranges]
    assert sum(one.carried for one in records) == N - 22
    assert sum(one.scored for one in records) == 3


def test_it_is_done_once(first: Path, tmp_path: Path) -> None:
    found = cut(write(tmp_path / "two.parquet", {"id": IDS, "text": TEXTS}), tmp_path / "work-two")
    to = Folder(str(tmp_path / "kept"))
    assert carried.carry(found, str(first), to, 2000, LABELS) == N - 1
    (tmp_path / "kept/part-00000.parquet").unlink()
    assert carried.carry(found, str(first), to, 2000, LABELS) == N - 1
    assert not (tmp_path / "kept/part-00000.parquet").exists()


def test_texts_are_compared_as_they_are_scored(first: Path, tmp_path: Path) -> None:
    """Space that is normalised away, and the end of a long text, change nothing."""
    same = {"id": IDS[:2], "text": [f"  {TEXTS[0]} ", TEXTS[1] + " more"]}
    found = cut(write(tmp_path / "two.parquet", same), tmp_path / "work-two")
    assert carried.carry(found, str(first), Folder(str(tmp_path / "kept")), len(TEXTS[1]), LABELS) == 2


def test_a_part_of_a_range_takes_its_own_scores(first: Path, tmp_path: Path) -> None:
    found = cut(write(tmp_path / "two.parquet", {"id": IDS, "text": TEXTS}), tmp_path / "work-two", size=N)
    to = Folder(str(tmp_path / "kept"))
    carried.carry(found, str(first), to, 2000, LABELS)
    every, some = np.arange(N), np.asarray([3, 7, 200, N - 1])
    whole, part = (carried.take(to, "part-00000", rows, 3, 0) for rows in (every, some))
    assert part.rows.tolist() == [0, 1, 2]  # the last one was not scored
    assert np.array_equal(part.probability, whole.probability[[3, 7, 200]])


def test_repeated_texts_are_sought_among_new_rows(first: Path, tmp_path: Path) -> None:
    table = {"id": [*IDS, "n1", "n2", "n3"], "text": [*TEXTS, "twice", "twice", TEXTS[0]]}
    found = cut(write(tmp_path / "two.parquet", table), tmp_path / "work-two", size=100)
    to = Folder(str(tmp_path / "kept"))
    carried.carry(found, str(first), to, 2000, LABELS)
    place = Folder(str(tmp_path / "repeats"))
    assert repeats.find(found, place, 100, to) == {"texts-00000.parquet": 1}
    assert place.read_table("texts-00000.parquet")["text"].to_pylist() == [b"twice"]


def test_what_hinders_is_said(first: Path, tmp_path: Path) -> None:
    folder = Folder(str(first))
    assert carried.obstacle(str(first), "abc") == "it has no _manifest.json, which names its model"

    def manifest(checksum: str, **options: object) -> None:
        identity = {"model": {"name": "round-0002", "checksum": checksum}, "options": options}
        folder.write("_manifest.json", dump_json({"identity": identity}))

    manifest("other")
    assert carried.obstacle(str(first), "abc") == "it was labelled by another model, round-0002"
    manifest("abc", cascade=0.99)
    assert "student" in str(carried.obstacle(str(first), "abc"))
    manifest("abc", cascade=None)
    assert carried.obstacle(str(first), "abc") is None
    plain = write(tmp_path / "plain/part-00000.parquet", {"id": ["a"], "label": ["Tea"]}).parent
    Folder(str(plain)).write("_manifest.json", folder.read("_manifest.json"))
    assert "no column text_hash" in str(carried.obstacle(str(plain), "abc"))
