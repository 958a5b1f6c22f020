"""Folders, local or in an object store: list, read, write atomically."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from laud_ray.errors import StorageSettingsError
from laud_ray.storage import checksums, object_store
from laud_ray.storage.credentials import masked
from laud_ray.storage.local import atomic, scratch
from laud_ray.storage.object_store import explained


def filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """Return the file system of a path or URI, and the path within it.

    pyarrow's own file systems come first (local, s3, gs, hdfs); any other scheme goes to fsspec.

    Raises:
        StorageSettingsError: if an S3 URI or the settings for it are wrong, or no file system knows the scheme.
    """
    if "://" not in uri:
        return pafs.LocalFileSystem(), os.path.abspath(uri)
    if uri.startswith(object_store.SCHEMES):
        return object_store.connect(), object_store.split(uri)
    try:
        fs, path = pafs.FileSystem.from_uri(uri)
        return fs, str(path)
    except pa.ArrowInvalid:
        import fsspec  # takes long, and is for rare schemes

        try:
            fs, path = fsspec.core.url_to_fs(uri)
        except (ValueError, ImportError) as error:
            raise StorageSettingsError(
                f"{masked(uri)}: {str(error).rstrip('.')}; expected a local path, or a URI such as s3://BUCKET/PREFIX"
            ) from None
        return pafs.PyFileSystem(pafs.FSSpecHandler(fs)), path


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, as a manifest of inputs names it.

    Attributes:
        path: a local path or a URI; in `Folder.entries` relative to the folder.
        size: bytes.
        modified: nanoseconds since 1970; an object store may know only the second.
    """

    path: str
    size: int
    modified: int | None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder by its path or URI. A name may hold slashes; it is relative to the folder.

    A file appears whole or not at all: locally by an atomic rename after fsync, in an object store by a single PUT,
    or an upload in parts, that becomes visible when it is complete.

    Every method raises StorageError where an object store fails or refuses, after some tries.
    """

    uri: str

    def __truediv__(self, name: str) -> "Folder":
        return Folder(f"{self.uri.rstrip('/')}/{name}")

    @property
    def local(self) -> Path | None:
        """The folder as a local path, or None when it is in an object store."""
        return None if "://" in self.uri else Path(self.uri)

    def absolute(self) -> "Folder":
        """The same folder, for a process that works elsewhere."""
        return self if self.local is None else Folder(os.path.abspath(self.uri))

    def require(self) -> None:
        """Raise StorageError, within seconds, if the folder is in a bucket that is missing or cannot be reached."""
        object_store.require(self.uri)

    def exists(self, name: str) -> bool:
        fs, path = filesystem(self.uri)
        with explained(self.uri):
            return bool(fs.get_file_info(f"{path}/{name}").type != pafs.FileType.NotFound)

    def is_empty(self) -> bool:
        """Whether there is neither a file nor a folder in it, or no such folder at all."""
        fs, path = filesystem(self.uri)
        with explained(self.uri):
            return not fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))

    def names(self) -> set[str]:
        """Names of the files directly in the folder, without those half-written; empty if there is none."""
        return {entry.path for entry in self.entries()}

    def folders(self) -> set[str]:
        """Names of the folders directly in the folder; empty if there is none."""
        fs, path = filesystem(self.uri)
        with explained(self.uri):
            found = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
        return {one.base_name for one in found if one.type == pafs.FileType.Directory}

    def entries(self, *, recursive: bool = False) -> list[Entry]:
        """The files of the folder in the order of their names, without hidden and half-written ones.

        With `recursive` those of the folders in it too; then a name holds slashes.
        """
        fs, path = filesystem(self.uri)
        with explained(self.uri):
            found = fs.get_file_info(pafs.FileSelector(path, recursive=recursive, allow_not_found=True))
        start = len(path.rstrip("/")) + 1
        files = [Entry(f.path[start:], f.size, f.mtime_ns) for f in found if f.type == pafs.FileType.File]
        return sorted((f for f in files if not any(p.startswith(".") for p in f.path.split("/"))), key=lambda f: f.path)

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            FileNotFoundError: if there is no such file.
        """
        fs, path = filesystem(self.uri)

        def whole() -> bytes:
            with fs.open_input_stream(f"{path}/{name}") as stream:
                data: bytes = stream.read()
            return data

        return object_store.read(self.uri, whole)

    def read_table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Return a Parquet file's rows, once its checksum has been checked, for which all of it is read.

        Raises:
            FileNotFoundError: if there is no such file.
            DamageError: if it is not what was written.
            pyarrow.ArrowInvalid: if it cannot be read; the message names it.
        """
        data = self.read(name)
        checksums.check_parquet(data, f"{self.uri}/{name}")
        try:
            return pq.read_table(pa.BufferReader(data), columns=columns, use_threads=False)
        except pa.ArrowException as error:
            raise pa.ArrowInvalid(f"{self.uri}/{name}: cannot be read: {error}") from None

    def write(self, name: str, data: bytes) -> None:
        """Write a file atomically, replacing one of that name."""
        if self.local is not None:
            atomic.write(self.local / name, data)
            return
        fs, path = filesystem(self.uri)
        # All in one call: a stream that is left by an error would be closed, and so completed, half-written.
        with explained(self.uri), fs.open_output_stream(f"{path}/{name}") as stream:
            stream.write(data)

    def write_table(self, name: str, table: pa.Table, *, dictionary: Sequence[str] | None = None) -> bytes:
        """Write rows as a Parquet file with checksums, atomically; return its bytes.

        Args:
            dictionary: the columns whose values repeat, and are written by a dictionary; None: all of them.
        """
        sink = pa.BufferOutputStream()
        coded = True if dictionary is None else list(dictionary)
        pq.write_table(table, sink, compression="zstd", use_dictionary=coded, write_page_checksum=True)
        data = checksums.seal_parquet(sink.getvalue().to_pybytes())
        self.write(name, data)
        return data

    def publish(self, source: Path, name: str, last: str) -> None:
        """Move a finished local folder to `name`, whole or not at all, so that it survives a power cut.

        Args:
            last: the file that marks that all of it is there; in an object store it is written last.

        Raises:
            OSError: if it cannot be written, for example because the disk is full; the error names the file.
        """
        if self.local is not None:
            atomic.publish(source, self.local / name)
            return
        # An attempt that was broken off may have left files that this one does not replace.
        (self / name).remove()
        files = [p for p in source.rglob("*") if p.is_file()]
        for file in sorted(files, key=lambda p: p.name == last):
            (self / name).write(file.relative_to(source).as_posix(), file.read_bytes())
        shutil.rmtree(source)

    def fetch(self, cache: str) -> Path:
        """Return a local copy of the folder: itself when it is local, else a download.

        The copy's name depends on what is in the folder, so one that was written anew is downloaded anew.

        Args:
            cache: the private folder that downloads of this kind are kept in, such as "models".

        Raises:
            FileNotFoundError: if there is nothing to download.
            ScratchError: if the private folder cannot be used.
        """
        if self.local is not None:
            return self.local
        fs, path = filesystem(self.uri)
        entries = self.entries(recursive=True)
        if not entries:
            raise FileNotFoundError(f"{self.uri}: nothing is there; expected a folder with files")
        with explained(self.uri):
            state = [(entry, _etag(fs, f"{path}/{entry.path}")) for entry in entries]
        content = hashlib.sha256(repr((self.uri, state)).encode()).hexdigest()[:16]
        entry = scratch.private_folder(cache) / f"{path.rsplit('/', 1)[-1]}-{content}"
        target = entry / path.rsplit("/", 1)[-1]
        scratch.hold(entry)
        if not target.exists():
            self._download([one.path for one in entries], target)
        return target

    def _download(self, names: Sequence[str], target: Path) -> None:
        """Copy files of the folder to a local one, which appears whole or not at all."""
        staging = target.parent / f".{uuid.uuid4().hex}"
        try:
            for name in names:
                copy = staging / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                self._copy(name, copy)
            if not target.exists():
                staging.rename(target)
        except OSError:
            if not target.exists():  # else another process was faster
                raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _copy(self, name: str, to: Path) -> None:
        fs, path = filesystem(self.uri)
        local = pafs.LocalFileSystem()
        object_store.read(self.uri, lambda: pafs.copy_files(f"{path}/{name}", str(to), fs, local))

    def delete(self, name: str) -> None:
        """Delete a file; nothing happens if there is none."""
        if self.exists(name):
            fs, path = filesystem(self.uri)
            with explained(self.uri):
                fs.delete_file(f"{path}/{name}")

    def remove(self) -> None:
        """Delete the folder and all in it; nothing happens if there is none."""
        if self.local is not None:
            atomic.remove(self.local)
            return
        fs, path = filesystem(self.uri)
        with explained(self.uri):
            if fs.get_file_info(path).type == pafs.FileType.Directory:
                fs.delete_dir(path)


def _etag(fs: pafs.FileSystem, path: str) -> bytes | None:
    """What a store calls a file's content; None where it has no word for it."""
    with fs.open_input_stream(path) as stream:
        return (stream.metadata() or {}).get("ETag")
