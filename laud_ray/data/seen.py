"""What is met while files are read: how they are written, what is passed over, what a person should know."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from laud_ray.printable import printable
from laud_ray.storage.charset import UTF8, suggestion
from laud_ray.storage.text_reading import Reading

_FEW = 5
# Bytes of bad cells that a guess of their encoding is made from.
_SAMPLE = 20_000


@dataclass(slots=True)
class Seen:
    """Complete when the last row was taken. `notes` are whole sentences, each once.

    Attributes:
        readings: how each file of delimited text or JSON lines was read.
        rows: of each file that was read to its end.
        passed_over: files that are none of ours by their ending.
        empty: files without rows.
        keys: of each file of JSON lines that is read in pieces, which keys it has.
        not_text: of each file the rows whose bytes are not its encoding.
    """

    readings: dict[str, Reading] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    keys: dict[str, "Keys"] = field(default_factory=dict)
    not_text: dict[str, "NotText"] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def merge(self, other: "Seen") -> None:
        """Add what was met in another part of the files, which comes after this one."""
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
        """Add the note on a file's bytes that are not its encoding, once all of its rows were met."""
        reading = self.readings.get(file)
        if note := self.not_text.get(file, NotText()).note(file, reading.encoding if reading is not None else None):
            self.note(note)

    def finish(self, path: str) -> None:
        """Add the notes that are known at the end only: bytes that are not text, files without rows."""
        for file in self.not_text:
            self.finish_file(file)
        if self.empty:
            one = "1 file without rows was"
            files = one if len(self.empty) == 1 else f"{len(self.empty):,} files without rows were"
            names = [printable(file.rstrip("/").rsplit("/", 1)[-1]) for file in self.empty]
            self.note(f"{path}: {files} passed over: {listed(names)}")

    def rename(self, path: str, shown: str) -> None:
        """Call a path in the notes something else."""
        self.notes = [note.replace(path, shown) for note in self.notes]

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def counts(self) -> dict[str, int]:
        """For a manifest."""
        return {"files": len(self.rows), "passed_over": len(self.passed_over), "empty": len(self.empty)}

    def distinct_readings(self) -> list[dict[str, str | int | None]]:
        """How many files were read how, for a manifest."""
        found = Counter(self.readings.values())
        return [
            {"delimiter": one.delimiter, "quote": one.quote, "encoding": one.encoding, "files": count}
            for one, count in found.items()
        ]


@dataclass(frozen=True, slots=True)
class Keys:
    """Which of the columns no row of JSON lines has, and the keys that there are, at least where some are missing."""

    missing: set[str]
    known: dict[str, None]


@dataclass(slots=True)
class NotText:
    """Rows of one file whose bytes are not the encoding that it is read in."""

    rows: int = 0
    first: int | None = None
    _sample: bytearray = field(default_factory=bytearray)

    def merge(self, later: "NotText") -> None:
        """Add the rows of a later part of the file."""
        self.rows += later.rows
        self.first = later.first if self.first is None else self.first
        self._sample += later._sample[: max(0, _SAMPLE - len(self._sample))]

    def look(self, columns: Sequence[pa.Array], first: int) -> None:
        """Look at columns of large_binary; `first` is the number of their first row."""
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
        """Say it in one line; None where there are none. `encoding` None: the format says which."""
        if not self.rows:
            return None
        number = "1 row holds" if self.rows == 1 else f"{self.rows:,} rows hold"
        said = f"{file} row {self.first}: {number} bytes that are not {encoding or UTF8}"
        return said + (suggestion(bytes(self._sample)) if encoding == UTF8 else "")


def _as_in_file(cell: bytes) -> bytes:
    """The bytes of a cell, where JSON's reader wrote each that is not UTF-8 as a lone surrogate."""
    try:
        return cell.decode(errors="surrogatepass").encode(errors="surrogateescape")
    except (UnicodeDecodeError, UnicodeEncodeError):
        return cell


def listed(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more
