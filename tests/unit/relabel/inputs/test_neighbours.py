"""The output of the night before is the finished one with the last name before tonight's."""

from pathlib import Path

from laud_ray.relabel.inputs.neighbours import before
from laud_ray.storage.folder import Folder


def test_it_is_the_last_finished_one(tmp_path: Path) -> None:
    for name in ("2026-11-27", "2026-11-28", "2026-12-01", "_old", ".hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "_manifest.json").touch()
        (tmp_path / name / "_SUCCESS").touch()
    (tmp_path / "2026-11-29").mkdir()  # was interrupted
    (tmp_path / "2026-11-29/_manifest.json").touch()
    assert before(Folder(str(tmp_path / "2026-11-30"))) == str(tmp_path / "2026-11-28")
    assert before(Folder(str(tmp_path / "2026-11-27"))) is None
    assert before(Folder(str(tmp_path / "nowhere/2026-11-27"))) is None
    assert before(Folder("s3://bucket")) is None
