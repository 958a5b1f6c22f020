"""Write local files and folders atomically: whole or not at all, even after a kill, a power failure or a full disk."""

import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

# The name of an unfinished file or folder: a dot, the final name, and a random number.
_STAGING = re.compile(r"\.(.+-[0-9a-f]{32}|spill-\w+)")


def write(path: Path, data: bytes) -> None:
    """Write a file, replacing one of that name, and sync it and its folder.

    Raises:
        OSError: if it cannot be written; the error names the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = _staging(path)
    try:
        with _naming(path), open(staging, "wb") as file:
            file.write(data)
            _sync(file)
            os.replace(staging, path)
    finally:
        staging.unlink(missing_ok=True)
    with _naming(path):
        _sync_folder(path.parent)


def publish(source: Path, target: Path) -> None:
    """Move a folder to `target`, which may be on another disk; replace what is there, and sync everything.

    Raises:
        OSError: if it cannot be written; the error names the file, and nothing remains at the target.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = _staging(target)
    try:
        _copy(source, staging, target)
        shutil.rmtree(target, ignore_errors=True)
        with _naming(target):
            staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    with _naming(target):
        _sync_folder(target.parent)
    shutil.rmtree(source, ignore_errors=True)


def remove(folder: Path) -> None:
    """Delete a folder with its contents; do nothing if it does not exist.

    The folder is renamed first, so that nothing remains under its name if the process is killed.

    Raises:
        OSError: if something in it cannot be deleted.
    """
    if folder.is_symlink():  # to another disk: keep the folder there, and delete its contents
        for one in folder.iterdir():
            remove(one) if one.is_dir() else one.unlink()
        return
    staging = _staging(folder)
    with suppress(FileNotFoundError):
        folder.rename(staging)
        shutil.rmtree(staging)


def clear(folders: Iterable[Path], *, beside: Path | None = None) -> None:
    """Delete the unfinished files and folders of killed processes.

    Args:
        folders: folders that no other process writes to now; their subfolders are included.
        beside: a folder in which only unfinished folders directly in it are deleted, as other processes may be
            writing files there.
    """
    for one in [] if beside is None else list(beside.iterdir()):
        if _STAGING.fullmatch(one.name) and one.is_dir():
            shutil.rmtree(one, ignore_errors=True)
    for folder in folders:
        for parent, inner, files in os.walk(folder):
            for name in [one for one in inner if _STAGING.fullmatch(one)]:
                shutil.rmtree(Path(parent, name), ignore_errors=True)
                inner.remove(name)
            for name in filter(_STAGING.fullmatch, files):
                Path(parent, name).unlink(missing_ok=True)


def _copy(source: Path, staging: Path, target: Path) -> None:
    """Copy a folder and sync it, the deepest subfolders first."""
    for parent, _, files in os.walk(source, topdown=False):
        within = Path(parent).relative_to(source)
        with _naming(target / within):
            (staging / within).mkdir(parents=True, exist_ok=True)
        for name in files:
            from_to = Path(parent, name), staging / within / name
            with _naming(target / within / name), open(from_to[0], "rb") as old, open(from_to[1], "wb") as new:
                shutil.copyfileobj(old, new, 2**20)
                _sync(new)
        with _naming(target / within):
            _sync_folder(staging / within)


def _staging(path: Path) -> Path:
    return path.with_name(f".{path.name}-{uuid.uuid4().hex}")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Make an OSError name the file that was to be written; an error of write(), as for a full disk, names none."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Make a rename in the folder survive a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
