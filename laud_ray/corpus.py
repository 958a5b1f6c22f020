"""Sources -> normalised ranges: documents with stable ids, sorted by a hash of their text, in Parquet.

The sort makes three things cheap at any size: equal texts lie side by side, so duplicates are found within
a range; every range is a random sample of the corpus; and the order does not depend on that of the input.
"""

import hashlib
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray import sources
from laud_ray.config import CorpusConfig
from laud_ray.errors import CorpusError
from laud_ray.sources import Cell
from laud_ray.storage import Folder
from laud_ray.texts import cut
from laud_ray.texts import normalise_text as normalise_text

logger = logging.getLogger(__name__)

MANIFEST = "corpus.json"
BUCKETS = 256
SPILL_ROWS = 400_000
RANGE_SCHEMA = pa.schema(
    [("id", pa.string()), ("text", pa.string()), ("error", pa.string()), ("duplicate_of", pa.string())]
)
SEALED_SCHEMA = pa.schema([("id", pa.string()), ("value", pa.string())])
_ROW_SCHEMA = pa.schema(
    [
        ("digest", pa.binary(16)),
        ("id", pa.string()),
        ("text", pa.string()),
        ("error", pa.string()),
        ("sealed", pa.string()),
    ]
)


class _Row(NamedTuple):
    """A row as it is sorted: its id may still be missing."""

    digest: bytes
    id: str | None
    text: str | None
    error: str | None
    sealed: str | None


@dataclass(frozen=True, slots=True)
class Range:
    """A part of the corpus that is scored and committed as one: a file and its number of rows."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents, normalised once.

    Each range has the columns id, text, error and duplicate_of. A document that cannot be scored has
    no text and an error that says why; duplicate_of is the id of the first document with that text.

    Attributes:
        counts: documents, unique, duplicates, errors, truncated, and a count for each error.
        fingerprint: changes when any id or text does.
    """

    folder: Folder
    ranges: tuple[Range, ...]
    counts: Mapping[str, int]
    fingerprint: str

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Return a range's rows, always in the same order."""
        return self.folder.read_table(name, columns)

    def some_texts(self, n: int) -> tuple[str, ...]:
        """Return at most n distinct texts, always the same: a random sample, since ranges are sorted by hash."""
        texts: dict[str, None] = {}
        for one in self.ranges:
            table = self.read(one.name, ["text"])
            texts |= dict.fromkeys(text for text in table.column("text").to_pylist() if text is not None)
            if len(texts) >= n:
                break
        return tuple(texts)[:n]

    @property
    def pool_size(self) -> int:
        """How many documents can be asked about: those with a text, equal texts once."""
        return self.counts["unique"]


def open_corpus(folder: Folder) -> Corpus | None:
    """Return the corpus in the folder, or None if it has not been finished."""
    if not folder.exists(MANIFEST):
        return None
    manifest = json.loads(folder.read(MANIFEST))
    ranges = tuple(Range(**r) for r in manifest["ranges"])
    return Corpus(folder, ranges, manifest["counts"], manifest["fingerprint"])


def normalise(config: CorpusConfig, folder: Folder, *, sealed: str | None = None) -> Corpus:
    """Read the source in a stream and write its ranges; the manifest comes last and makes it whole.

    Texts are put into Unicode NFC, white space runs become one space, and what is longer than
    config.max_chars characters is cut. Ids are the given column's, or the hash of the text; equal
    texts then get "-2", "-3" and so on.

    Args:
        sealed: a column that is kept apart, under the ids, for the one who may look at it.

    Raises:
        CorpusError: if a file or column is missing, an id occurs twice, or there are no documents.
    """
    columns = [config.text] + ([config.id] if config.id else []) + ([sealed] if sealed else [])
    counts: Counter[str] = Counter(documents=0, unique=0, duplicates=0, errors=0, truncated=0)
    local = folder.local
    if local is not None:
        local.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=local, prefix=".spill-") as scratch:
        rows, ids = _RowBuckets(Path(scratch)), _IdBuckets(Path(scratch))
        for batch in sources.read(config.path, columns):
            cells = iter(batch.columns)
            texts = next(cells)
            keys = next(cells) if config.id else [None] * len(texts)
            values = next(cells) if sealed else [None] * len(texts)
            names = [_id(batch, i, key) for i, key in enumerate(keys)] if config.id else [None] * len(texts)
            if config.id:
                ids.add(batch.file, batch.first, [str(name) for name in names])
            for name, text, value in zip(names, texts, values, strict=True):
                rows.add(_clean(text, name, value, config.max_chars, counts))
        if not counts["documents"]:
            raise CorpusError(f"{config.path}: holds no documents; expected at least one row")
        _refuse_duplicate_ids(ids, config)
        return _write(rows, folder, counts, sealed is not None)


def document_id(text: str) -> str:
    """The id of a normalised text where the source has no id column: 32 hexadecimal digits."""
    return _digest(text.encode()).hex()


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _id(batch: sources.Rows, i: int, key: Cell) -> str:
    try:
        name = key.decode() if key else None
    except UnicodeDecodeError:
        name = None
    if not name:
        raise CorpusError(f"{batch.file} row {batch.first + i}: the id is {key!r}; expected a text")
    return name


