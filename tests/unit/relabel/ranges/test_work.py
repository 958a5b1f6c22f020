"""What a worker makes of a range: rows, files and a record, whatever the texts, columns and values are."""

import datetime as dt
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from laud_ray.errors import EngineError, PassError
from laud_ray.relabel.finish import check_range
from laud_ray.relabel.inputs.catalog import Columns
from laud_ray.relabel.ranges.records import RANGES, Record, read_record
from laud_ray.relabel.ranges.work import label_range
from laud_ray.storage.checksums import dump_json
from laud_ray.storage.folder import Folder
from laud_ray.types import Floats
from tests.relabeling import LABELS, Hashing, cut, hashing_two, job, relabel, rows, write

KEPT = Columns("text", "id", ("kept",))
DICT = pa.dictionary(pa.int32(), pa.string())


def catalog(tmp_path: Path, texts: list[object], **more: object) -> Path:
    return write(tmp_path / "in.parquet", {"id": [f"d{i}" for i in range(len(texts))], "text": texts, **more})


def test_rows_hold_what_the_scorer_says(tmp_path: Path) -> None:
    texts = ["green tea", "  coffee\t", None, "poison", "", "green tea", b"\xff"]
    cells = [text.encode() if isinstance(text, str) else text for text in texts]
    data = write(tmp_path / "in.parquet", {"id": [f"d{i}" for i in range(7)], "text": pa.array(cells, pa.binary())})
    found = relabel(cut(data, tmp_path / "w"), tmp_path / "out", threshold=0.5)
    proba = Hashing(LABELS).score(["green tea", "coffee"])[[0, 1, 0]]
    order = np.argsort(-proba, axis=1, kind="stable")
    good = [0, 1, 5]
    values = found.to_pydict()
    assert values["id"] == [f"d{i}" for i in range(7)]
    assert values["source"] == ["in.parquet"] * 7
    assert values["source_row"] == list(range(1, 8))
    assert values["model"] == ["round-0001"] * 7
    assert values["error"] == [
        None,
        None,
        "null text",
        "ValueError: cannot read this",
        "empty text",
        None,
        "text is not UTF-8",
    ]
    for place, i in enumerate(range(7)):
        if i not in good:
            assert [values[key][i] for key in ("label", "confidence", "margin")] == [None] * 3
            assert values["top_labels"][i] == values["top_probabilities"][i] == []
            assert values["abstained"][i] is False
            continue
        row = good.index(place)
        best = proba[row][order[row]]
        assert values["label"][i] == LABELS[order[row][0]]
        assert values["top_labels"][i] == [LABELS[j] for j in order[row]]
        assert values["top_probabilities"][i] == pytest.approx(best.tolist())
        assert values["confidence"][i] == pytest.approx(best[0])
        assert values["margin"][i] == pytest.approx(best[0] - best[1])
        assert values["abstained"][i] == (best[0] < 0.5)


def test_the_types_are_as_promised_and_the_record_counts(tmp_path: Path) -> None:
    found = cut(catalog(tmp_path, ["tea", "tea", None, "coffee", "poison"]), tmp_path / "w")
    record = label_range("part-00000", replace(job(found, tmp_path / "out"), threshold=0.99))
    assert read_record(Folder(str(tmp_path / "out")), "part-00000") == record
    assert pq.read_schema(tmp_path / "out/part-00000.parquet") == pa.schema(
        [
            ("id", pa.string()),
            ("label", DICT),
            ("confidence", pa.float32()),
            ("margin", pa.float32()),
            ("top_labels", pa.list_(DICT)),
            ("top_probabilities", pa.list_(pa.float32())),
            ("abstained", pa.bool_()),
            ("model", DICT),
            ("source", DICT),
            ("source_row", pa.int64()),
            ("error", pa.string()),
        ]
    )
    labels = rows(tmp_path / "out")["label"].to_pylist()
    assert (record.rows, record.errors, record.abstained, record.scored) == (5, 2, 3, 3)
    assert record.labels == {one: labels.count(one) for one in set(labels) - {None}}
    assert sum(record.labels.values()) == 3


@pytest.mark.parametrize("texts", [["tea"], [None], [None, "", " "], ["poison", None, "tea"]])
def test_small_and_bad_ranges_are_committed(tmp_path: Path, texts: list[object]) -> None:
    found = relabel(cut(catalog(tmp_path, texts), tmp_path / "w"), tmp_path / "out")
    assert found.num_rows == len(texts)
    assert found["label"].is_valid().to_pylist() == [text == "tea" for text in texts]
    assert found["error"].is_null().to_pylist() == [text == "tea" for text in texts]


