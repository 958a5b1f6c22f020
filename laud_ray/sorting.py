"""Rows in the order of a hash of their text, in bounded memory; so equal texts lie side by side.

What builds on that order is here too: ids for rows that have none, marks on repeated texts, and cuts between texts.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

BUCKETS = 256
SPILL_ROWS = 400_000
_ROW_SCHEMA = pa.schema(
    [
        ("digest", pa.binary(16)),
        ("id", pa.string()),
        ("text", pa.string()),
        ("error", pa.string()),
        ("sealed", pa.string()),
    ]
)


class Row(NamedTuple):
    """A row as it is sorted: its id may still be missing."""

    digest: bytes
    id: str | None
    text: str | None
    error: str | None
    sealed: str | None


def digest_of(data: bytes) -> bytes:
    """What rows are sorted by: 16 bytes of a hash."""
    return hashlib.blake2b(data, digest_size=16).digest()


class RowBuckets:
    """Rows by the first byte of their digest; in memory while they are few, else in files."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._held: list[list[Row]] = [[] for _ in range(BUCKETS)]
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}
        self._count = 0

    def add(self, row: Row) -> None:
        self._held[row.digest[0]].append(row)
        self._count += 1
        if self._count % SPILL_ROWS == 0:
            self._spill()

    def __len__(self) -> int:
        return self._count

    def sorted(self) -> Iterator[Row]:
        """Yield all rows by digest; equal digests in the order of the input."""
        for writer in self._writers.values():
            writer.close()
        for bucket, held in enumerate(self._held):
            rows = [*self._spilled(bucket), *held] if bucket in self._writers else held
            self._held[bucket] = []
            yield from sorted(rows, key=lambda row: row.digest)

    def _path(self, bucket: int) -> str:
        return str(self._scratch / f"rows-{bucket:02x}.arrows")

    def _spill(self) -> None:
        for bucket, held in enumerate(self._held):
            if held:
                if bucket not in self._writers:
                    self._writers[bucket] = pa.ipc.new_stream(self._path(bucket), _ROW_SCHEMA)
                arrays = [pa.array(c, f.type) for c, f in zip(zip(*held, strict=True), _ROW_SCHEMA, strict=True)]
                self._writers[bucket].write_batch(pa.RecordBatch.from_arrays(arrays, schema=_ROW_SCHEMA))
                self._held[bucket] = []

    def _spilled(self, bucket: int) -> list[Row]:
        with pa.ipc.open_stream(self._path(bucket)) as stream:
            table = stream.read_all()
        columns = (table.column(name).to_pylist() for name in _ROW_SCHEMA.names)
        return [Row(*cells) for cells in zip(*columns, strict=True)]


class IdBuckets:
    """Digests of ids with the row they stand in, spilled to files: finds a repeated id in bounded memory."""

    _RECORD = np.dtype([("high", "<u8"), ("low", "<u8"), ("row", "<u8")])

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._held: list[bytearray] = [bytearray() for _ in range(BUCKETS)]
        self._starts: list[tuple[int, str, int]] = []
        self._count = 0

    def add(self, file: str, first: int, ids: Sequence[str]) -> None:
        self._starts.append((self._count, file, first))
        for name in ids:
            digest = digest_of(name.encode())
            self._held[digest[0]] += digest + self._count.to_bytes(8, "little")
            self._count += 1
        if sum(map(len, self._held)) > 64_000_000:
            for bucket, held in enumerate(self._held):
                with open(self._path(bucket), "ab") as file_handle:
                    file_handle.write(held)
                held.clear()

    def repeated(self) -> tuple[tuple[str, int], tuple[str, int]] | None:
        """Return (file, row) of a repeated id's first two places, or None; the earliest repetition wins."""
        found: list[tuple[int, int]] = []
        for bucket, held in enumerate(self._held):
            path = self._path(bucket)
            spilled = path.read_bytes() if path.exists() else b""
            records = np.frombuffer(spilled + bytes(held), self._RECORD)
            records = records[np.lexsort((records["row"], records["low"], records["high"]))]
            same = (records["high"][1:] == records["high"][:-1]) & (records["low"][1:] == records["low"][:-1])
            found += [(int(records["row"][i + 1]), int(records["row"][i])) for i in np.flatnonzero(same)]
        if not found:
            return None
        second, first = min(found)
        return self._place(first), self._place(second)

    def _path(self, bucket: int) -> Path:
        return self._scratch / f"ids-{bucket:02x}"

    def _place(self, row: int) -> tuple[str, int]:
        start, file, first = next(s for s in reversed(self._starts) if s[0] <= row)
        return file, first + row - start


class Identified(NamedTuple):
    """A row with its id; duplicate_of is the id of the first document with that text."""

    id: str
    text: str | None
    error: str | None
    duplicate_of: str | None
    sealed: str | None


def identify(rows: Iterator[Row], counts: Counter[str]) -> Iterator[Identified]:
    """Give ids, and mark every document whose text stood before. Equal digests must come together."""
    digest, times, first = b"", 0, ""
    for row in rows:
        times = times + 1 if row.digest == digest else 1
        digest = row.digest
        name = row.id or digest.hex() + (f"-{times}" if times > 1 else "")
        first = name if times == 1 else first
        again = times > 1 and row.text is not None
        counts["duplicates" if again else "unique"] += row.text is not None
        yield Identified(name, row.text, row.error, first if again else None, row.sealed)


def parts(rows: Iterator[Identified], size: int) -> Iterator[list[Identified]]:
    """Cut into lists of about `size` rows, never between equal texts unless one text fills a list itself."""
    part: list[Identified] = []
    for row in rows:
        if len(part) >= size and (row.duplicate_of is None or len(part) >= 2 * size):
            yield part
            part = []
        part.append(row)
    yield part
