"""The paths of a column are found in files and databases, whatever their format."""

import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.config import CorpusConfig
from laud_ray.data import found_paths
from laud_ray.data.found_paths import read_paths
from laud_ray.errors import ConfigError, CorpusError
from laud_ray.taxonomy import Taxonomy

LABELS = ["Food > Tea", "food > Tea", "Food > Milk", None, "", "Food > Tea", "Tools > Saws"]
SHOWN = ["Food", "Food > Milk", "Food > Tea", "Tools", "Tools > Saws"]


def shown(taxonomy: Taxonomy) -> list[str]:
    return [taxonomy.label(node) for node in range(len(taxonomy.nodes))]


def test_from_parquet_with_dictionaries(tmp_path: Path) -> None:
    table = pa.table({"text": ["a"] * 7, "label": pa.array(LABELS).dictionary_encode()})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    found = read_paths(CorpusConfig(path=str(tmp_path / "a.parquet"), text="text"), "label", " > ")
    assert shown(found) == SHOWN
    assert found.nodes[0].also == ("food",)


def test_from_text_in_a_stated_format(tmp_path: Path) -> None:
    rows = "\n".join(f"a;{label or ''}" for label in [*LABELS, "Food > Crème"])
    (tmp_path / "a.csv").write_bytes(f"text;label\n{rows}\n".encode("cp1252"))
    config = CorpusConfig(path=str(tmp_path / "a.csv"), text="text", delimiter=";", encoding="cp1252")
    assert shown(read_paths(config, "label", " > ")) == [SHOWN[0], "Food > Crème", *SHOWN[1:]]


def test_from_a_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE names (text, label)")
        connection.executemany("INSERT INTO names VALUES ('a', ?)", [(label,) for label in LABELS])
    connection.close()
    config = CorpusConfig(path=f"sqlite:///{tmp_path}/shop.db", query="SELECT text, label FROM names", text="text")
    assert shown(read_paths(config, "label", " > ")) == SHOWN


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (
            b"text,label\na,Food > Tea\nb,Food >\n",
            ConfigError,
            "'Food >' is not valid.*1 row has it",
        ),
        (b"text,label\na,Tea\nb,Milk\n", ConfigError, "the column 'label': has no path with the separator ' > '"),
        (b"text,label\na,Food > \xff\n", CorpusError, r"a.csv: the label 'Food > .*xff' is not valid; expected text"),
        (b"text,name\na,Tea\n", CorpusError, "label"),
        (b"text,label\na,A > 1\nb,A > 2\nc,A > 3\nd,A > 4\n", CorpusError, "more than 3 different values"),
    ],
)
def test_mistakes(
    tmp_path: Path, content: bytes, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found_paths, "MOST_PATHS", 3)
    (tmp_path / "a.csv").write_bytes(content)
    config = CorpusConfig(path=str(tmp_path / "a.csv"), text="text", encoding="utf-8")
    with pytest.raises(error, match=message) as raised:
        read_paths(config, "label", " > ")
    assert "\n" not in str(raised.value)
