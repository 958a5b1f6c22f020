"""Lock a local folder for one process, in a way that survives the deletion of its lock file."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from laud_ray.errors import RunError

# How long `held` waits, in steps of POLL_SECONDS: long enough for an `is_held` elsewhere to release the lock again.
WAIT_SECONDS, POLL_SECONDS = 1.0, 0.05


@contextmanager
def held(folder: Path, name: str, busy: str) -> Iterator[None]:
    """Lock an existing folder against other processes, on this machine and on others that share its disk.

    Two locks are taken: one on the file `name`, which network file systems support; and one on the folder itself,
    which remains if somebody deletes the file.

    Args:
        folder: the folder.
        name: the name of the lock file in it.
        busy: the message of the error if another process has the lock.

    Raises:
        RunError: if another process has the lock.
    """
    lock = FileLock(folder / name)
    try:
        lock.acquire(timeout=WAIT_SECONDS, poll_interval=POLL_SECONDS)
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
    """Whether a process has locked the folder with `held`."""
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
    except OSError:  # a read-only place, where no process can hold a lock
        return False
    lock.release()
    return False


def _lock_folder(handle: int, timeout: float) -> bool:
    """Lock an open folder until it is closed; return False if another process keeps the lock for `timeout` seconds."""
    until = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_SECONDS)
        except OSError:  # NFS cannot lock a folder; the lock on the file must suffice there
            return True
        else:
            return True
