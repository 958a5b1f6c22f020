"""A catalog is cut into ranges that hold each of its rows once, whatever its files are like."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.errors import CorpusError
from laud_ray.relabel.inputs import catalog, cutting, reading
from laud_ray.relabel.inputs.catalog import Catalog, Columns
from laud_ray.storage.folder import Entry, Folder
from tests.relabeling import NAMED, cut, write

UNNAMED = Columns("text", None)


def held(found: Catalog) -> list[tuple[str, int, str | None]]:
    """(input, source row, text) of each row, as the ranges hold them."""
    seen = []
    for part in found.ranges:
        table = reading.read(found.columns, part)
        assert table.num_rows == part.rows > 0
        for i, value in enumerate(table[found.columns.text].to_pylist()):
            text = value.decode() if isinstance(value, bytes) else value
            seen.append((found.names[part.input], part.first + i, text))
    return seen


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 40), max_size=6), min_size=1, max_size=3), st.integers(1, 50))
def test_row_groups_of_any_size_give_each_row_once(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[int]], size: int
) -> None:
    place, expected = tmp_path_factory.mktemp("catalog"), []
    schema = pa.schema([("text", pa.string())])
    for number, groups in enumerate(files):
        with pq.ParquetWriter(place / f"{number}.parquet", schema) as writer:
            row = 0
            for rows in groups:
                texts = [f"{number}-{row + i + 1}" for i in range(rows)]
                writer.write_table(pa.table({"text": texts}, schema=schema))
                row += rows
        name = f"{number}.parquet"
        expected += [(name, i, f"{number}-{i}") for i in range(1, row + 1)]
    if not expected:
        with pytest.raises(CorpusError, match="holds no rows; expected at least one"):
            cut(place, place / "_work", UNNAMED, size)
        return
    found = cut(place, place / "_work", UNNAMED, size)
    assert held(found) == expected
    assert found.rows == len(expected)
    assert max(part.rows for part in found.ranges) <= size
    assert [part.name for part in found.ranges] == [f"part-{i:05d}" for i in range(len(found.ranges))]
    assert catalog.from_json(json.loads(json.dumps(catalog.to_json(found)))) == found


def test_text_formats_are_copied_once_and_keep_their_rows(tmp_path: Path) -> None:
    data, work = tmp_path / "in", tmp_path / "work"
    data.mkdir()
    (data / "a.csv").write_bytes(b'id,text\na1,"x, y"\na2,\na3,"two\nlines"\n')
    (data / "b.tsv").write_bytes(b"text\tid\nz\tb1\n")
    (data / "c.jsonl").write_text('{"id": 7, "text": "j"}\n\n{"id": 8, "text": null}\n')
    (data / "d.csv.gz").write_bytes(gzip.compress(b"id,text\nd1,g\n"))
    (data / "e.ndjson").write_text("")
    write(data / "f.parquet", {"id": ["f1"], "text": ["p"]})
    (data / "README").write_text("not data")
    found = cut(data, work)
    assert held(found) == [
        ("a.csv", 1, "x, y"),
        ("a.csv", 2, None),
        ("a.csv", 3, "two\nlines"),
        ("b.tsv", 1, "z"),
        ("c.jsonl", 1, "j"),
        ("c.jsonl", 2, None),
        ("d.csv.gz", 1, "g"),
        ("f.parquet", 1, "p"),
    ]
    ids = [name for part in found.ranges for name in reading.ids_of(found, part, reading.read(NAMED, part)).to_pylist()]
    assert ids == ["a1", "a2", "a3", "b1", "7", "8", "d1", "f1"]
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*.parquet")}
    assert cut(data, work) == found
    assert {path: path.stat().st_mtime_ns for path in work.rglob("*.parquet")} == before


def test_copies_of_many_rows_are_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "COPY_ROWS", 20_000)
    source = tmp_path / "in.jsonl"
    source.write_text("".join(f'{{"text": "t{i + 1}"}}\n' for i in range(50_000)))
    found = cut(source, tmp_path / "work", UNNAMED, 7_000)
    assert len(found.files) == 2
    assert held(found) == [("in.jsonl", i, f"t{i}") for i in range(1, 50_001)]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([5, 6], pa.int64(), ["5", "6"]),
        (["x", "y"], pa.dictionary(pa.int8(), pa.string()), ["x", "y"]),
        (["x", "y"], pa.large_string(), ["x", "y"]),
        ([b"x", b"y"], pa.large_binary(), ["x", "y"]),
        ([250, 251], pa.uint8(), ["250", "251"]),
    ],
)
def test_ids_of_many_types_are_strings(tmp_path: Path, values: list[object], kind: object, expected: list[str]) -> None:
    found = cut(write(tmp_path / "in.parquet", {"id": pa.array(values, kind), "text": ["a", "b"]}), tmp_path / "w")
    (part,) = found.ranges
    assert reading.ids_of(found, part, reading.read(NAMED, part)).to_pylist() == expected


@pytest.mark.parametrize(
    ("id", "text", "message"),
    [
        (
            [1.5],
            ["a"],
            " row 1: the column 'id' of type double holds '1.5'; expected texts, or values with a single text form, "
            "such as whole numbers",
        ),
        (["a"], [{"b": 1}], ": the column 'text' has type struct<b: int64>; expected texts"),
    ],
)
def test_a_wrong_type_is_refused_when_the_catalog_is_cut(
    tmp_path: Path, id: list[object], text: list[object], message: str
) -> None:
    with pytest.raises(CorpusError) as refused:
        cut(write(tmp_path / "in.parquet", {"id": id, "text": text}), tmp_path / "w")
    assert str(refused.value) == f"{tmp_path}/in.parquet{message}"


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path / "in/a.parquet", {"id": ["1"], "text": ["x"]})
    write(tmp_path / "in/b.parquet", {"id": ["1"], "name": ["x"]})
    with pytest.raises(CorpusError, match=r"b\.parquet: no column 'text'; expected one of id, name$"):
        cut(tmp_path / "in", tmp_path / "w")
    (tmp_path / "in/b.parquet").write_bytes(b"PAR1, but no more of it")
    with pytest.raises(CorpusError, match=r"b\.parquet: cannot be read: [^\n]+$"):
        cut(tmp_path / "in", tmp_path / "w")
    with pytest.raises(CorpusError, match="nowhere: does not exist; expected a file, folder, glob or URI"):
        cut(tmp_path / "nowhere", tmp_path / "w")


def test_a_file_that_has_become_shorter_is_no_range_any_more(tmp_path: Path) -> None:
    path = write(tmp_path / "in.parquet", {"id": ["1", "2", "3"], "text": ["x", "y", "z"]})
    found = cut(path, tmp_path / "w", size=2)
    write(path, {"id": ["1"], "text": ["x"]})
    with pytest.raises(CorpusError, match="has 1 rows now; expected the file as it was"):
        reading.read(NAMED, found.ranges[1])


def test_a_large_row_group_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"old {i}" for i in range(3000)]}), file)
    found = cut(file, tmp_path / "w", UNNAMED, 1000)
    assert len(found.ranges) == 3
    assert [text for _, _, text in held(found)] == [f"old {i}" for i in range(3000)]
    pq.write_table(pa.table({"text": [f"new {i}" for i in range(3000)]}), file)
    assert [text for _, _, text in held(found)] == [f"new {i}" for i in range(3000)]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/d/in/a.parquet"], ["a.parquet"]),
        (["/d/in/a.parquet", "/d/in/b/a.parquet"], ["a.parquet", "b/a.parquet"]),
        (["/d/a-b/x.csv", "/d/a/x.csv"], ["a-b/x.csv", "a/x.csv"]),
        (["/a.csv", "/b.csv"], ["a.csv", "b.csv"]),
        (["s3://bucket/a/x.csv", "s3://bucket/b/y.csv"], ["a/x.csv", "b/y.csv"]),
        (["s3://bucket/x.csv", "s3://bucket/y.csv"], ["x.csv", "y.csv"]),
    ],
)
def test_inputs_are_named_below_the_folder_that_they_share(paths: list[str], names: list[str]) -> None:
    found = Catalog(tuple(Entry(path, 1, 1) for path in paths), UNNAMED, ())
    assert found.names == names


def test_rows_without_an_id_are_named_by_file_and_row(tmp_path: Path) -> None:
    write(tmp_path / "in/a.parquet", {"text": ["x", "y", "z"]})
    write(tmp_path / "in/deep/b.parquet", {"text": ["x"]})
    found = cutting.cut(cutting.inventory(str(tmp_path / "in"), UNNAMED), UNNAMED, 2, Folder(str(tmp_path / "w")))
    ids = [
        name for part in found.ranges for name in reading.ids_of(found, part, reading.read(UNNAMED, part)).to_pylist()
    ]
    assert ids == ["a.parquet#1", "a.parquet#2", "a.parquet#3", "deep/b.parquet#1"]


def test_bytes_that_are_not_the_encoding_are_noted_before_anything_is_scored(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id,text\n1,tea\n2,grün\n".encode("cp1252"))
    columns = Columns("text", "id")
    found = cutting.cut(
        cutting.inventory(str(tmp_path / "a.csv"), columns), columns, 100, Folder(str(tmp_path / "work"))
    )
    (note,) = found.notes
    assert "a.csv row 2: 1 row holds bytes that are not utf-8; as cp1252 they would read 'grün'" in note
