"""Private folders for what can be made again: each user has one under the temporary directory, kept small.

The temporary directory is TMPDIR, or else the system's. Other users of a machine can write there too, so nothing in it
is trusted until it is known to be this user's alone.
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from laud_ray.errors import ScratchError

# What no process uses is removed after so many days; and the oldest of it, where all together takes more bytes.
DAYS, MOST = 7.0, 20 * 2**30
# Locks that say that this process uses an entry, by its path. They end with the process, however it ends.
_held: dict[Path, int] = {}


def private_folder(name: str) -> Path:
    """Return the folder TMPDIR/laud-UID/NAME, made if it is not there, that only this user can read and write.

    Example:
        private_folder("models") is Path("/tmp/laud-1000/models").

    Raises:
        ScratchError: if it is another user's or a link, or no temporary directory can be written.
    """
    try:
        root = Path(tempfile.gettempdir()) / f"laud-{os.getuid()}"
        make_private(root)
        make_private(root / name)
    except OSError as error:
        where = error.filename or "the temporary directory"
        raise ScratchError(
            f"{where}: {error.strerror or error}; expected a folder that can be written: set TMPDIR to one"
        ) from None
    return root / name


def hold(entry: Path) -> None:
    """Make a folder within a private one, if it is not there, and keep it while this process runs.

    Old ones beside it are removed.
    """
    while entry not in _held:
        entry.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(entry, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_SH)
        if entry.exists() and os.path.samestat(os.fstat(handle), os.stat(entry)):
            _held[entry] = handle
        else:  # another process has just removed it
            os.close(handle)
    os.utime(entry)
    tidy(entry.parent)


@contextmanager
def temporary(name: str) -> Iterator[Path]:
    """Yield a new private folder that is removed at the end, or by a later call if this process is killed."""
    folder = new(name)
    try:
        yield folder
    finally:
        os.close(_held.pop(folder))
        shutil.rmtree(folder, ignore_errors=True)


def new(name: str) -> Path:
    """Make a private folder that somebody else removes, or a later process when this one is gone."""
    folder = private_folder("work") / f"{name}-{uuid.uuid4().hex}"
    hold(folder)
    return folder


def tidy(folder: Path, *, days: float = DAYS, most: int = MOST) -> None:
    """Remove entries of a private folder that no process holds: those not used for so many days, and the oldest ones
    where all together takes more than `most` bytes.
    """
    size = 0
    for used, entry in sorted(_entries(folder), reverse=True):
        size += _size(entry)
        if time.time() - used > days * 86_400 or size > most:
            _remove_unless_held(entry)


def _remove_unless_held(entry: Path) -> None:
    with suppress(OSError):  # another process holds it, or was faster
        handle = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()
        finally:
            os.close(handle)


def make_private(folder: Path) -> None:
    """Make a folder that only this user can read and write, or find that it is one.

    Raises:
        ScratchError: if it is another user's or a link.
        OSError: if it cannot be made.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        what = "belongs to another user" if stat.S_ISDIR(found.st_mode) else "is no folder"
        raise ScratchError(f"{folder}: {what}; expected a folder of this user's own: remove it, or set TMPDIR")
    if found.st_mode & 0o077:
        folder.chmod(0o700)


def _entries(folder: Path) -> Iterator[tuple[float, Path]]:
    for entry in folder.iterdir():
        with suppress(OSError):  # another process removed it
            yield entry.lstat().st_mtime, entry


def _size(entry: Path) -> int:
    total = 0
    for file in [entry, *entry.rglob("*")]:
        with suppress(OSError):
            total += file.lstat().st_size
    return total
