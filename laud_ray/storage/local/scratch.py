"""Keep downloads and temporary files in a private folder of this user, under the temporary directory.

The temporary directory is TMPDIR, or else the system's. Other users can write there too, so a folder is used only
after checking that it belongs to this user and nobody else can write to it.
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

# Unused entries are removed after DAYS days. Beyond MOST bytes in all, the oldest unused entries are removed.
DAYS, MOST = 7.0, 20 * 2**30
# File handles whose shared locks mark the entries that this process uses. The locks end with the process.
_held: dict[Path, int] = {}


def private_folder(name: str) -> Path:
    """Return the folder TMPDIR/laud-UID/NAME, which only this user can read and write; create it if necessary.

    Example:
        private_folder("models") is Path("/tmp/laud-1000/models").

    Raises:
        ScratchError: if it belongs to another user or is a link, or the temporary directory is not writable.
    """
    try:
        root = Path(tempfile.gettempdir()) / f"laud-{os.getuid()}"
        make_private(root)
        make_private(root / name)
    except OSError as error:
        where = error.filename or "the temporary directory"
        raise ScratchError(
            f"{where}: {error.strerror or error}; expected a writable folder: set TMPDIR to one"
        ) from None
    return root / name


def hold(entry: Path) -> None:
    """Create an entry of a private folder if necessary, and lock it against removal while this process runs.

    Old entries beside it are removed.
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
    """Yield a new private folder and remove it at the end; if this process is killed, a later one removes it."""
    folder = new(name)
    try:
        yield folder
    finally:
        os.close(_held.pop(folder))
        shutil.rmtree(folder, ignore_errors=True)


def new(name: str) -> Path:
    """Create a private folder, which the caller removes, or a later process once this one has ended."""
    folder = private_folder("work") / f"{name}-{uuid.uuid4().hex}"
    hold(folder)
    return folder


def tidy(folder: Path, *, days: float = DAYS, most: int = MOST) -> None:
    """Remove entries of a private folder that no process uses.

    Args:
        folder: the private folder.
        days: entries that were not used for longer are removed.
        most: if the entries take more bytes than this, the oldest are removed.
    """
    size = 0
    for used, entry in sorted(_entries(folder), reverse=True):
        size += _size(entry)
        if time.time() - used > days * 86_400 or size > most:
            _remove_unless_held(entry)


def _remove_unless_held(entry: Path) -> None:
    with suppress(OSError):  # another process uses it, or has removed it
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
    """Create a folder that only this user can read and write, or check an existing one.

    Raises:
        ScratchError: if it belongs to another user or is a link.
        OSError: if it cannot be created.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        what = "belongs to another user" if stat.S_ISDIR(found.st_mode) else "is not a folder"
        raise ScratchError(f"{folder}: {what}; expected a folder that belongs to this user: remove it, or set TMPDIR")
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
