"""Ids are checked over all files at once."""

from pathlib import Path

import pyarrow as pa
import pytest

from laud_ray.errors import CorpusError
from laud_ray.relabel.inputs.catalog import Columns
from laud_ray.relabel.inputs.tables import count_ids, require_ids
from tests.relabeling import NAMED, cut, write


def check(tmp_path: Path, *files: object, columns: Columns = NAMED) -> None:
    for number, ids in enumerate(files):
        values = ids if isinstance(ids, pa.Array) else pa.array(ids)
        write(tmp_path / f"in/{number}.parquet", {"id": values, "text": ["t"] * len(values)})
    require_ids(cut(tmp_path / "in", tmp_path / "work", columns))


@pytest.mark.parametrize(
    "files",
    [
        [["a", "b"], ["c"]],
        [["a"], pa.array(["b"]).dictionary_encode()],
        [[1, 2], ["3"]],
        [["1 "], ["1"]],
        [pa.array([b"\xff", b"\xfe"], pa.binary()), pa.array([b"\xfd"], pa.large_binary())],
    ],
)
def test_distinct_ids_of_any_type_pass(tmp_path: Path, files: list[object]) -> None:
    check(tmp_path, *files)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([["a", "b", "a"]], "'a' in 2 rows"),
        ([["a"], ["b", "a"]], "'a' in 2 rows"),
        ([[1, 2], ["2"]], "'2' in 2 rows"),
        ([["a", None]], "null or empty"),
        ([["a", None, None]], "null or empty in 2 rows"),
        ([["a", ""]], "null or empty"),
        ([pa.array([None, None]), ["a"]], "null or empty in 2 rows"),
        ([["é\n", "é\n"]], r"'é\n' in 2 rows"),
    ],
)
def test_others_are_refused_in_one_line(tmp_path: Path, files: list[object], said: str) -> None:
    with pytest.raises(CorpusError) as refused:
        check(tmp_path, *files)
    expected = f"{tmp_path}/in/0.parquet: the column 'id' is {said}; expected a distinct id in each row"
    assert str(refused.value) == expected


def test_ids_of_text_files_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_bytes(b"id,text\n\xff,x\nb,y\n")
    (tmp_path / "in/b.jsonl").write_text('{"id": "b", "text": "z"}\n')
    with pytest.raises(CorpusError, match="the column 'id' is 'b' in 2 rows"):
        require_ids(cut(tmp_path / "in", tmp_path / "work"))


def test_without_an_id_column_there_is_nothing_to_check(tmp_path: Path) -> None:
    check(tmp_path, ["a", "a"], columns=Columns("text", None))


def test_ids_are_counted(tmp_path: Path) -> None:
    one = write(tmp_path / "a.parquet", {"id": ["a", "b", "b"]})
    other = write(tmp_path / "b.parquet", {"id": ["b", "c"]})
    found = count_ids([str(one), str(other)], "id")
    assert (found.rows, found.distinct) == (5, 3)
