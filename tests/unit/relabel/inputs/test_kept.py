"""Kept columns: one type for all files, lossless, or refused before anything is scored."""

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from laud_ray.errors import CorpusError
from laud_ray.relabel.inputs import catalog, cutting, kept
from laud_ray.relabel.inputs.catalog import Catalog, Columns
from laud_ray.storage.folder import Folder
from laud_ray.storage.text_reading import Reading
from tests.relabeling import relabel, rows, write

KEEP = Columns("text", "id", ("n",))


def cut(place: Path, work: Path, columns: Columns = KEEP, reading: Reading | None = None) -> Catalog:
    reading = reading or Reading()
    return cutting.cut(cutting.inventory(str(place), columns, reading), columns, 100, Folder(str(work)), reading)


def files(place: Path, *columns: pa.Array) -> Path:
    for number, values in enumerate(columns):
        ids = [f"{number}-{row}" for row in range(len(values))]
        write(place / f"{number}.parquet", {"id": ids, "text": ids, "n": values})
    return place


@pytest.mark.parametrize(
    ("columns", "kind", "expected"),
    [
        ([pa.array([1], pa.int8()), pa.array([2], pa.int64())], pa.int64(), [1, 2]),
        ([pa.array([1], pa.uint8()), pa.array([2**63], pa.uint64())], pa.uint64(), [1, 2**63]),
        ([pa.array([-1], pa.int8()), pa.array([2**63], pa.uint64())], pa.string(), ["-1", str(2**63)]),
        ([pa.array([1], pa.int64()), pa.array([0.5])], pa.float64(), [1.0, 0.5]),
        ([pa.array([2**60 + 1], pa.int64()), pa.array([0.5])], pa.string(), [str(2**60 + 1), "0.5"]),
        ([pa.array([1], pa.int64()), pa.array(["x"])], pa.string(), ["1", "x"]),
        ([pa.array([True]), pa.array(["x"])], pa.string(), ["true", "x"]),
        ([pa.array([None]), pa.array([2], pa.int64())], pa.int64(), [None, 2]),
        ([pa.array(["a"]).dictionary_encode(), pa.array(["b"])], pa.string(), ["a", "b"]),
        ([pa.array(["a"], pa.string_view()), pa.array(["b"], pa.large_string())], pa.string(), ["a", "b"]),
        ([pa.array([date(2026, 1, 2)]), pa.array([1], pa.int64())], pa.string(), ["2026-01-02", "1"]),
    ],
)
def test_types_that_differ_become_one_that_holds_all_values(
    tmp_path: Path, columns: list[pa.Array], kind: pa.DataType, expected: list[object]
) -> None:
    found = cut(files(tmp_path / "in", *columns), tmp_path / "work")
    table = relabel(found, tmp_path / "out")
    assert table.schema.field("n").type == kind
    assert table["n"].to_pylist() == expected
    read = duckdb.connect().sql(f"SELECT n FROM read_parquet('{tmp_path}/out/*.parquet') ORDER BY id").fetchall()
    assert [value for (value,) in read] == expected
    assert catalog.from_json(catalog.to_json(found)) == found  # type: ignore[arg-type]


def test_types_that_are_alike_are_written_as_they_are(tmp_path: Path) -> None:
    found = cut(files(tmp_path / "in", pa.array([[1]]), pa.array([[2]])), tmp_path / "work")
    assert found.kept == {}
    assert relabel(found, tmp_path / "out")["n"].to_pylist() == [[1], [2]]
    assert found.notes == ()


def test_what_has_no_common_type_is_refused_by_name(tmp_path: Path) -> None:
    place = files(tmp_path / "in", pa.array([[1]]), pa.array(["x"]))
    with pytest.raises(CorpusError) as raised:
        cut(place, tmp_path / "work")
    assert str(raised.value) == (
        f"--keep 'n': has type list<element: int64> in {place}/0.parquet and string in {place}/1.parquet; "
        "expected one type in all files"
    )


def test_a_csv_beside_parquet_makes_texts_of_numbers(tmp_path: Path) -> None:
    place = files(tmp_path / "in", pa.array([7], pa.int64()))
    (place / "1.csv").write_text("id;text;n\nx;y;8\n")
    found = cut(place, tmp_path / "work")
    relabel(found, tmp_path / "out")
    assert rows(tmp_path / "out")["n"].to_pylist() == ["7", "8"]
    assert found.notes == (
        f"{place}/1.csv: is read with delimiter ';'",
        "--keep n: its type differs between files (int64, string); it is written as string",
    )


def test_a_column_that_only_a_folder_names_is_kept_and_ids_by_place_are_noted(tmp_path: Path) -> None:
    write(tmp_path / "in" / "shop=Nord" / "a.parquet", {"text": ["a", "b"]})
    write(tmp_path / "in" / "shop=S%C3%BCd" / "a.parquet", {"text": ["c"]})
    found = cut(tmp_path / "in", tmp_path / "work", Columns("text", None, ("shop",)))
    table = relabel(found, tmp_path / "out")
    assert table["shop"].to_pylist() == ["Nord", "Nord", "Süd"]
    assert found.notes == (cutting.BY_PLACE,)


def test_files_are_told_apart_by_their_columns_before_anything_is_read(tmp_path: Path) -> None:
    place = files(tmp_path / "in", pa.array([1]), pa.array([2]))
    write(place / "2.parquet", {"id": ["2-0"], "text": ["c"]})
    with pytest.raises(CorpusError, match=r"2\.parquet: no column 'n'; expected one of id, text"):
        cut(place, tmp_path / "work")


def test_a_default_reading_that_does_not_fit_is_noted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text,n\n1,x,2\n")
    found = cut(tmp_path / "a.csv", tmp_path / "work", reading=Reading(";", '"', "utf-8").as_default())
    assert "does not fit the settings of the run's corpus" in found.notes[0]


def test_nothing_is_unified_for_one_file() -> None:
    assert kept.unify(["a.parquet"], ["n"]) == ({}, [])
    assert kept.from_json(None) == {}
    assert kept.to_json({}) is None
