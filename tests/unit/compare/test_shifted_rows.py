"""Ids that are file and row stand for other texts once a row is inserted: that is no change of a label."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from laud_ray.compare.changes import Diff, Texts
from laud_ray.compare.diff import compare
from laud_ray.data.text_hashes import text_hashes
from laud_ray.relabel.inputs import previous
from laud_ray.relabel.inputs.catalog import Columns
from laud_ray.report.changes import diff_json, diff_view
from laud_ray.storage.folder import Folder
from tests import relabeled
from tests.relabeling import cut, relabel, write

BY_ROW = Columns("text", None)
TEXTS = [f"milk of farm {i}" for i in range(300)]


def labelled(place: Path, texts: list[str], **changed: object) -> Path:
    """Relabel a file of texts without ids; return the output."""
    place.mkdir()
    found = cut(write(place / "in.parquet", {"text": texts}), place / "work", BY_ROW)
    relabel(found, place / "out", hashed=True, **changed)
    (place / "out/_manifest.json").write_text(json.dumps({"columns": {"text": "text", "id": None, "keep": []}}))
    (place / "out/_SUCCESS").touch()
    return place / "out"


def said(found: Diff) -> str:
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        console.print(diff_view(found))
    return capture.get()


def test_an_inserted_row_changes_no_label(tmp_path: Path) -> None:
    old = labelled(tmp_path / "a", TEXTS)
    new = labelled(tmp_path / "b", [*TEXTS[:100], "a new one", *TEXTS[100:]])
    found = compare(str(old), str(new))
    assert (found.both, found.compared, found.changed, found.old.row_ids) == (300, 100, 0, True)
    assert found.texts is not None
    assert (found.texts.other, found.texts.moved, found.texts.moved_relabelled) == (200, 200, 0)
    assert 0 < found.texts.relabelled < 200
    assert "200 ids have another text and are not compared" in said(found)
    assert "200 texts have different ids in the two outputs: rows were inserted, removed or moved; 0 of them" in said(
        found
    )
    assert json.loads(json.dumps(diff_json(found)))["texts"]["moved"] == 200


def test_the_same_rows_are_compared_as_before(tmp_path: Path) -> None:
    old, new = labelled(tmp_path / "a", TEXTS), labelled(tmp_path / "b", [*TEXTS, "a new one"])
    found = compare(str(old), str(new))
    assert (found.compared, found.changed, found.texts) == (300, 0, Texts(0, 0, 0, 0))
    assert "ids are file and row; every id in both outputs has the same text" in said(found)


def test_without_texts_it_is_said_that_nothing_tells_a_shift(tmp_path: Path) -> None:
    outs = []
    for name in "ab":
        out = relabeled.write(tmp_path / name, relabeled.rows(["x#1", "x#2"], ["m", "n"]).drop_columns(["text"]))
        (out / "_manifest.json").write_text(json.dumps({"columns": {"id": None}}))
        outs.append(str(out))
    found = compare(*outs)
    assert found.texts is None
    assert "ids are file and row, and the outputs have no texts to compare: moved rows may count" in said(found)


def test_texts_of_stable_ids_are_compared_too(tmp_path: Path) -> None:
    old = relabeled.rows(["a", "b", "c", "d"], ["m", "m", "m", "m"])
    new = relabeled.rows(["a", "b", "c", "e"], ["n", "n", "m", "m"])
    texts = ["the text of a", "another", "the  text of\u200b c ", "the text of d"]
    new = new.set_column(1, "text", pa.array(texts, pa.string()))
    found = compare(str(relabeled.write(tmp_path / "a", old)), str(relabeled.write(tmp_path / "b", new)))
    assert (found.both, found.compared, found.changed) == (3, 2, 1)
    assert found.texts == Texts(other=1, relabelled=1, moved=1, moved_relabelled=0)


def test_labels_are_compared_as_they_are_read(tmp_path: Path) -> None:
    old = relabeled.rows(["a", "b", "c"], ["Milk ", "Cre\u0301me", " "])
    new = relabeled.rows(["a", "b", "c"], ["Milk", "Cr\u00e9me\u00a0", "Milk"])
    found = compare(str(relabeled.write(tmp_path / "a", old)), str(relabeled.write(tmp_path / "b", new)))
    assert (found.compared, found.changed, found.without_label.ended) == (2, 0, 1)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_any_edit_against_plain_python(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    tmp_path, rng = tmp_path_factory.mktemp("edit"), random.Random(seed)
    before = [rng.choice(TEXTS[:40]) for _ in range(60)]
    after = before[rng.randrange(5) :] + [rng.choice(TEXTS) for _ in range(rng.randrange(5))]
    after.insert(rng.randrange(len(after)), "inserted")
    found = compare(str(labelled(tmp_path / "a", before)), str(labelled(tmp_path / "b", after)))
    both = min(len(before), len(after))
    same = sum(a == b for a, b in zip(before, after, strict=False))
    assert (found.both, found.compared, found.changed) == (both, same, 0)
    assert found.texts is not None
    assert (found.texts.other, found.texts.moved_relabelled) == (both - same, 0)


@pytest.mark.parametrize("duplicates", [False, True])
def test_previous_labels_follow_the_texts(tmp_path: Path, duplicates: bool) -> None:
    texts = [*TEXTS, *TEXTS[:50]] if duplicates else TEXTS
    old = labelled(tmp_path / "a", texts)
    (tmp_path / "b").mkdir()
    after = ["a new one", *texts[1:150], *texts[151:]]
    found = cut(write(tmp_path / "b/in.parquet", {"text": after}), tmp_path / "b/work", BY_ROW)
    place = Folder(str(tmp_path / "b/previous"))
    previous.align(found, str(old), place, 2000)
    table = relabel(found, tmp_path / "b/out", hashed=True, previous=place)
    assert table["previous_label"].to_pylist()[1:] == table["label"].to_pylist()[1:]
    assert table["previous_label"].to_pylist()[0] is None
    counts = previous.read_counts(place)
    assert counts == (len(after) - 149, len(after) - 150)
    other, by_text = previous.remarks(place, "OLD", by_row=True)
    assert other.endswith("ids have another text than in OLD: rows were inserted, removed or moved")
    assert by_text.endswith("rows took their previous label from the same text under another id in OLD")


def test_a_file_of_another_name_is_compared_by_its_texts(tmp_path: Path) -> None:
    old = labelled(tmp_path / "a", TEXTS[:60])
    (tmp_path / "b").mkdir()
    found = cut(write(tmp_path / "b/tomorrow.parquet", {"text": TEXTS[10:70]}), tmp_path / "b/work", BY_ROW)
    place = Folder(str(tmp_path / "b/previous"))
    previous.align(found, str(old), place, 2000)
    assert previous.read_counts(place) == (0, 50)
    assert len(list(previous.remarks(place, "OLD", by_row=True))) == 1


def test_previous_labels_without_texts_are_noted(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    found = cut(write(tmp_path / "b/in.parquet", {"text": TEXTS}), tmp_path / "b/work", BY_ROW)
    old = relabeled.write(tmp_path / "old", relabeled.rows(["in.parquet#1"], ["Tea"]))
    place = Folder(str(tmp_path / "b/previous"))
    previous.align(found, str(old), place, 2000)
    (line,) = previous.remarks(place, "OLD", by_row=True)
    assert line.startswith("ids consist of file and row, and OLD has no column text_hash")
    assert list(previous.remarks(place, "OLD", by_row=False)) == []


def test_an_output_without_the_hash_stays_one(tmp_path: Path) -> None:
    found = cut(write(tmp_path / "in.parquet", {"text": TEXTS[:5]}), tmp_path / "work", BY_ROW)
    assert "text_hash" not in relabel(found, tmp_path / "out").column_names
    hashes = relabel(found, tmp_path / "hashed", hashed=True)["text_hash"].to_pylist()
    assert hashes == text_hashes(pa.array(TEXTS[:5], pa.large_string())).to_pylist()
    assert text_hashes(pa.array([None, ""], pa.string())).null_count == 1


def test_the_remark_of_stable_ids_does_not_speak_of_rows(tmp_path: Path) -> None:
    table = relabeled.rows(["a"], ["m"])
    found = compare(str(relabeled.write(tmp_path / "a", table)), str(relabeled.write(tmp_path / "b", table)))
    assert "1 texts have different ids in the two outputs: their ids changed" in said(
        replace(found, texts=Texts(0, 0, 1, 0))
    )
