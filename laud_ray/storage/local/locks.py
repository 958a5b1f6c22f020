"""Hold a local folder for one process at a time, also where somebody deletes the file of its lock."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from laud_ray.errors import RunError

# Long enough for `is_held` to let go.
WAIT_SECONDS, LOOK_SECONDS = 1.0, 0.05


@contextmanager
def held(folder: Path, name: str, busy: str) -> Iterator[None]:
    """Keep other processes out of a folder that exists, on this machine and on those that share its disk.

    Two locks are taken: that of the file `name`, which network file systems know, and that of the folder itself, which
    is still there after somebody has deleted the file.

    Raises:
        RunError: with `busy`, if another process holds the folder.
    """
    lock = FileLock(folder / name)
    try:
        lock.acquire(timeout=WAIT_SECONDS, poll_interval=LOOK_SECONDS)
    except Timeout:
        raise RunError(f"{folder}: {busy}") from None
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            if not _lock_folder(handle, WAIT_SECONDS):
                raise RunError(f"{folder}: {busy}")
            yield
        finally:
            os.close(handle)
    finally:
        lock.release()


def is_held(folder: Path, name: str) -> bool:
    """Whether a process holds the folder."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        if not _lock_folder(handle, 0):
            return True
    finally:
        os.close(handle)
    if not (folder / name).exists():
        return False
    lock = FileLock(folder / name)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:  # a place that only may be read: nobody writes there
        return False
    lock.release()
    return False


def _lock_folder(handle: int, patience: float) -> bool:
    """Lock an open folder until it is closed; False if another process has it."""
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(LOOK_SECONDS)
        except OSError:  # NFS, which cannot lock a folder: there the file's lock must do
            return True
        else:
            return True