def test_two_labels_are_two_labels(tmp_path: Path) -> None:
    found = relabel(cut(catalog(tmp_path, ["tea", None, "juice"]), tmp_path / "w"), tmp_path / "out", load=hashing_two)
    assert [len(one) for one in found["top_labels"].to_pylist()] == [2, 0, 2]
    proba = Hashing(LABELS[:2]).score(["tea", "juice"])
    assert found["margin"].to_pylist()[::2] == pytest.approx(np.abs(proba[:, 0] - proba[:, 1]).tolist())


@pytest.mark.parametrize(("bad", "size"), [(1, 1), (1, 100), (200, 100)])
def test_a_range_of_nothing_but_poison_is_rows(bad: int, size: int, tmp_path: Path) -> None:
    texts = [*["tea"] * 3 * (size == 1), *(f"poison {i}" for i in range(bad))]
    found = relabel(cut(catalog(tmp_path, texts), tmp_path / "w", size=size), tmp_path / "out")
    assert found["error"].to_pylist()[-bad:] == ["ValueError: cannot read this"] * bad


def test_a_scorer_that_fails_on_everything_is_an_error(tmp_path: Path) -> None:
    class Broken(Hashing):
        def score(self, texts: Sequence[str]) -> Floats:
            raise ValueError("no weights")

    found = cut(catalog(tmp_path, ["tea"]), tmp_path / "w")
    with pytest.raises(EngineError, match="ValueError: no weights"):
        relabel(found, tmp_path / "out", load=lambda _: Broken(LABELS))
    assert not list((tmp_path / "out").rglob("*.json"))


@pytest.mark.parametrize(
    "kept",
    [
        pa.array([1, None, -3], pa.int16()),
        pa.array([[1, 2], None, []], pa.list_(pa.int64())),
        pa.array([dt.datetime(2024, 1, 2, 3), None, dt.datetime(1969, 1, 1)], pa.timestamp("us", "UTC")),
        pa.array(["x", None, "y"], DICT),
        pa.array([b"\xff\x00", None, b""], pa.binary()),
        pa.array([b"\xff\x00", None, b""], pa.large_binary()),
        pa.array(["é", None, ""], pa.large_string()),
        pa.array([{"a": 1}, None, {"a": None}]),
        pa.array([Decimal("1.50"), None, Decimal("-2.00")], pa.decimal128(9, 2)),
        pa.array([True, None, False]),
        pa.array([math.inf, None, -0.0], pa.float64()),
        pa.array([None, None, None], pa.null()),
    ],
    ids=lambda kept: str(kept.type),
)
def test_kept_columns_stay_as_they_are(tmp_path: Path, kept: pa.Array) -> None:
    columns = Columns("text", "id", ("kept", "text", "kept"))
    found = cut(catalog(tmp_path, ["tea", "coffee", "tea"], kept=kept), tmp_path / "w", columns, size=2)
    relabel(found, tmp_path / "out")
    files = [pq.ParquetFile(path).read() for path in sorted((tmp_path / "out").glob("*.parquet"))]
    assert all(file.column_names.count("kept") == 1 for file in files)
    assert pa.concat_tables(files)["kept"].combine_chunks().equals(kept)
    assert rows(tmp_path / "out")["text"].to_pylist() == ["tea", "coffee", "tea"]


def test_kept_columns_of_text_files_are_text(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"id,text,kept\n1,tea,a\n2,coffee,\n3,tea,\xff\n")
    found = relabel(cut(tmp_path / "in.csv", tmp_path / "w", KEPT), tmp_path / "out")
    assert found["kept"].type == pa.string()
    assert found["kept"].to_pylist() == ["a", None, "\ufffd"]


VALUES = ["a/b", "a b", None, "é ü", "../up", "100%", "x=y", "", ".", "a\nb", "c#d?e", "日本", "+", "%2F", "'", '"\\']


