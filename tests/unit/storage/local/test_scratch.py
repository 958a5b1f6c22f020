"""Private folders: one's own, checked, and kept small."""

import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from laud_ray.errors import ScratchError
from laud_ray.storage.local import scratch
from laud_ray.storage.local.scratch import private_folder, tidy

DAY = 86_400


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def entry(folder: Path, name: str, *, days: float = 0.0, size: int = 10) -> Path:
    """Make an entry of the folder that was last used so many days ago."""
    made = folder / name
    made.mkdir()
    (made / "w").write_bytes(bytes(size))
    os.utime(made, (time.time() - days * DAY,) * 2)
    return made


def test_a_folder_for_this_user_alone(place: Path) -> None:
    for _ in range(2):
        folder = private_folder("models")
        assert folder == place / f"laud-{os.getuid()}" / "models"
        assert [(p.stat().st_mode & 0o777, p.stat().st_uid) for p in (folder.parent, folder)] == [
            (0o700, os.getuid())
        ] * 2
        # Made by an earlier version, or under another umask.
        folder.chmod(0o755)


def test_tmpdir_says_where(tmp_path: Path) -> None:
    code = "from laud_ray.storage.local.scratch import private_folder; print(private_folder('models'))"
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True
    )
    assert ran.stdout == f"{tmp_path}/laud-{os.getuid()}/models\n"


@pytest.mark.parametrize("below", [".", "models"])
@pytest.mark.parametrize("kind", ["link", "file", "others"])
def test_what_somebody_else_made_first_is_refused(
    place: Path, kind: str, below: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = place / f"laud-{os.getuid()}" / below
    found.parent.mkdir(exist_ok=True)
    if kind == "link":
        (place / "elsewhere").mkdir()
        Path(os.path.normpath(found)).symlink_to(place / "elsewhere")
    elif kind == "file":
        Path(os.path.normpath(found)).write_text("")
    elif os.getuid():
        pytest.skip("only root may give a folder away")
    else:
        found.mkdir()
        os.chown(found, 12345, 12345)
    what = "belongs to another user" if kind == "others" else "is not a folder"
    expected = (
        f"{os.path.normpath(found)}: {what}; expected a folder that belongs to this user: remove it, or set TMPDIR"
    )
    with pytest.raises(ScratchError, match=f"^{re.escape(expected)}$"):
        private_folder("models")
    assert not list((place / "elsewhere").iterdir()) if kind == "link" else True


def test_no_temporary_directory_is_one_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place / "none"))
    with pytest.raises(ScratchError, match=r"none/laud-[0-9]+: No such file or directory; expected a writable folder"):
        private_folder("models")


def test_what_is_old_or_too_much_is_removed_and_the_latest_stays(place: Path) -> None:
    folder = private_folder("models")
    for name, days in (("a", 0.0), ("b", 1.0), ("c", 2.0), ("d", 8.0)):
        entry(folder, name, days=days, size=100_000)
    (folder / "stray").write_text("")
    os.utime(folder / "stray", (time.time() - 9 * DAY,) * 2)
    tidy(folder)
    assert {p.name for p in folder.iterdir()} == {"a", "b", "c"}
    tidy(folder, most=220_000)
    assert {p.name for p in folder.iterdir()} == {"a", "b"}
    tidy(folder, most=0)
    assert list(folder.iterdir()) == []


def test_what_a_process_uses_stays(place: Path) -> None:
    folder = private_folder("models")
    used, free = entry(folder, "used", days=30), entry(folder, "free", days=30)
    handle = os.open(used, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    tidy(folder)
    assert (used / "w").exists()
    assert not free.exists()
    os.close(handle)
    tidy(folder)
    assert not used.exists()


def test_a_folder_that_is_held_lives_as_long_as_its_process(place: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from laud_ray.storage.local.scratch import hold, new; "
        "hold(Path(sys.argv[1])); print(new('fit'), flush=True); sys.stdin.read(); os._exit(9)"
    )
    kept = private_folder("models") / "m"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(kept)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(place)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    work = Path(process.stdout.readline().strip())
    for one in (kept, work):
        os.utime(one, (time.time() - 30 * DAY,) * 2)
        tidy(one.parent)
        assert one.is_dir()
    process.stdin.close()
    assert process.wait() == 9
    process.stdout.close()
    for one in (kept, work):
        tidy(one.parent)
        assert not one.exists()


def test_a_temporary_folder_ends_with_its_use(place: Path) -> None:
    with scratch.temporary("fit") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "w").write_text("")
        tidy(folder.parent, days=0.0, most=0)
        assert (folder / "w").exists()
    assert list(private_folder("work").iterdir()) == []
