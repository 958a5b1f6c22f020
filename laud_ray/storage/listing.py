"""Find the files that a path, glob or URI names, on any file system."""

import os
import re
from collections.abc import Iterator

import pyarrow.fs as pafs

from laud_ray.storage.folder import Entry, filesystem
from laud_ray.storage.object_store import explained, require

_MARKS = re.compile(r"[*?\[]")
_TOKEN = re.compile(r"\[!?[^\]]+\]|.", re.DOTALL)


def find_files(pattern: str) -> Iterator[tuple[pafs.FileSystem, str]]:
    """Yield the files of a file, folder, glob or URI, in the order of their paths.

    In a folder, what is in folders below it counts too, but no name that begins with a dot or underscore. In a glob
    * and ? stand for anything within a name that does not begin with a dot, ** for any folders. A file that links lead
    to more than once is one file.

    Raises:
        StorageError: if an object store fails or refuses.
    """
    fs, found = _found(pattern)
    yield from ((fs, info.path) for info in found)


def list_inputs(pattern: str) -> list[Entry]:
    """List what `find_files` finds, with sizes and times, for a manifest; a path is local and absolute, or a URI.

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
    """Leave each local file once, under its own name rather than a link's; the order stays."""
    chosen: dict[tuple[int, int], pafs.FileInfo] = {}
    for one in files:
        try:
            state = os.stat(one.path)
        except OSError:  # gone meanwhile, which whoever opens it is told
            state = None
        key = (0, hash(one.path)) if state is None else (state.st_dev, state.st_ino)
        if key not in chosen or (_is_link(chosen[key]) and not _is_link(one)):
            chosen[key] = one
    return sorted(chosen.values(), key=lambda one: one.path)


def _is_link(one: pafs.FileInfo) -> bool:
    """Whether a link leads to a file, its own or that of a folder above."""
    return bool(os.path.realpath(one.path) != one.path)


def _matching(fs: pafs.FileSystem, folder: str, parts: list[str]) -> Iterator[pafs.FileInfo]:
    """Walk a glob part by part, so that only folders that match are listed."""
    part, rest = parts[0], parts[1:]
    if part == "**":
        below = _list(fs, folder, recursive=True)
        pattern = re.compile(_regex("/".join(rest or ["*"])))
        for info in below:
            if any(pattern.fullmatch(tail) for tail in _tails(info.path[len(folder) :].lstrip("/"))):
                yield info
        return
    pattern = re.compile(_regex(part))
    for info in _list(fs, folder, recursive=False):
        if pattern.fullmatch(info.path.rstrip("/").rsplit("/", 1)[-1]):
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
    """List a local folder and those below it, each once: those that links lead to last, under the link's name."""
    entered: set[tuple[int, int]] = set()
    folders, links = [folder], list[str]()
    while folders or links:
        place = folders.pop() if folders else links.pop(0)
        try:
            state = os.stat(place)
        except OSError:  # gone meanwhile, or a link that leads nowhere
            continue
        if (state.st_dev, state.st_ino) in entered:
            continue
        entered.add((state.st_dev, state.st_ino))
        for info in _list(fs, place, recursive=False):
            yield info
            if info.type == pafs.FileType.Directory:
                (links if os.path.islink(info.path.rstrip("/")) else folders).append(info.path)


def _tails(name: str) -> Iterator[str]:
    """ "a/b/c", "b/c" and "c"."""
    parts = name.split("/")
    yield from ("/".join(parts[i:]) for i in range(len(parts)))


def _regex(glob: str) -> str:
    """A glob as a regular expression: a mark stays within one name, and finds no hidden one at its beginning."""
    names = []
    for name in glob.split("/"):
        plain = "".join(map(_mark, _TOKEN.findall(name)))
        names.append(".*" if name == "**" else plain if name.startswith(".") else rf"(?!\.){plain}")
    return "/".join(names)


def _mark(token: str) -> str:
    if token in ("*", "?"):
        return "[^/]*" if token == "*" else "[^/]"
    if len(token) > 1:
        return f"[{'^' if token[1] == '!' else ''}{re.escape(token[1:-1].lstrip('!')).replace(chr(92) + '-', '-')}]"
    return re.escape(token)
