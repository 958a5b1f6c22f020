"""A file appears whole or not at all."""

from pathlib import Path

import pytest

from laud_ray import storage
from laud_ray.storage import Folder


def test_write_read_names(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "a"))
    assert folder.names() == set()
    folder.write("x.txt", b"one")
    folder.write("x.txt", b"two")
    (folder / "deep").write("y", b"")
    assert folder.names() == {"x.txt"}
    assert folder.read("x.txt") == b"two"
    assert folder.exists("deep/y")
    folder.remove()
    folder.remove()
    assert not (tmp_path / "a").exists()


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(str(tmp_path))
    folder.write("x", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folder.write("x", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert folder.read("x") == b"old"


def test_publish_replaces_a_whole_folder(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "models"))
    for content in ("one", "two"):
        source = tmp_path / "scratch"
        (source / "adapter").mkdir(parents=True)
        (source / "adapter" / "w").write_text(content)
        folder.publish(source, "m", last="adapter/w")
        assert not source.exists()
    assert folder.read("m/adapter/w") == b"two"
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["m"]


def test_object_store_through_a_uri(tmp_path: Path) -> None:
    """memory:// stands for any store that fsspec speaks: publish copies, and fetch brings a copy back."""
    folder = Folder("memory://bucket/models")
    source = tmp_path / "scratch"
    source.mkdir()
    (source / "w").write_text("weights")
    (source / "model.json").write_text("{}")
    folder.publish(source, "m", last="model.json")
    assert folder.exists("m/model.json")
    assert not folder.exists("m/none")
    assert (folder / "m").fetch(tmp_path).joinpath("w").read_text() == "weights"
    assert (folder / "m").fetch(tmp_path).joinpath("w").read_text() == "weights"
