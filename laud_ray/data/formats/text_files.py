"""Open a text file as a stream of UTF-8, whether or not it is gzipped, and whatever its encoding."""

import re
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace

import pyarrow as pa

from laud_ray.data.formats.dialect import Found
from laud_ray.data.seen import Seen
from laud_ray.errors import CorpusError
from laud_ray.storage import charset
from laud_ray.storage.charset import HEAD, UTF8, Peeked, Recoded, Stream, peek
from laud_ray.storage.file_kind import kind_of
from laud_ray.storage.folder import filesystem
from laud_ray.storage.text_reading import AS_FOUND, Reading

_SEP, _SEP_LINE = re.compile(rb'"?sep=([\x01-\x7f])"?[ \t,;]*(?:\r\n|\n|\r)', re.IGNORECASE), 64


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text file in UTF-8 that consists of complete rows.

    Attributes:
        start: offset of its first byte.
        end: offset after its last byte.
        found: the dialect of delimited text, or the settings of JSON lines.
    """

    start: int
    end: int
    found: Found | Reading


def opened(
    file: str, reading: Reading = AS_FOUND, seen: Seen | None = None, end: int | None = None
) -> "AbstractContextManager[Text]":
    """Open a text file, decompressed, as a stream of UTF-8. With `end`, only the bytes before that offset are read."""
    return closing(Text(file, reading, Seen() if seen is None else seen, end))


def section(file: str, piece: Piece) -> "AbstractContextManager[Section]":
    """Open a piece of a text file as a stream."""
    return closing(Section(file, piece.start, piece.end))


def unpacked(file: str) -> pa.NativeFile:
    fs, path = filesystem(file)
    return fs.open_input_stream(path, compression="gzip" if file.lower().endswith(".gz") else None)


def is_empty(file: str) -> bool:
    fs, path = filesystem(file)
    return bool(fs.get_file_info(path).size == 0)


class Section:
    """The bytes of a file from `start` to before `end`, as a stream."""

    def __init__(self, file: str, start: int, end: int) -> None:
        fs, path = filesystem(file)
        self._file, self._left = fs.open_input_file(path), end - start
        self._file.seek(start)

    def read(self, n: int) -> bytes:
        data: bytes = self._file.read(min(n, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()


class Text:
    """A text file as a stream of UTF-8.

    Attributes:
        encoding: from a byte order mark, else stated by the user, else detected.
        delimiter: from a first line such as `sep=;`, which Excel writes and which is skipped; None if there is none.
    """

    def __init__(self, file: str, reading: Reading, seen: Seen, end: int | None = None) -> None:
        self._opened = unpacked(file) if end is None else Section(file, 0, end)
        head = peek(self._opened, HEAD)
        if (kind := kind_of(head)) is not None:
            self._opened.close()
            raise CorpusError(f"{file}: is {kind}; expected text, as the ending of its name says")
        marked, stated = charset.marked(head), reading.encoding
        self.encoding = marked or stated or charset.detect(head)
        if stated is not None and marked is not None and not stated.startswith(marked):
            seen.note(f"{file}: has the byte order mark of {marked}, and is read as {marked} instead of {stated}")
        elif stated not in (None, UTF8) and not head.isascii() and charset.fits(head, UTF8, final=False):
            seen.note(f"{file}: is read as {stated}, as stated, although it is valid {UTF8}")
        elif stated is None and self.encoding != UTF8:
            seen.note(f"{file}: is read as {self.encoding}")
        stream: Stream = Recoded(Peeked(head, self._opened.read), self.encoding)
        start = peek(stream, _SEP_LINE)
        said = _SEP.match(start)
        self.delimiter = said[1].decode() if said else None
        self._stream: Stream = Peeked(start[said.end() :] if said else start, stream.read)

    def stated(self, reading: Reading) -> Reading:
        """Return the settings with the delimiter of the file's own `sep=` line, if the user stated none."""
        return replace(reading, delimiter=self.delimiter) if reading.delimiter is None and self.delimiter else reading

    def read(self, n: int) -> bytes:
        return self._stream.read(n)

    def close(self) -> None:
        self._opened.close()