@pytest.mark.parametrize("kind", [pa.string(), DICT], ids=str)
def test_partitions_hold_any_value(tmp_path: Path, kind: pa.DataType) -> None:
    values = VALUES * 3
    data = catalog(tmp_path, [f"tea {i}" for i in range(len(values))], kept=pa.array(values, kind))
    found = cut(data, tmp_path / "w", KEPT, size=30)
    relabel(found, tmp_path / "out", partition="kept")
    out = tmp_path / "out"
    files = [path.relative_to(out) for path in out.rglob("*.parquet")]
    assert all(len(path.parts) == 2 and path.parts[0].startswith("kept=") for path in files)
    kept = pa.schema([("kept", pa.string())])
    read = ds.dataset(str(out), format="parquet", partitioning=ds.partitioning(kept, flavor="hive")).to_table()
    by_id = dict(zip(read["id"].to_pylist(), read["kept"].to_pylist(), strict=True))
    assert [by_id[f"d{i}"] for i in range(len(values))] == values
    counted = duckdb.execute(
        f"SELECT count(*), count(DISTINCT id), count(DISTINCT kept) FROM read_parquet('{out}/*/*.parquet')"
    ).fetchone()
    assert counted is not None
    assert counted[:2] == (len(values), len(values))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.5, math.nan, None, math.nan, 1.5, -0.0]),
        pa.array([1, 2, None, 1, 2, 3], pa.int8()),
        pa.array([True, None, False, True, False, True]),
        pa.array([dt.date(2024, 1, 1), None, dt.date(2024, 1, 1), None, dt.date(1, 1, 1), dt.date(2, 2, 2)]),
        pa.array(["__HIVE_DEFAULT_PARTITION__", None, "x", "x", None, "y"]),
        pa.nulls(6),
    ],
    ids=lambda values: str(values.type),
)
def test_partitions_lose_no_row(tmp_path: Path, values: pa.Array) -> None:
    found = cut(catalog(tmp_path, [f"tea {i}" for i in range(6)], kept=values), tmp_path / "w", KEPT)
    record = label_range("part-00000", replace(job(found, tmp_path / "out"), partition="kept"))
    assert sum(file.rows for file in record.files) == 6
    assert len({file.name for file in record.files}) == len(record.files)
    assert check_range("part-00000", Folder(str(tmp_path / "out"))) == record


def test_partitions_by_label_have_one_for_no_label(tmp_path: Path) -> None:
    found = cut(catalog(tmp_path, ["tea", "coffee", None, "poison", "juice 9"]), tmp_path / "w")
    plain = relabel(found, tmp_path / "plain")
    parted = relabel(found, tmp_path / "out", partition="label")
    assert parted["label"].to_pylist() == plain["label"].to_pylist()
    assert (tmp_path / "out/label=__HIVE_DEFAULT_PARTITION__/part-00000.parquet").exists()


def test_a_value_that_cannot_name_a_folder_is_told(tmp_path: Path) -> None:
    long = "ж" * 50
    found = cut(catalog(tmp_path, ["tea"], kept=[long]), tmp_path / "w1", KEPT)
    with pytest.raises(PassError) as refused:
        relabel(found, tmp_path / "long", partition="kept")
    length = len(f"kept={quote(long)}")
    assert str(refused.value) == (
        f"--partition kept: the value {long[:40]!r}... needs {length} bytes as the name of a folder; "
        "expected at most 255"
    )
    found = cut(catalog(tmp_path, ["tea"], kept=[["x"]]), tmp_path / "w2", KEPT)
    with pytest.raises(PassError, match="--partition kept: the column has type list<.*>; expected single values"):
        relabel(found, tmp_path / "list", partition="kept")


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Path, Record]:
    found = cut(catalog(tmp_path, [f"tea {i}" for i in range(50)]), tmp_path / "w")
    return tmp_path / "out", label_range("part-00000", replace(job(found, tmp_path / "out"), partition="label"))


def test_a_file_that_is_not_what_was_written_is_found(whole: tuple[Path, Record]) -> None:
    out, record = whole
    name = record.files[0].name
    data = (out / name).read_bytes()
    assert check_range("part-00000", Folder(str(out))) == record
    for place in (0, len(data) // 2, len(data) - 1):
        (out / name).write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        said = f"{out}/{name}: was changed or is damaged: its checksum differs"
        assert check_range("part-00000", Folder(str(out))) == said
    for short in (b"", data[:-1], data[:100]):
        (out / name).write_bytes(short)
        assert "was changed or is damaged" in str(check_range("part-00000", Folder(str(out))))
    (out / name).unlink()
    assert check_range("part-00000", Folder(str(out))) == f"{out}/{name}: is missing"


def test_a_record_that_is_none_is_found(whole: tuple[Path, Record]) -> None:
    out, _ = whole
    record = out / RANGES / "part-00000.json"
    data = record.read_text()
    said = f"{record}: is missing or damaged"
    for content in ("", data[:50], "{}", "[]", data.replace('"files"', '"fils"')):
        record.write_text(content)
        assert check_range("part-00000", Folder(str(out))) == said
    record.unlink()
    assert check_range("part-00000", Folder(str(out))) == said
    record.write_text(data.replace('"rows": 50', '"rows": 51', 1))
    assert check_range("part-00000", Folder(str(out))) == said
    record.write_bytes(dump_json(json.loads(data.replace('"rows": 50', '"rows": 51', 1))))
    assert check_range("part-00000", Folder(str(out))) == "part-00000: its files have 50 rows; expected 51"
