"""Where a relabel writes: nothing of others is touched, also where --out is wrong."""

from pathlib import Path

import pytest

from laud_ray.cluster.workers import Workers
from laud_ray.errors import RunError
from laud_ray.relabel.inputs.cutting import inventory
from laud_ray.relabel.plan import PLAN, Options, open_plan
from laud_ray.relabel.run import clear, relabel
from laud_ray.relabel.source import Source
from laud_ray.storage.folder import Folder
from tests.relabeling import LABELS, NAMED, hashing, write

HALF = "0123456789abcdef" * 2


def attempt(data: Path, out: Path) -> None:
    """Label `data` into `out`, up to the first thing that is refused; no model is opened."""
    model = Folder(str(out.parent / "model"))
    source = Source("run", "m", model, "sum", LABELS, Workers(), 2000, "text", "id", lambda _: None, hashing)
    relabel(source, str(data), str(out), Options(NAMED, 100), None, lambda _: None)


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
