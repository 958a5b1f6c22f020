"""Texts that stand in several rows are found once, and their answers are found again."""

import hashlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.relabel.inputs.tables import repeated_texts
from laud_ray.relabel.ranges import repeats
from laud_ray.relabel.ranges.records import read_record
from laud_ray.relabel.ranges.repeats import Answers, keys, open_answers, write_answers
from laud_ray.relabel.ranges.work import score_repeats
from laud_ray.storage.folder import Folder
from tests.relabeling import cut, job, relabel, write


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=8))
def test_keys_are_the_halves_that_duckdb_sorts_by(cells: list[bytes]) -> None:
    found = keys(cells)
    assert found.shape == (len(cells), 2)
    for cell, (high, low) in zip(cells, found, strict=True):
        row = duckdb.execute("SELECT md5_number_upper($1::BLOB), md5_number_lower($1::BLOB)", [cell]).fetchone()
        assert row == (int(high), int(low))
        assert hashlib.md5(cell).digest() == int(high).to_bytes(8, "little") + int(low).to_bytes(8, "little")


def answers(place: Path, files: list[list[tuple[int, int]]]) -> Answers:
    """Answers by key, in files as they are given; the label of the i-th one in all is i."""
    number = 0
    for name, pairs in enumerate(files):
        found = np.asarray(pairs, np.uint64).reshape(-1, 2)
        top = np.arange(number, number + len(pairs), dtype=np.int32)[:, None]
        write_answers(Folder(str(place)), f"answers-{name:05d}.npy", found, top, top.astype(np.float32) / 10)
        number += len(pairs)
    return open_answers(Folder(str(place)))


def test_each_key_has_its_own_answer(tmp_path: Path) -> None:
    found = answers(tmp_path, [[(9, 1), (3, 1)], [], [(20, 5)], [(2**64 - 1, 2**64 - 1)]])
    wanted = np.asarray([[3, 1], [9, 1], [9, 2], [20, 5], [2**64 - 1, 2**64 - 1], [0, 0], [10, 1], [3, 0]], np.uint64)
    file, row = found.look_up(wanted)
    known = row >= 0
    assert known.tolist() == [True, True, False, True, True, False, False, False]
    labels, probability = found.take(file[known], row[known], 1)
    assert labels.ravel().tolist() == [1, 0, 2, 3]
    assert probability.ravel().tolist() == pytest.approx([0.1, 0.0, 0.2, 0.3])


def test_of_two_texts_with_the_same_first_half_one_is_scored_again(tmp_path: Path) -> None:
    found = answers(tmp_path, [[(5, 1), (5, 2), (7, 1)]])
    file, row = found.look_up(np.asarray([[5, 1], [5, 2], [7, 1]], np.uint64))
    assert row.tolist() == [0, -1, 2]
    labels, _ = found.take(file[[0, 2]], row[[0, 2]], 1)
    assert labels.ravel().tolist() == [0, 2]


def test_no_answers_find_nothing(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    file, row = open_answers(Folder(str(tmp_path / "here"))).look_up(keys([b"a", b""]))
    assert file.tolist() == row.tolist() == [-1, -1]
    empty = answers(tmp_path / "none", [[]])
    assert empty.look_up(keys([]))[1].shape == (0,)
    assert empty.look_up(keys([b"a"]))[1].tolist() == [-1]


@pytest.mark.parametrize("at_once", [1, 3, 5000])
def test_repeated_texts_come_once_in_the_order_of_their_keys(tmp_path: Path, at_once: int) -> None:
    texts = [f"text {i % 3000}" for i in range(5000)] + ["", "", None, None, "once"]
    data = write(tmp_path / "in/a.parquet", {"id": [str(i) for i in range(5005)], "text": texts}, row_group_size=700)
    (tmp_path / "in/b.csv").write_bytes(b"id,text\nb1,once\nb2,\xff\nb3,\xff\n")
    batches = list(repeated_texts(cut(data.parent, tmp_path / "work"), at_once))
    found = [cell for batch in batches for cell in batch.to_pylist()]
    assert sorted(found) == sorted([*(f"text {i}".encode() for i in range(2000)), b"once", b"\xff"])
    assert (np.diff(keys(found)[:, 0].astype(object)) >= 0).all()
    ends = [(keys(batch.to_pylist())[0, 0], keys(batch.to_pylist())[-1, 0]) for batch in batches]
    assert all(first[1] <= second[0] for first, second in pairwise(ends))


def test_a_label_is_the_same_whether_looked_up_or_scored(tmp_path: Path) -> None:
    texts = [f"tea {i % 130}" if i % 7 else None for i in range(300)]
    texts[10:14] = ["poison", " tea  5", "poison", ""]
    found = cut(write(tmp_path / "in.parquet", {"id": list(range(300)), "text": texts}), tmp_path / "work", size=70)
    alone = relabel(found, tmp_path / "alone")
    place = Folder(str(tmp_path / "repeats"))
    sizes = repeats.find(found, place, 40)
    assert repeats.find(found, place, 40) == sizes
    assert sum(sizes.values()) == len({t for t in texts if t and texts.count(t) > 1})
    todo = replace(job(found, tmp_path / "together"), repeats=place)
    for name in sizes:
        score_repeats(name, todo)
    together = relabel(found, tmp_path / "together", repeats=place)
    assert together.equals(alone)
    records = [read_record(Folder(str(tmp_path / "together")), part.name) for part in found.ranges]
    assert sum(one.looked_up for one in records) > 100
    scored = sum(one.scored for one in records)
    assert scored < 100 < sum(read_record(Folder(str(tmp_path / "alone")), p.name).scored for p in found.ranges)
    errors = together.filter(pc.equal(together["error"], "ValueError: cannot read this"))
    assert errors["id"].to_pylist() == ["10", "12"]


def test_ranges_score_what_a_lost_file_of_answers_would_hold(tmp_path: Path) -> None:
    texts = [f"tea {i % 50}" for i in range(100)]
    found = cut(write(tmp_path / "in.parquet", {"id": list(range(100)), "text": texts}), tmp_path / "work")
    place = Folder(str(tmp_path / "repeats"))
    names = list(repeats.find(found, place, 2048))
    (tmp_path / "repeats/answers").mkdir()
    assert names
    assert relabel(found, tmp_path / "a", repeats=place).equals(relabel(found, tmp_path / "b"))


def test_answers_in_a_taxonomy_keep_the_confidences_of_their_path(tmp_path: Path) -> None:
    keyed, top = np.asarray([[9, 1], [3, 1]], np.uint64), np.asarray([[0], [1]], np.int32)
    path = np.asarray([[0.9, 0.5], [0.75, np.nan]], np.float32)
    write_answers(Folder(str(tmp_path)), "answers-00000.npy", keyed, top, top.astype(np.float32), path)
    found = open_answers(Folder(str(tmp_path)))
    file, row = found.look_up(keyed)
    np.testing.assert_array_equal(found.take_confidences(file, row, 2), path)
