"""A corpus from a database is that of a file with the same rows."""

import sqlite3
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.config import CorpusConfig
from laud_ray.data import sql
from laud_ray.data.corpus import Corpus
from laud_ray.data.sharding.normalise import SCRATCH, normalise
from laud_ray.errors import CorpusError
from laud_ray.storage.folder import Folder
from tests.postgres import Server

ROWS = [(i, f"name {i % 70}  100%", "A" if i % 2 else "B") for i in range(250)]
QUERY = "SELECT id, text, label FROM names WHERE text LIKE '%100%' ORDER BY id"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE names (id INTEGER, text, label)")
        connection.executemany("INSERT INTO names VALUES (?, ?, ?)", ROWS)
    connection.close()
    return path


def read(url: str, to: Path, query: str = QUERY, id: str | None = "id") -> Corpus:
    return normalise(CorpusConfig(path=url, query=query, text="text", id=id), Folder(str(to)), sealed="label")


def rows(corpus: Corpus) -> list[dict[str, object]]:
    return [row for one in corpus.ranges for row in corpus.read(one.name).to_pylist()]


def as_file(to: Path) -> Corpus:
    ids, texts, labels = zip(*ROWS, strict=True)
    pq.write_table(pa.table({"id": ids, "text": texts, "label": labels}), to / "names.parquet")
    config = CorpusConfig(path=str(to / "names.parquet"), text="text", id="id")
    return normalise(config, Folder(str(to / "whole")), sealed="label")


def test_rows_order_and_fingerprint_are_those_of_a_file(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "FETCHED", 20)
    monkeypatch.setattr(sql, "GROUP", 60)
    found, whole = read(f"sqlite:///{database}", tmp_path / "out"), as_file(tmp_path)
    assert (found.fingerprint, found.counts, rows(found)) == (whole.fingerprint, whole.counts, rows(whole))
    assert not (tmp_path / "out" / SCRATCH).exists()


def test_postgresql(postgres: Server, tmp_path: Path) -> None:
    postgres.execute("DROP TABLE IF EXISTS names")
    postgres.execute("CREATE TABLE names (id INTEGER, text TEXT, label TEXT)")
    for id, text, label in ROWS:
        postgres.execute(f"INSERT INTO names VALUES ({id}, '{text}', '{label}')")
    url = postgres.url
    found, whole = read(url, tmp_path / "out"), as_file(tmp_path)
    assert (found.fingerprint, found.counts, rows(found)) == (whole.fingerprint, whole.counts, rows(whole))
    with pytest.raises(CorpusError, match=r"^postgresql://laud@[^ ]+: cannot be read: "):
        read(url, tmp_path / "no", "DELETE FROM names RETURNING id, text, label")
    assert postgres.execute("SELECT count(*) FROM names") == [(250,)]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT id, text FROM names", r"shop\.db: no column 'label'; expected one of id, text$"),
        ("SELECT * FROM nowhere", r"shop\.db: cannot be read: no such table: nowhere$"),
        ("UPDATE names SET text = 'x'", r"shop\.db: the query returns no rows; expected a SELECT$"),
        ("SELECT id, text, label FROM names WHERE id < 0", r"shop\.db: holds no documents; expected at least one row$"),
        (
            "SELECT id % 9 AS id, text, label FROM names ORDER BY names.id",
            r"shop\.db row 10: the id '0' is already in .*shop\.db row 1;",
        ),
        (
            "SELECT id, id + 0.5 AS text, label FROM names",
            r"shop\.db row 1: the column 'text' .*holds '?0\.5'?; expected texts",
        ),
        (
            "SELECT nullif(id, 30) AS id, text, label FROM names ORDER BY names.id",
            r"shop\.db row 31: the id is missing",
        ),
    ],
)
def test_what_is_wrong_names_the_database_and_the_row(database: Path, tmp_path: Path, query: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message) as refused:
        read(f"sqlite:///{database}", tmp_path / "out", query)
    assert SCRATCH not in str(refused.value)
    assert not (tmp_path / "out" / SCRATCH).exists()
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT text) FROM names").fetchone() == (250, 70)
    connection.close()


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="does not exist; expected a database file"):
        read(f"sqlite:///{tmp_path}/none.db", tmp_path / "out")
    assert not (tmp_path / "none.db").exists()


def test_a_server_that_is_not_there_is_one_line_without_its_query(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"^postgresql://ann@127\.0\.0\.1:1/shop: cannot be read: [^\n]+$") as refused:
        read("postgresql://ann@127.0.0.1:1/shop", tmp_path / "out", "SELECT 'hidden'")
    assert "hidden" not in str(refused.value)


def test_values_of_several_types_are_texts_where_they_are_one_without_doubt() -> None:
    values = ["tea", 5, None, 7.0, b"milk", Decimal(8), date(2026, 1, 2), memoryview(b"x")]
    found = sql._texts("shop", "text", values, 1).to_pylist()
    assert found == [b"tea", b"5", None, b"7", b"milk", b"8", b"2026-01-02", b"x"]
    with pytest.raises(CorpusError, match=r"^shop row 3: the column 'text' .*holds '?0.5'?; expected texts"):
        sql._texts("shop", "text", ["tea", 5, 0.5], 1)