def _clean(cell: Cell, name: str | None, value: Cell, max_chars: int, counts: Counter[str]) -> _Row:
    """Normalise one document and count what was done to it."""
    counts["documents"] += 1
    label = None if value is None else value.decode(errors="replace")
    raw = cell or b""
    error = None if cell is not None else "null text"
    try:
        text = normalise_text(raw.decode())
    except UnicodeDecodeError:
        error, text = "text is not UTF-8", ""
    if not error and not text:
        error = "empty text"
    if error:
        counts["errors"] += 1
        counts[error] += 1
        return _Row(_digest(raw), name, None, error, label)
    if len(text) > max_chars:
        counts["truncated"] += 1
        text = cut(text, max_chars)
    return _Row(_digest(text.encode()), name, text, None, label)


class _RowBuckets:
    """Rows by the first byte of their digest; in memory while they are few, else in files."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._held: list[list[_Row]] = [[] for _ in range(BUCKETS)]
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}
        self._count = 0

    def add(self, row: _Row) -> None:
        self._held[row.digest[0]].append(row)
        self._count += 1
        if self._count % SPILL_ROWS == 0:
            self._spill()

    def __len__(self) -> int:
        return self._count

    def sorted(self) -> Iterator[_Row]:
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

    def _spilled(self, bucket: int) -> list[_Row]:
        with pa.ipc.open_stream(self._path(bucket)) as stream:
            table = stream.read_all()
        columns = (table.column(name).to_pylist() for name in _ROW_SCHEMA.names)
        return [_Row(*cells) for cells in zip(*columns, strict=True)]


class _IdBuckets:
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
            digest = _digest(name.encode())
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


def _refuse_duplicate_ids(ids: _IdBuckets, config: CorpusConfig) -> None:
    places = ids.repeated()
    if places is None:
        return
    (file, row), (again, second) = places
    batch = next(b for b in sources.read(again, [str(config.id)]) if b.first <= second < b.first + len(b.columns[0]))
    name = _id(batch, second - batch.first, batch.columns[0][second - batch.first])
    raise CorpusError(
        f"{again} row {second}: the id {name!r} stands in {file} row {row} already; expected distinct ids"
    )


def _write(rows: _RowBuckets, folder: Folder, counts: Counter[str], sealed: bool) -> Corpus:
    size = min(max(len(rows) // 64, 1024), 50_000)
    fingerprint = hashlib.blake2b(digest_size=16)
    ranges: list[Range] = []
    for number, part in enumerate(_cut(_identify(rows.sorted(), counts), size)):
        name = f"part-{number:05d}.parquet"
        for document in part:
            fingerprint.update(f"{document.id}\0{document.text}\0".encode())
        folder.write_table(name, _table([(d.id, d.text, d.error, d.duplicate_of) for d in part], RANGE_SCHEMA))
        if sealed:
            (folder / "sealed").write_table(name, _table([(d.id, d.sealed) for d in part], SEALED_SCHEMA))
        ranges.append(Range(name, len(part)))
    corpus = Corpus(folder, tuple(ranges), dict(counts), fingerprint.hexdigest())
    manifest = {
        "ranges": [asdict(r) for r in ranges],
        "counts": dict(counts),
        "fingerprint": corpus.fingerprint,
    }
    folder.write(MANIFEST, json.dumps(manifest, indent=1).encode())
    return corpus


class _Identified(NamedTuple):
    """A row with its id; duplicate_of is the id of the first document with that text."""

    id: str
    text: str | None
    error: str | None
    duplicate_of: str | None
    sealed: str | None


def _identify(rows: Iterator[_Row], counts: Counter[str]) -> Iterator[_Identified]:
    """Give ids, and mark every document whose text stood before. Equal digests must come together."""
    digest, times, first = b"", 0, ""
    for row in rows:
        times = times + 1 if row.digest == digest else 1
        digest = row.digest
        name = row.id or digest.hex() + (f"-{times}" if times > 1 else "")
        first = name if times == 1 else first
        again = times > 1 and row.text is not None
        counts["duplicates" if again else "unique"] += row.text is not None
        yield _Identified(name, row.text, row.error, first if again else None, row.sealed)


def _cut(rows: Iterator[_Identified], size: int) -> Iterator[list[_Identified]]:
    """Cut into lists of about `size` rows, never between equal texts unless one text fills a list itself."""
    part: list[_Identified] = []
    for row in rows:
        if len(part) >= size and (row.duplicate_of is None or len(part) >= 2 * size):
            yield part
            part = []
        part.append(row)
    yield part


def _table(rows: Sequence[tuple[str | None, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def sealed_values(corpus: Corpus, ids: Sequence[str]) -> dict[str, str | None]:
    """Look up the sealed column for some documents. Only an oracle calls this."""
    wanted = pa.array(list(ids), pa.string())
    found: dict[str, str | None] = {}
    for part in corpus.ranges:
        table = (corpus.folder / "sealed").read_table(part.name)
        table = table.filter(pc.is_in(table.column("id"), wanted))
        found.update(zip(table.column("id").to_pylist(), table.column("value").to_pylist(), strict=True))
        if len(found) == len(ids):
            break
    return found


def first_sealed_values(corpus: Corpus) -> set[str | None]:
    """The distinct sealed values of the first ranges, which are a random sample of the corpus."""
    tables = ((corpus.folder / "sealed").read_table(part.name, ["value"]) for part in corpus.ranges[:8])
    return {value for table in tables for value in table.column("value").unique().to_pylist()}
