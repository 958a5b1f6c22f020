"""A file that laud_ray wrote is read as it was written or refused, whichever of its bits was flipped."""

import io
import json
import random
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.data.corpus import MANIFEST, open_corpus
from laud_ray.errors import DamageError, ModelError
from laud_ray.storage.checksums import check_parquet, count, dump_json, parse_json, seal_parquet
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import describe, kind_of, seal

TABLE = pa.table({"id": [str(i) for i in range(300)], "text": [f"biscuit {i % 7}" for i in range(300)]})
VALUE = {"ranges": [{"name": "part-00000.parquet", "rows": 3}], "counts": {"unique": 3}, "fingerprint": "ab", "x": 0.1}


def flipped(data: bytes, bit: int) -> bytes:
    """The same bytes with one bit the other way."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_sealed_table_is_parquet_for_everybody(tmp_path: Path) -> None:
    Folder(str(tmp_path)).write_table("a.parquet", TABLE)
    assert pq.read_table(tmp_path / "a.parquet", page_checksum_verification=True).equals(TABLE)
    assert duckdb.connect().sql(f"SELECT count(*), max(text) FROM '{tmp_path}/a.parquet'").fetchall() == [
        (300, "biscuit 6")
    ]
    assert Folder(str(tmp_path)).read_table("a.parquet", ["text"]).equals(TABLE.select(["text"]))


def test_no_flipped_bit_of_a_table_is_read_as_other_data(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.write_table("a.parquet", TABLE)
    data = folder.read("a.parquet")
    noticed = 0
    for bit in random.Random(0).sample(range(8 * len(data)), 800):
        (tmp_path / "a.parquet").write_bytes(flipped(data, bit))
        try:
            assert folder.read_table("a.parquet").equals(TABLE)
        except (DamageError, pa.ArrowException) as error:
            noticed += str(error).startswith(f"{tmp_path}/a.parquet: ")
    assert noticed > 700


def test_every_bit_of_the_end_of_a_table_counts() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), sink)
    data = seal_parquet(sink.getvalue())
    check_parquet(data, "a")
    footer = int.from_bytes(data[-8:-4], "little")
    mark = range(8 * (len(data) - 8 - footer - 32), 8 * (len(data) - 8 - footer - 16))
    for bit in range(8 * len(data)):
        if bit in mark:
            check_parquet(flipped(data, bit), "a")  # as written before there were checksums: the data are right
        else:
            with pytest.raises(DamageError, match="^a: is damaged: its checksum differs"):
                check_parquet(flipped(data, bit), "a")


def test_a_table_from_before_checksums_is_read(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "old.parquet")
    assert Folder(str(tmp_path)).read_table("old.parquet").equals(TABLE)


def test_no_flipped_bit_of_json_is_read_as_something_else() -> None:
    data = dump_json(VALUE)
    assert parse_json(data, "a.json", dict) == VALUE
    noticed = 0
    for bit in range(8 * len(data)):
        try:
            found = parse_json(flipped(data, bit), "a.json", dict)
        except DamageError as error:
            noticed += str(error).startswith("a.json: ")
        else:
            assert found == VALUE  # white space was hit
    assert noticed > 6 * len(data)


def test_json_from_before_checksums_is_read_and_a_person_may_not_change_the_new() -> None:
    assert parse_json(json.dumps(VALUE).encode(), "a.json", dict) == VALUE
    changed = dump_json(VALUE).replace(b'"rows": 3', b'"rows": 4')
    with pytest.raises(
        DamageError, match="^a.json: was changed or is damaged: its checksum differs; expected the file"
    ):
        parse_json(changed, "a.json", dict)


def test_counts_are_counts() -> None:
    for wrong in (-1, 1.0, True, "1", None):
        with pytest.raises(TypeError, match="expected a count"):
            count(wrong)


@pytest.mark.parametrize(
    "broken",
    [b"", b"{}", b"[]", b"3", b'{"ranges": {}}', b'{"ranges": [3], "counts": {}, "fingerprint": "a"}', b"\xff\xfe",
     b'{"ranges": [], "counts": {"unique": "3"}, "fingerprint": "a"}', b'{"ranges": [], "counts": {}}'],
)  # fmt: skip
def test_a_broken_description_of_a_corpus_is_one_line_with_its_file(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(broken)
    with pytest.raises(DamageError) as refused:
        open_corpus(Folder(str(tmp_path)))
    assert str(refused.value).startswith(f"{tmp_path}/{MANIFEST}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "broken", [b"{", b"[]", b"{}", b'{"kind": "linear"}', b'{"kind": "linear", "labels": "ab", "files": {}}',
               b'{"kind": "linear", "labels": ["a"], "files": []}', b'{"kind": 3, "labels": ["a"], "files": {}}']
)  # fmt: skip
def test_a_broken_description_of_a_model_is_one_line_with_its_file(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "weights").write_bytes(b"1")
    seal(tmp_path, {"kind": "linear", "labels": ["a", "b"]})
    assert kind_of(str(tmp_path)) == "linear"
    assert describe(str(tmp_path))[1]["labels"] == ["a", "b"]
    (tmp_path / "model.json").write_bytes(broken)
    for read in (describe, kind_of):
        with pytest.raises(ModelError) as refused:
            read(str(tmp_path))
        assert str(refused.value).startswith(f"{tmp_path}/model.json: ")
        assert "\n" not in str(refused.value)


def test_no_flipped_bit_of_a_model_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(bytes(range(256)))
    seal(tmp_path, {"kind": "linear", "labels": ["a", "b"], "temperature": 0.5})
    was = describe(str(tmp_path))[1]
    for name in ("weights", "model.json"):
        data = (tmp_path / name).read_bytes()
        for bit in random.Random(1).sample(range(8 * len(data)), 300):
            (tmp_path / name).write_bytes(flipped(data, bit))
            try:
                found = describe(str(tmp_path))[1]
            except ModelError:
                continue
            assert {key: found[key] for key in was} == was
        (tmp_path / name).write_bytes(data)
