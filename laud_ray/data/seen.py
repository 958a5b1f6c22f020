"""Collect facts and remarks while files are read: their settings, skipped files, and notes for people."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from laud_ray.printable import printable
from laud_ray.storage.charset import UTF8, suggestion
from laud_ray.storage.text_reading import Reading

_FEW = 5
# Bytes of invalid cells that are kept to guess their encoding.
_SAMPLE = 20_000


@dataclass(slots=True)
class Seen:
    """Facts about files that are being read; complete after the last row and `finish`.

    Attributes:
        readings: file -> the settings it was read with, for delimited text and JSON lines.
        rows: file -> its rows, for files read to the end.
        passed_over: files that were skipped because of their extension.
        empty: files without rows.
        keys: file -> its keys, for JSON lines that are read in pieces.
        not_text: file -> its rows with bytes that are invalid in its encoding.
        notes: remarks for people, in whole sentences and without duplicates.
    """

    readings: dict[str, Reading] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    keys: dict[str, "Keys"] = field(default_factory=dict)
    not_text: dict[str, "NotText"] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def merge(self, other: "Seen") -> None:
        """Add the facts of a later part of the files."""
        self.readings |= other.readings
        self.passed_over += other.passed_over
        self.empty += other.empty
        for file, rows in other.rows.items():
            self.rows[file] = self.rows.get(file, 0) + rows
        for file, keys in other.keys.items():
            if file in self.keys:
                keys = Keys(self.keys[file].missing & keys.missing, self.keys[file].known | keys.known)
            self.keys[file] = keys
        for file, bad in other.not_text.items():
            self.not_text.setdefault(file, NotText()).merge(bad)
        for note in other.notes:
            self.note(note)

    def finish_file(self, file: str) -> None:
        """Add the note on invalid bytes in a file, after all its rows were read."""
        reading = self.readings.get(file)
        if note := self.not_text.get(file, NotText()).note(file, reading.encoding if reading is not None else None):
            self.note(note)

    def finish(self, path: str) -> None:
        """Add the notes that need all files: on invalid bytes and on files without rows."""
        for file in self.not_text:
            self.finish_file(file)
        if self.empty:
            one = "1 file without rows was"
            files = one if len(self.empty) == 1 else f"{len(self.empty):,} files without rows were"
            names = [printable(file.rstrip("/").rsplit("/", 1)[-1]) for file in self.empty]
            self.note(f"{path}: {files} skipped: {listed(names)}")

    def rename(self, path: str, shown: str) -> None:
        """Call a path in the notes something else."""
        self.notes = [note.replace(path, shown) for note in self.notes]

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def counts(self) -> dict[str, int]:
        """Return the numbers of files by kind, for a manifest."""
        return {"files": len(self.rows), "passed_over": len(self.passed_over), "empty": len(self.empty)}

    def distinct_readings(self) -> list[dict[str, str | int | None]]:
        """Return the different settings and the number of files read with each, for a manifest."""
        found = Counter(self.readings.values())
        return [
            {"delimiter": one.delimiter, "quote": one.quote, "encoding": one.encoding, "files": count}
            for one, count in found.items()
        ]


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of JSON lines.

    Attributes:
        missing: wanted columns that no row has.
        known: the keys of the rows, as an ordered set; it may be incomplete if no column is missing.
    """

    missing: set[str]
    known: dict[str, None]


@dataclass(slots=True)
class NotText:
    """Counts the rows of one file with bytes that are invalid in its encoding."""

    rows: int = 0
    first: int | None = None
    _sample: bytearray = field(default_factory=bytearray)

    def merge(self, later: "NotText") -> None:
        """Add the rows of a later part of the file."""
        self.rows += later.rows
        self.first = later.first if self.first is None else self.first
        self._sample += later._sample[: max(0, _SAMPLE - len(self._sample))]

    def look(self, columns: Sequence[pa.Array], first: int) -> None:
        """Check columns of large_binary; `first` is the number of their first row."""
        bad: set[int] = set()
        for values in columns:
            try:
                values.cast(pa.large_string())
            except pa.ArrowInvalid:
                bad |= self._places(values)
        if bad:
            self.rows += len(bad)
            self.first = first + min(bad) if self.first is None else self.first

    def _places(self, values: pa.Array) -> set[int]:
        found = set()
        for place, cell in enumerate(values.to_pylist()):
            try:
                _ = None if cell is None else cell.decode()
            except UnicodeDecodeError:
                found.add(place)
                if len(self._sample) < _SAMPLE:
                    self._sample += _as_in_file(cell) + b" "
        return found

    def note(self, file: str, encoding: str | None) -> str | None:
        """Return a note in one line; None if there are no such rows.

        Args:
            file: the file's name.
            encoding: the file's encoding; None if its format fixes it, as Parquet does.
        """
        if not self.rows:
            return None
        number = "1 row holds" if self.rows == 1 else f"{self.rows:,} rows hold"
        text = f"{file} row {self.first}: {number} bytes that are not {encoding or UTF8}"
        return text + (suggestion(bytes(self._sample)) if encoding == UTF8 else "")


def _as_in_file(cell: bytes) -> bytes:
    """Return the original bytes of a cell. In cells of JSON, invalid bytes are encoded as lone surrogates."""
    try:
        return cell.decode(errors="surrogatepass").encode(errors="surrogateescape")
    except (UnicodeDecodeError, UnicodeEncodeError):
        return cell


def listed(names: Sequence[str]) -> str:
    """Return the first names, and the number of further ones, such as "a, b, c, d, e and 2 more"."""
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more
