"""Sources of every form become the same ranges; what is wrong is counted, or is one clear line."""

import gzip
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.config import CorpusConfig
from laud_ray.data import corpus as corpora
from laud_ray.data.corpus import Corpus, open_corpus, sealed_values
from laud_ray.data.sharding import normalise as normalising
from laud_ray.data.sharding import ordering, partition, units
from laud_ray.data.sharding.normalise import normalise
from laud_ray.errors import CorpusError
from laud_ray.storage.folder import Folder

NAMES = ["Milk  1l", "Caf\u0065\u0301", "Milk 1l", "", None, "x" * 50]


def rows(corpus: Corpus) -> list[dict[str, object]]:
    return [row for part in corpus.ranges for row in corpus.read(part.name).to_pylist()]


def read(path: Path | str, out: Path, *, sealed: str | None = None, **keys: object) -> Corpus:
    settings = {"path": str(path), "text": "text", **keys}
    return normalise(CorpusConfig.model_validate(settings), Folder(str(out)), sealed=sealed)


def write(path: Path, columns: dict[str, list[object]]) -> Path:
    table = pa.table(columns)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".csv":
        pcsv.write_csv(table, path)
    else:
        lines = "".join(json.dumps(row) + "\n" for row in table.to_pylist())
        path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return path


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl", "a.jsonl.gz"])
def test_every_format_gives_the_same_corpus(tmp_path: Path, name: str) -> None:
    source = write(tmp_path / name, {"id": list("abcdef"), "text": NAMES})
    corpus = read(source, tmp_path / "out", id="id", max_chars=10)
    found = {row["id"]: row for row in rows(corpus)}
    assert found["b"]["text"] == "Caf\u00e9"
    assert found["a"]["text"] == found["c"]["text"] == "Milk 1l"
    assert [found["a"]["duplicate_of"], found["c"]["duplicate_of"]] == [None, "a"]
    # In a CSV an empty cell and a missing one look the same.
    assert found["d"]["error"] in ("empty text", "null text")
    assert (found["e"]["error"], found["e"]["text"]) == ("null text", None)
    assert found["f"]["text"] == "x" * 10
    expected = {"documents": 6, "unique": 3, "duplicates": 1, "errors": 2, "truncated": 1}
    assert {key: corpus.counts[key] for key in expected} == expected


def test_folder_glob_and_uri_read_the_same(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    write(tmp_path / "in" / "a.parquet", {"text": ["one", "two"]})
    write(tmp_path / "in" / "deep" / "b.csv", {"text": ["three"]})
    (tmp_path / "in" / "_SUCCESS").write_text("")
    folder = read(tmp_path / "in", tmp_path / "1")
    uri = read((tmp_path / "in").as_uri(), tmp_path / "2")
    assert folder.fingerprint == uri.fingerprint
    assert read(tmp_path / "in" / "*.parquet", tmp_path / "3").counts["documents"] == 2


def test_fsspec_reads_what_pyarrow_does_not(tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://shop/names.csv", "wb") as file:
        file.write(b"text\nmilk\n")
    assert read("memory://shop/names.csv", tmp_path / "out").counts["documents"] == 1


def test_ids_by_hash_do_not_depend_on_the_order_of_the_input(tmp_path: Path) -> None:
    texts = [f"name {i % 40}" for i in range(60)]
    one = read(write(tmp_path / "a.parquet", {"text": texts}), tmp_path / "1")
    other = read(write(tmp_path / "b.parquet", {"text": texts[::-1]}), tmp_path / "2")
    assert one.fingerprint == other.fingerprint
    ids = [row["id"] for row in rows(one)]
    assert len(set(ids)) == 60
    assert corpora.document_id("name 3") in ids


def test_text_that_is_not_utf8_costs_its_row_only(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"text\nmilk\n\xff\xfe\n")
    (tmp_path / "b.jsonl").write_bytes(b'{"text": "tea"}\n{"text": "\\ud800"}\n{"text": "b\xff"}\n')
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    pq.write_table(pa.table({"text": bad}), tmp_path / "c.parquet")
    corpus = read(tmp_path, tmp_path / ".out")
    assert corpus.counts["text is not UTF-8"] == 4
    assert {row["text"] for row in rows(corpus)} == {"milk", "tea", None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,name\n1,milk\n", "a.csv: no column 'text'; expected one of id, name"),
        (b"id,texts\n1,milk\n", "no column 'text'.*did you mean 'texts'"),
        (b"id,text\n1,milk\n2,a,b\n", "a.csv row 2: has 3 cells; expected 2, as in the header"),
        (b"id,text\n1,a\n2,b\n1,c\n", "a.csv row 3: the id '1' is already in .*a.csv row 1"),
        (b"id,text\n1,a\n,b\n", "a.csv row 2: the id is missing; expected a text"),
        (b"id,text\n", "a.csv: holds no documents"),
        (b"", "a.csv: holds no documents; expected at least one row"),
    ],
)
def test_bad_csv_is_one_line_with_file_and_row(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(CorpusError, match=message) as raised:
        read(tmp_path / "a.csv", tmp_path / "out", id="id")
    assert "\n" not in str(raised.value)
    assert open_corpus(Folder(str(tmp_path / "out"))) is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"PAR1 but no more", "a.parquet: cannot be read"),
        ("a.jsonl", b'{"text": "a"}\n{"text"\n', "a.jsonl row 2: is not valid JSON"),
        ("a.jsonl", b'{"text": "a"}\n[1]\n', "a.jsonl row 2: holds a JSON array; expected one object per line"),
        ("a.jsonl", b'{"text": ["a", "b"]}\n', "a.jsonl row 1: 'text' holds a list of 2 values; expected one text"),
        ("a.xlsx", b"?", "unknown format"),
    ],
)
def test_unreadable_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        read(tmp_path / name, tmp_path / "out")


