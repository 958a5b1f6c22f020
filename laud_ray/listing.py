"""Find the files that a path, glob or URI names, on any file system."""

import re
from collections.abc import Iterator

import pyarrow.fs as pafs

from laud_ray.object_store import explained, require
from laud_ray.storage import Entry, filesystem

_MARKS = re.compile(r"[*?\[]")
_TOKEN = re.compile(r"\[!?[^\]]+\]|.", re.DOTALL)


def find_files(pattern: str) -> Iterator[tuple[pafs.FileSystem, str]]:
    """Yield the files of a file, folder, glob or URI, in the order of their paths.

    In a folder, what is in folders below it counts too, but no name that begins with a dot or underscore. In a glob
    * and ? stand for anything within a name that does not begin with a dot, ** for any folders.

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
    return fs, sorted((f for f in shown if f.type == pafs.FileType.File), key=lambda f: f.path)


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
    found: list[pafs.FileInfo] = fs.get_file_info(
        pafs.FileSelector(folder or "/", recursive=recursive, allow_not_found=True)
    )
    return found


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
