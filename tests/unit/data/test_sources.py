"""What is refused before any file of a folder is read."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.data import sources
from laud_ray.data.seen import Seen
from laud_ray.errors import CorpusError


@pytest.mark.parametrize(
    ("mark", "name"),
    [
        ("_delta_log/00000000000000000000.json", "Delta Lake"),
        ("metadata/version-hint.text", "Iceberg"),
        (".hoodie/hoodie.properties", "Hudi"),
    ],
)
def test_a_folder_whose_log_says_which_rows_count_is_refused(mark: str, name: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["tea"]}), tmp_path / "part-0.parquet")
    assert len(sources.inputs(str(tmp_path), Seen())) == 1
    (tmp_path / mark).parent.mkdir()
    (tmp_path / mark).touch()
    for path in (str(tmp_path), f"{tmp_path}/"):
        with pytest.raises(
            CorpusError, match=f"is a table of {name}, whose files also hold rows .*; expected an export"
        ):
            sources.inputs(path, Seen())
