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

    pyarrow handles local paths, s3, gs and hdfs; fsspec handles every other scheme.

    Raises:
        StorageSettingsError: if an S3 URI or its settings are invalid, or no file system supports the scheme.
    """
    if "://" not in uri:
        return pafs.LocalFileSystem(), os.path.abspath(uri)
    if uri.startswith(object_store.SCHEMES):
        return object_store.connect(), object_store.split(uri)
    try:
        fs, path = pafs.FileSystem.from_uri(uri)
        return fs, str(path)
    except pa.ArrowInvalid:
        import fsspec  # slow to import, and needed for rare schemes only

        try:
            fs, path = fsspec.core.url_to_fs(uri)
        except (ValueError, ImportError) as error:
            raise StorageSettingsError(
                f"{masked(uri)}: {str(error).rstrip('.')}; expected a local path, or a URI such as s3://BUCKET/PREFIX"
            ) from None
        return pafs.PyFileSystem(pafs.FSSpecHandler(fs)), path


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a listing.

    Attributes:
        path: a local path or a URI; in `Folder.entries` relative to the folder.
        size: in bytes.
        modified: in nanoseconds since 1970; an object store may round it to seconds.
    """

    path: str
    size: int
    modified: int | None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, given by its path or URI.

    Names of files are relative to the folder and may hold slashes. A file appears whole or not at all: locally by an
    atomic rename after fsync; in an object store by a single PUT, or by a multipart upload, which becomes visible
    when it is complete.

    Every method raises StorageError if an object store refuses access, or still fails after some retries.

    Example:
        scores = Folder("s3://bucket/run") / "zero_shot"
        if "part-00000.parquet" in scores.names():
            table = scores.read_table("part-00000.parquet")
    """

    uri: str

    @staticmethod
    def of_file(path: str) -> "tuple[Folder, str]":
        """Return the folder of a file, and the file's name in it, from the file's path or URI."""
        folder, _, name = path.rpartition("/")
        return Folder(folder or ("/" if path.startswith("/") else ".")), name

    def __truediv__(self, name: str) -> "Folder":
        return Folder(f"{self.uri.rstrip('/')}/{name}")

    @property
    def local(self) -> Path | None:
        """The folder as a local path, or None when it is in an object store."""
        return None if "://" in self.uri else Path(self.uri)

    def absolute(self) -> "Folder":
        """Return the folder with an absolute path, for processes with another working directory."""
        return self if self.local is None else Folder(os.path.abspath(self.uri))

    def require(self) -> None:
        """Raise StorageError, within seconds, if the folder is in a bucket that is missing or cannot be reached."""
        object_store.require(self.uri)

    def exists(self, name: str) -> bool:
        fs, path = filesystem(self.uri)
        with explained(self.uri):
            return bool(fs.get_file_info(f"{path}/{name}").type != pafs.FileType.NotFound)

    def is_empty(self) -> bool:
        """Whether the folder holds no files and no folders, or does not exist."""
        fs, path = filesystem(self.uri)
        with explained(self.uri):
            return not fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))

    def names(self) -> set[str]:
        """Return the names of the files directly in the folder, without unfinished ones; empty if it does not exist."""
        return {entry.path for entry in self.entries()}

    def folders(self) -> set[str]:
        """Return the names of the folders directly in the folder; empty if it does not exist."""
        fs, path = filesystem(self.uri)
        with explained(self.uri):
            found = fs.get_file_info(pafs.FileSelector(path, allow_not_found=True))
        return {one.base_name for one in found if one.type == pafs.FileType.Directory}

    def entries(self, *, recursive: bool = False) -> list[Entry]:
        """Return the files of the folder, ordered by name, without hidden and unfinished ones.

        With `recursive`, files of folders within it are included; their paths hold slashes.
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
        """Return the rows of a Parquet file, after checking its checksum. The whole file is read for that.

        Raises:
            FileNotFoundError: if there is no such file.
            DamageError: if its checksum differs.
            pyarrow.ArrowInvalid: if it is not valid Parquet; the message names the file.
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
        # One call writes everything: if an error left the stream between two calls, closing it would commit a part.
        with explained(self.uri), fs.open_output_stream(f"{path}/{name}") as stream:
            stream.write(data)

    def write_table(self, name: str, table: pa.Table, *, dictionary: Sequence[str] | None = None) -> bytes:
        """Write a Parquet file with a checksum atomically, replacing one of that name; return its bytes.

        Args:
            name: the file's name.
            table: its rows.
            dictionary: the columns to encode with a dictionary, because their values repeat; None is all columns.
        """
        sink = pa.BufferOutputStream()
        coded = True if dictionary is None else list(dictionary)
        pq.write_table(table, sink, compression="zstd", use_dictionary=coded, write_page_checksum=True)
        data = checksums.seal_parquet(sink.getvalue().to_pybytes())
        self.write(name, data)
        return data

    def publish(self, source: Path, name: str, last: str) -> None:
        """Move a finished local folder to `name`, whole or not at all. The result survives a power failure.

        Args:
            source: the local folder, which is deleted afterwards.
            name: the name of the result within this folder.
            last: the file whose presence marks the result as complete; in an object store it is written last.

        Raises:
            OSError: if it cannot be written, for example because the disk is full; the error names the file.
        """
        if self.local is not None:
            atomic.publish(source, self.local / name)
            return
        # An interrupted attempt may have left files that this one does not overwrite.
        (self / name).remove()
        files = [p for p in source.rglob("*") if p.is_file()]
        for file in sorted(files, key=lambda p: p.name == last):
            (self / name).write(file.relative_to(source).as_posix(), file.read_bytes())
        shutil.rmtree(source)

    def fetch(self, cache: str) -> Path:
        """Return the path of this folder on the local disk; a folder in an object store is downloaded.

        The download's name contains a hash of the folder's contents, so a changed folder is downloaded again.

        Args:
            cache: the private folder that keeps downloads of this kind, such as "models".

        Raises:
            FileNotFoundError: if the folder holds no files.
            ScratchError: if the private folder cannot be used.
        """
        if self.local is not None:
            return self.local
        # Not fsspec's filecache, which copies file by file: a folder could hold files of two versions.
        fs, path = filesystem(self.uri)
        entries = self.entries(recursive=True)
        if not entries:
            raise FileNotFoundError(f"{self.uri}: is empty or does not exist; expected a folder with files")
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
            if not target.exists():  # if it exists, another process was faster
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
    """Return the ETag, which identifies a file's content in an object store; None if the store gives none."""
    with fs.open_input_stream(path) as stream:
        return (stream.metadata() or {}).get("ETag")