def test_nothing_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path / "*.csv"):
        with pytest.raises(CorpusError, match="does not exist"):
            read(path, tmp_path / "out")
    with pytest.raises(CorpusError, match=r"row 1: the column 'text' of type double holds '0.5'; expected texts"):
        read(write(tmp_path / "a.parquet", {"text": [0.5]}), tmp_path / "out")


def test_sealed_column_is_in_no_range(tmp_path: Path) -> None:
    source = write(tmp_path / "a.parquet", {"text": ["milk", "tea"], "label": ["Dairy", "Drinks"]})
    corpus = read(source, tmp_path / "out", sealed="label")
    assert set(rows(corpus)[0]) == {"id", "text", "error", "duplicate_of"}
    assert sealed_values(corpus, [corpora.document_id("tea")]) == {corpora.document_id("tea"): "Drinks"}


def test_units_and_groups_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the pieces in which a source is read, held and sorted: the same documents, ids and counts."""
    texts = [f"n {i % 700}" for i in range(3000)]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": texts, "id": list(map(str, range(3000)))}), path, row_group_size=100)
    whole = read(path, tmp_path / "1", id="id")
    for module, name in ((units, "UNIT_ROWS"), (partition, "HELD_ROWS"), (ordering, "GROUP_ROWS")):
        monkeypatch.setattr(module, name, 250)
    pieces = read(path, tmp_path / "2", id="id")
    assert rows(pieces) == rows(whole)
    assert (pieces.counts, pieces.fingerprint) == (whole.counts, whole.fingerprint)
    assert len(pieces.ranges) > len(whole.ranges)
    assert not (tmp_path / "2" / normalising.SCRATCH).exists()


def test_a_broken_attempt_leaves_nothing_in_the_next(tmp_path: Path) -> None:
    left = tmp_path / "out" / normalising.SCRATCH / "rows"
    left.mkdir(parents=True)
    (left / "unit-000000-00000.arrow").write_bytes(b"half of a file")
    corpus = read(write(tmp_path / "a.parquet", {"text": ["milk", "tea"]}), tmp_path / "out")
    assert corpus.counts["documents"] == 2
    assert not left.exists()


@settings(max_examples=25, deadline=None)
@given(
    texts=st.lists(st.sampled_from(["a", "b", "c", "", "d e"]), min_size=1, max_size=40),
    size=st.integers(1, 5),
)
def test_every_row_gets_one_place(texts: list[str], size: int) -> None:
    """Whatever the duplicates and the range size: each document once, each text fresh once, no text in two ranges."""
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setattr(normalising, "range_size", lambda n: size)
        corpus = read(write(Path(scratch) / "a.parquet", {"text": texts}), Path(scratch) / "out")
        found = rows(corpus)
        parts = [corpus.read(part.name).column("text").to_pylist() for part in corpus.ranges]
    assert len({row["id"] for row in found}) == len(texts)
    fresh = [row["text"] for row in found if row["text"] is not None and row["duplicate_of"] is None]
    assert sorted(map(str, fresh)) == sorted({t for t in texts if t})
    assert all(len(part) <= 2 * size for part in parts)
    assert all(len(part) >= size for part in parts[:-1])


def test_manifest_makes_it_whole(tmp_path: Path) -> None:
    source = write(tmp_path / "a.parquet", {"text": ["milk"]})
    corpus = read(source, tmp_path / "out")
    assert open_corpus(corpus.folder) == corpus
    (tmp_path / "out" / corpora.MANIFEST).unlink()
    assert open_corpus(corpus.folder) is None


def test_a_sample_of_texts_spans_ranges_and_grows_at_its_end(tmp_path: Path) -> None:
    source = write(tmp_path / "a.parquet", {"text": [f"name {i}" for i in range(3_000)]})
    corpus = read(source, tmp_path / "out")
    assert len(corpus.ranges) > 1
    every = corpus.some_texts(5_000)
    assert len(every) == len(set(every)) == 3_000
    assert corpus.some_texts(2_500) == every[:2_500]
    assert corpus.some_texts(64) == every[:64]
