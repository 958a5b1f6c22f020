"""A file or folder appears whole or not at all, whatever happens on the way."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from laud_ray.storage.folder import Folder
from laud_ray.storage.local import atomic

SIZE = 2**20


def test_write_read_names(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "a"))
    assert folder.names() == set()
    folder.write("x.txt", b"one")
    folder.write("x.txt", b"two")
    (folder / "deep").write("y", b"")
    assert folder.names() == {"x.txt"}
    assert folder.folders() == {"deep"}
    assert folder.read("x.txt") == b"two"
    assert folder.exists("deep/y")
    folder.remove()
    folder.remove()
    assert folder.folders() == set()
    assert not (tmp_path / "a").exists()


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(str(tmp_path))
    folder.write("x", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device: '.*/x'"):
        folder.write("x", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert folder.read("x") == b"old"


def model(place: Path, content: str) -> Path:
    (place / "adapter").mkdir(parents=True)
    (place / "adapter" / "w").write_text(content)
    (place / "model.json").write_text("{}")
    return place


def test_publish_replaces_a_whole_folder(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "models"))
    for content in ("one", "two"):
        source = model(tmp_path / "scratch", content)
        folder.publish(source, "m", last="model.json")
        assert not source.exists()
    assert folder.read("m/adapter/w") == b"two"
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["m"]


def test_a_model_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file and folder of it is synced before the rename, and the rename's own folder after it."""
    steps: list[str] = []
    sync, rename = os.fsync, Path.rename

    def note(handle: int) -> None:
        steps.append(os.readlink(f"/proc/self/fd/{handle}"))
        sync(handle)

    def move(self: Path, to: Path) -> Path:
        steps.append("rename")
        return rename(self, to)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "rename", move)
    Folder(str(tmp_path / "models")).publish(model(tmp_path / "scratch", "w" * SIZE), "m", last="model.json")
    before, after = steps[: steps.index("rename")], steps[steps.index("rename") + 1 :]
    within = {path.partition("/models/")[2].partition("/")[2] for path in before}
    assert within == {"adapter/w", "adapter", "model.json", ""}
    assert before.index(next(p for p in before if p.endswith("/w"))) < before.index(
        next(p for p in before if p.endswith("adapter"))
    )
    assert after == [str(tmp_path / "models")]


@pytest.mark.parametrize("at", range(5))
def test_a_failed_publish_leaves_nothing_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """A disk that is full at each of the syncs: the old model stays until the new one is whole."""
    folder = Folder(str(tmp_path / "models"))
    folder.publish(model(tmp_path / "old", "old"), "m", last="model.json")
    sync, left = os.fsync, iter(range(at, -1, -1))

    def full(handle: int) -> None:
        if next(left, 0) == 0:
            raise OSError(28, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device: '.*/models(/m|/m/.*)?'"):
            folder.publish(model(tmp_path / "new", "new"), "m", last="model.json")
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["m"]
    assert folder.read("m/adapter/w") in (b"old", b"new")
    assert folder.exists("m/model.json")


def killed_at(step: int, source: Path, target: Path) -> bool:
    """Publish in a process that is killed before so many of its calls; return whether it was."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    calls = iter(range(step))

    def counted(work: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            if next(calls, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return work(*arguments, **options)

        return call

    for module, name in ((os, "fsync"), (Path, "rename"), (Path, "mkdir"), (shutil, "rmtree"), (shutil, "copyfileobj")):
        setattr(module, name, counted(getattr(module, name)))
    atomic.publish(source, target)
    os._exit(0)


def test_a_publish_that_is_killed_anywhere_is_whole_or_absent(tmp_path: Path) -> None:
    models, half, step = tmp_path / "models", 0, 0
    while killed_at(step, model(tmp_path / f"new-{step}", "new"), models / "m"):
        half += any(p.name.startswith(".") for p in models.iterdir()) if models.exists() else 0
        atomic.clear([models, tmp_path / "none"])
        if models.exists() and list(models.iterdir()):
            assert [p.name for p in models.iterdir()] == ["m"]
            assert sorted(p.name for p in (models / "m").rglob("*")) == ["adapter", "model.json", "w"]
            assert (models / "m" / "adapter" / "w").read_text() == "new"
        shutil.rmtree(models, ignore_errors=True)
        step += 1
    assert step > 10
    assert half > 3


def test_what_is_deleted_is_gone_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion that is killed leaves no half of a model under its name, which would count as one."""
    folder = Folder(str(tmp_path / "run" / "models"))
    model(tmp_path / "run" / "models" / "m", "w")

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.remove()
    assert folder.folders() == set()
    atomic.clear([], beside=tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
    folder.remove()
    (tmp_path / "disk").mkdir()
    (tmp_path / "run" / "models").symlink_to(tmp_path / "disk")
    folder.publish(model(tmp_path / "new", "w"), "m", last="model.json")
    folder.remove()
    assert list((tmp_path / "disk").iterdir()) == []
    assert folder.is_empty()


def test_what_a_killed_process_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    hexadecimal = "0123456789abcdef" * 2
    kept = ["m/model.json", ".lock", "m/.hidden", "zero-shot/a-0123"]
    gone = [f".zero-shot-{hexadecimal}/head", f"rounds/.part-0.parquet-{hexadecimal}", ".spill-x7_a/rows-1"]
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    atomic.clear([tmp_path])
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == sorted(kept)
    assert not (tmp_path / ".spill-x7_a").exists()


@pytest.mark.parametrize("write", [lambda d, s: Folder(d).publish(s, "m", "model.json"), lambda d, s: _table(d)])
def test_a_disk_that_is_really_full(small_disk: Path, tmp_path: Path, write: Callable[[str, Path], None]) -> None:
    source = model(tmp_path / "new", "w" * 8 * SIZE)
    with pytest.raises(OSError, match=f"No space left on device: '{small_disk}/(m/adapter/w|x)'"):
        write(str(small_disk), source)
    assert list(small_disk.iterdir()) == []
    assert shutil.disk_usage(small_disk).used < SIZE


def _table(disk: str) -> None:
    Folder(disk).write("x", os.urandom(8 * SIZE))


def test_object_store_through_a_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """memory:// stands for any store that fsspec speaks: publish copies, and fetch brings a copy back."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = Folder("memory://bucket/models")
    (folder / "m").write("left-by-a-broken-attempt", b"")
    source = tmp_path / "scratch"
    source.mkdir()
    (source / "w").write_text("weights")
    (source / "model.json").write_text("{}")
    folder.publish(source, "m", last="model.json")
    assert (folder / "m").names() == {"w", "model.json"}
    assert not folder.exists("m/none")
    assert (folder / "m").fetch("models").joinpath("w").read_text() == "weights"
    assert (folder / "m").fetch("models").joinpath("w").read_text() == "weights"
