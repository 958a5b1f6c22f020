"""Folders that a command writes into."""

import os
from pathlib import Path

import pytest

from laud_ray.cli.paths import check_writable
from laud_ray.errors import ConfigError


def test_a_folder_that_can_be_made_is_not_left_behind(tmp_path: Path) -> None:
    check_writable(str(tmp_path / "a" / "b"), "--out")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").write_text("x")
    check_writable(str(tmp_path / "there"), "--out")
    assert [one.name for one in tmp_path.rglob("*")] == ["there", "x"]
    check_writable("s3://bucket/prefix", "--out")


def test_a_folder_that_cannot_be_written_is_named_with_the_cause(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    cases = {"/proc/zz": "", str(tmp_path / "file" / "a"): "Not a directory", str(tmp_path / "file"): "File exists"}
    for path, cause in {**cases, "a\0b": "", str(tmp_path / ("n" * 300)): "File name too long"}.items():
        with pytest.raises(
            ConfigError, match=rf"^--out: .* cannot be written: .*{cause}.*; expected a writable folder"
        ) as found:
            check_writable(path, "--out")
        assert "\n" not in str(found.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigError, match="--out: .* cannot be written: Permission denied"):
        check_writable(str(tmp_path / "a"), "--out")
