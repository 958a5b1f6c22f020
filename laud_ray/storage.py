"""Folders, local or in an object store: list, read, write atomically."""

import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq


def filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """Return the file system of a path or URI, and the path within it.

    pyarrow's own file systems come first (local, s3, gs, hdfs); any other scheme goes to fsspec.

    Raises:
        ValueError: if no file system knows the scheme.
    """
    if "://" not in uri:
        return pafs.LocalFileSystem(), os.path.abspath(uri)
    try:
        fs, path = pafs.FileSystem.from_uri(uri)
        return fs, str(path)
    except pa.ArrowInvalid:
        fs, path = fsspec.core.url_to_fs(uri)
        return pafs.PyFileSystem(pafs.FSSpecHandler(fs)), path


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder by its path or URI. A name may hold slashes; it is relative to the folder.

    A file appears whole or not at all: locally by an atomic rename after fsync, in an object store
    by a single PUT that becomes visible when it is complete.
    """

    uri: str

    def __truediv__(self, name: str) -> "Folder":
        return Folder(f"{self.uri.rstrip('/')}/{name}")

    @property
    def local(self) -> Path | None:
        """The folder as a local path, or None when it is in an object store."""
        return None if "://" in self.uri else Path(self.uri)

    def exists(self, name: str) -> bool:
        fs, path = filesystem(self.uri)
        return bool(fs.get_file_info(f"{path}/{name}").type != pafs.FileType.NotFound)

    def names(self) -> set[str]:
        """Names of the files directly in the folder, without those half-written; empty if there is none."""
        fs, path = filesystem(self.uri)
        found = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
        return {f.base_name for f in found if f.type == pafs.FileType.File and not f.base_name.startswith(".")}

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            FileNotFoundError: if there is no such file.
        """
        fs, path = filesystem(self.uri)
        with fs.open_input_stream(f"{path}/{name}") as stream:
            data: bytes = stream.read()
        return data

    def read_table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Return a Parquet file's rows.

        Raises:
            FileNotFoundError: if there is no such file.
            pyarrow.ArrowInvalid: if it is none that can be read; the message names it.
        """
        fs, path = filesystem(self.uri)
        with fs.open_input_file(f"{path}/{name}") as file:
            try:
                return pq.read_table(file, columns=columns, use_threads=False)
            except pa.ArrowException as error:
                raise pa.ArrowInvalid(f"{self.uri}/{name}: cannot be read: {error}") from None

    def write(self, name: str, data: bytes) -> None:
        """Write a file atomically, replacing one of that name."""
        if self.local is not None:
            _write_local(self.local / name, data)
            return
        fs, path = filesystem(self.uri)
        with fs.open_output_stream(f"{path}/{name}") as stream:
            stream.write(data)

    def write_table(self, name: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        self.write(name, sink.getvalue())

    def publish(self, source: Path, name: str, last: str) -> None:
        """Move a finished local folder to `name`; its file `last` marks that all of it is there."""
        if self.local is not None:
            target = self.local / name
            target.parent.mkdir(parents=True, exist_ok=True)
            staging = target.parent / f".{target.name}-{uuid.uuid4().hex}"
            shutil.move(source, staging)
            shutil.rmtree(target, ignore_errors=True)
            staging.rename(target)
            return
        files = [p for p in source.rglob("*") if p.is_file()]
        for file in sorted(files, key=lambda p: p.name == last):
            (self / name).write(str(file.relative_to(source)), file.read_bytes())
        shutil.rmtree(source)

    def fetch(self, cache: Path) -> Path:
        """Return a local copy of the folder: itself when it is local, else a download under `cache`."""
        if self.local is not None:
            return self.local
        fs, path = filesystem(self.uri)
        target = cache / path.strip("/").replace("/", "_")
        if not target.exists():
            staging = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
            staging.mkdir(parents=True)
            pafs.copy_files(path, str(staging), source_filesystem=fs, destination_filesystem=pafs.LocalFileSystem())
            if target.exists():  # another process was faster
                shutil.rmtree(staging)
            else:
                staging.rename(target)
        return target

    def delete(self, name: str) -> None:
        """Delete a file; nothing happens if there is none."""
        if self.exists(name):
            fs, path = filesystem(self.uri)
            fs.delete_file(f"{path}/{name}")

    def remove(self) -> None:
        """Delete the folder and all in it; nothing happens if there is none."""
        fs, path = filesystem(self.uri)
        if fs.get_file_info(path).type == pafs.FileType.Directory:
            fs.delete_dir(path)


def find_files(pattern: str) -> Iterator[tuple[pafs.FileSystem, str]]:
    """Yield the data files of a file, folder, glob or URI, in the order of their paths."""
    fs, path = filesystem(pattern)
    info = fs.get_file_info(path)
    if info.type == pafs.FileType.File:
        yield fs, path
        return
    if info.type == pafs.FileType.Directory:
        found = fs.get_file_info(pafs.FileSelector(path, recursive=True))
        names = [f.path for f in found if f.type == pafs.FileType.File]
        hidden = (n for n in names if not any(p.startswith((".", "_")) for p in n[len(path) :].split("/")))
        yield from ((fs, name) for name in sorted(hidden))
        return
    if any(mark in path for mark in "*?["):
        opened = fsspec.core.url_to_fs(pattern)[0]
        yield from ((fs, name) for name in sorted(opened.glob(path)))


def _write_local(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        with open(staging, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staging, path)
    finally:
        staging.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """Make a rename in the folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
