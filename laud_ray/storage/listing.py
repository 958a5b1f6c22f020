"""Find the files that a path, glob or URI matches, on any file system."""

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

import pyarrow.fs as pafs

from laud_ray.storage.folder import Entry, filesystem
from laud_ray.storage.object_store import explained, require

_MARKS = re.compile(r"[*?\[]")


def find_files(pattern: str) -> Iterator[tuple[pafs.FileSystem, str]]:
    """Yield the files that a path of a file or folder, a glob or a URI matches, ordered by path.

    A folder includes its subfolders, but no name that begins with a dot or an underscore. In a glob, * and ? match
    within one name and no leading dot; ** matches any number of folders. A local file that symbolic links lead to
    more than once is yielded once.

    Example:
        find_files("data/2024-*/part-?.parquet")

    Raises:
        StorageError: if an object store fails or refuses.
    """
    fs, found = _found(pattern)
    yield from ((fs, info.path) for info in found)


def list_inputs(pattern: str) -> list[Entry]:
    """Return the files that `find_files` finds, with sizes and times. A path is absolute if local, else a URI.

    Raises:
        StorageError: if an object store fails or refuses.
    """
    scheme = f"{pattern.partition('://')[0]}://" if "://" in pattern else ""
    return [Entry(f"{scheme}{info.path}", info.size, info.mtime_ns) for info in _found(pattern)[1]]


def _found(pattern: str) -> tuple[pafs.FileSystem, list[pafs.FileInfo]]:
    fs, path = filesystem(pattern)
    with explained(pattern):
        info = fs.get_file_info(path)
        if info.type == pafs.FileType.File:
            return fs, [info]
        if info.type == pafs.FileType.Directory:
            files = _list(fs, path, recursive=True)
            shown = [f for f in files if not re.search(r"/[._]", f.path[len(path.rstrip("/")) :])]
        elif _MARKS.search(path):
            start, _, first = path[: _MARKS.search(path).start()].rpartition("/")  # type: ignore[union-attr]
            shown = list(_matching(fs, start, (first + path[len(start) + 1 + len(first) :]).split("/")))
        else:
            shown = []
        if not shown:
            require(pattern)
    found = sorted((f for f in shown if f.type == pafs.FileType.File), key=lambda f: f.path)
    return fs, _once(found) if isinstance(fs, pafs.LocalFileSystem) else found


def _once(files: list[pafs.FileInfo]) -> list[pafs.FileInfo]:
    """Remove duplicates of a local file that arise from links; prefer its own path to a link's. Keep the order."""
    chosen: dict[tuple[int, int], pafs.FileInfo] = {}
    for one in files:
        try:
            state = os.stat(one.path)
        except OSError:  # deleted in the meantime; opening it reports that
            state = None
        key = (0, hash(one.path)) if state is None else (state.st_dev, state.st_ino)
        if key not in chosen or (_is_link(chosen[key]) and not _is_link(one)):
            chosen[key] = one
    return sorted(chosen.values(), key=lambda one: one.path)


def _is_link(one: pafs.FileInfo) -> bool:
    """Whether the file, or a folder above it, is a symbolic link."""
    return bool(os.path.realpath(one.path) != one.path)


def _matching(fs: pafs.FileSystem, folder: str, parts: Sequence[str]) -> Iterator[pafs.FileInfo]:
    """Match a glob folder by folder, so that only matching folders are listed.

    fsspec's glob lists everything below the first wildcard: it takes 25 times as long where 10 of 300 folders match.
    """
    part, rest = parts[0], parts[1:]
    if part == "**":
        for info in _list(fs, folder, recursive=True):
            if _fits(info.path[len(folder) :].strip("/").split("/"), parts):
                yield info
        return
    for info in _list(fs, folder, recursive=False):
        if _fits([info.path.rstrip("/").rsplit("/", 1)[-1]], [part]):
            if not rest:
                yield info
            elif info.type == pafs.FileType.Directory:
                yield from _matching(fs, info.path, rest)


def _list(fs: pafs.FileSystem, folder: str, *, recursive: bool) -> list[pafs.FileInfo]:
    if recursive and isinstance(fs, pafs.LocalFileSystem):
        return list(_walk(fs, folder or "/"))
    found: list[pafs.FileInfo] = fs.get_file_info(
        pafs.FileSelector(folder or "/", recursive=recursive, allow_not_found=True)
    )
    return found


def _walk(fs: pafs.FileSystem, folder: str) -> Iterator[pafs.FileInfo]:
    """Yield the entries of a local folder and its subfolders, each folder once.

    Symbolic links to folders are followed last, so that a folder is listed under its own path if it has one here.
    """
    entered: set[tuple[int, int]] = set()
    folders, links = [folder], list[str]()
    while folders or links:
        place = folders.pop() if folders else links.pop(0)
        try:
            state = os.stat(place)
        except OSError:  # deleted in the meantime, or a broken link
            continue
        if (state.st_dev, state.st_ino) in entered:
            continue
        entered.add((state.st_dev, state.st_ino))
        for info in _list(fs, place, recursive=False):
            yield info
            if info.type == pafs.FileType.Directory:
                (links if os.path.islink(info.path.rstrip("/")) else folders).append(info.path)


def _fits(names: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether a path below a folder matches a glob. A wildcard matches within one name, and no leading dot."""
    if not parts:
        return not names
    if parts[0] == "**":
        return any(_fits(names[start:], parts[1:] or ["*"]) for start in range(len(names)))
    if not names or (names[0].startswith(".") and not parts[0].startswith(".")):
        return False
    return fnmatchcase(names[0], parts[0]) and _fits(names[1:], parts[1:])
