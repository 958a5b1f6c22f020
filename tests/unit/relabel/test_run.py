"""Where a relabel writes: nothing of others is touched, also where --out is wrong."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from laud_ray.cluster.workers import Workers
from laud_ray.errors import RunError
from laud_ray.relabel.inputs.catalog import Columns
from laud_ray.relabel.inputs.cutting import inventory
from laud_ray.relabel.plan import PLAN, Options, open_plan
from laud_ray.relabel.run import clear, relabel
from laud_ray.relabel.source import Source
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.storage.folder import Folder
from tests import relabeled
from tests.relabeling import LABELS, NAMED, hashing, write

HALF = "0123456789abcdef" * 2


def attempt(data: Path, out: Path, rules: Rules | None = None, **options: object) -> None:
    """Label `data` into `out`, up to the first thing that is refused; no model is opened."""
    model = Folder(str(out.parent / "model"))
    source = Source("run", "m", model, "sum", LABELS, Workers(), 2000, "text", "id", lambda _: None, hashing)
    given = Options(**{"columns": NAMED, "range_rows": 100, **options})
    relabel(replace(source, rules=rules), str(data), str(out), given, None, lambda _: None)


def tree(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "data" / "a.parquet", {"id": ["1", "2"], "text": ["tea", "juice"]})
    return tmp_path / "data"


@pytest.mark.parametrize(
    "files",
    [
        ("mine.txt", f"sub/.keep-{HALF}"),
        ("config.yaml", "laud.db", f".report.html-{HALF}"),
        # One folder too high: two relabels at work.
        ("food/_laud/plan.json", f"food/.part-00000.parquet-{HALF}", f"tea/_laud/ranges/.part-00001.json-{HALF}"),
    ],
)
def test_a_wrong_folder_is_refused_and_left_as_it_was(data: Path, tmp_path: Path, files: tuple[str, ...]) -> None:
    out = tmp_path / "out"
    for name in files:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("{}")
    before = tree(out)
    with pytest.raises(
        RunError, match=f"^{out}: holds '.*' but no relabel; expected an empty folder, or one that does not exist$"
    ):
        attempt(data, out)
    assert tree(out) == before


def test_a_file_is_no_place_for_labels(data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(
        RunError, match="^--out .*out: is a file; expected an empty folder, or one that does not exist$"
    ):
        attempt(data, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("link", ["data", "out"])
def test_a_link_does_not_hide_that_the_output_is_a_part_of_the_data(data: Path, tmp_path: Path, link: str) -> None:
    (tmp_path / "link").symlink_to(data)
    inputs, out = (tmp_path / "link", data / "labels") if link == "data" else (data, tmp_path / "link" / "labels")
    with pytest.raises(RunError, match="is within the data .*; expected a folder outside of it"):
        attempt(inputs, out)
    assert tree(data) == ["a.parquet"]


def test_only_what_killed_writers_of_this_output_left_is_cleared(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    open_plan(Folder(str(out)), "run", str(data), "m", "sum", Options(NAMED, 100), inventory(str(data), NAMED))
    left = [
        f".part-00000.parquet-{HALF}",
        f"label=Tea/.part-00000.parquet-{HALF}",
        f"_laud/ranges/.part-00000.json-{HALF}",
    ]
    others = [
        f"sub/.part-00000.parquet-{HALF}",
        f".notes-{HALF}",
        f"label=Tea/.mine-{HALF}",
        f"sub/_laud/.plan.json-{HALF}",
    ]
    for name in (*left, *others):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("half")
    clear(Folder(str(out)))
    found = set(tree(out))
    assert not found & set(left)
    assert found >= {PLAN, *others}


SETS = Rules(np.full(3, 0.5))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cascade": 0.99}, "--cascade: is not valid, because m gives each row a list of labels, which a student"),
        ({"partition": "label"}, "--partition label: is not valid, because m gives each row a list of labels"),
        ({"accuracy": 0.9}, "--accuracy: is not valid, because the labels of m are no taxonomy; expected none"),
        ({"level": 1}, "--level: is not valid, because the labels of m are no taxonomy; expected none"),
        ({"columns": Columns("text", "id", ("labels",))}, "--keep labels: is not valid, because relabel writes"),
        ({"columns": Columns("text", "id", ("label",))}, "--keep label: is not valid, because relabel writes"),
    ],
)
def test_what_needs_one_label_a_row_is_refused_where_labels_are_sets(
    data: Path, tmp_path: Path, options: dict[str, object], said: str
) -> None:
    with pytest.raises(RunError, match=f"^{re.escape(said)}"):
        attempt(data, tmp_path / "out", SETS, **options)
    assert not (tmp_path / "out").exists()


def test_labels_and_sets_of_labels_are_not_compared(data: Path, tmp_path: Path) -> None:
    flat = str(relabeled.write(tmp_path / "flat", relabeled.rows(["1", "2"], ["Tea", "Tea"])))
    lists = relabeled.rows(["1", "2"], ["Tea", "Tea"]).drop_columns(["label"])
    lists = lists.append_column("labels", pa.array([["Tea"], []], pa.list_(pa.string())))
    sets = str(relabeled.write(tmp_path / "sets", lists))
    with pytest.raises(
        RunError, match=f"^--previous {flat}: has one label a row; expected an output with lists of lab"
    ):
        attempt(data, tmp_path / "out", SETS, previous=flat)
    with pytest.raises(RunError, match=f"^--previous {sets}: has lists of labels; expected an output with one label a"):
        attempt(data, tmp_path / "out", previous=sets)
