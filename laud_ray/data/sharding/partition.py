"""The first step of normalising a corpus: read a unit of the input, clean its texts, and put its rows into buckets.

Units are independent of each other, so that any worker may do
any of them. n rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.cleaning import clean
from laud_ray.data.formats import files
from laud_ray.data.seen import Seen
from laud_ray.data.sharding.buckets import BUCKETS, digests_of, write_buckets
from laud_ray.data.sharding.units import Unit
from laud_ray.errors import CorpusError
from laud_ray.label_cells import stored
from laud_ray.labels import Known
from laud_ray.printable import quoted
from laud_ray.storage.folder import Folder
from laud_ray.storage.text_reading import Reading

ROWS, IDS = "rows", "ids"
SCHEMA = pa.schema(
    [
        ("digest", pa.binary(16)),
        ("id", pa.string()),
        ("text", pa.large_string()),
        ("error", pa.string()),
        ("sealed", pa.string()),
        ("truncated", pa.bool_()),
    ]
)
# Rows that are held in memory before they are written.
HELD_ROWS = 250_000


@dataclass(frozen=True, slots=True)
class ShardJob:
    """What a worker needs besides the name of a unit.

    Attributes:
        columns: the columns of the text, of the id if has_id, and of the sealed label if has_sealed, in this order.
    """

    units: Mapping[str, Unit]
    columns: tuple[str, ...]
    has_id: bool
    has_sealed: bool
    reading: Reading
    max_chars: int
    labels: Known | None
    scratch: Folder


@dataclass(frozen=True, slots=True)
class Written:
    """A bucket file that was written, and the input file that its rows come from."""

    name: str
    file: str


@dataclass(frozen=True, slots=True, eq=False)
class Sharded:
    """The result of partitioning one unit, or all units.

    Attributes:
        files: the bucket files that were written, in the order of the rows.
        rows: (BUCKETS,) number of rows in each bucket.
        seen: facts and remarks about the files.
    """

    files: tuple[Written, ...]
    rows: npt.NDArray[np.int64]
    seen: Seen

    @property
    def documents(self) -> int:
        """Number of rows in all."""
        return int(self.rows.sum())


def shard_unit(name: str, job: ShardJob) -> Sharded:
    """Read and clean a unit, and write its rows into buckets. Runs in a worker.

    The names of its files depend only on the unit, so a retry overwrites them.

    Raises:
        CorpusError: if the file or a row is invalid or ambiguous, or an id is missing.
    """
    unit, seen = job.units[name], Seen()
    rows, written = np.zeros(BUCKETS, np.int64), list[Written]()
    held: list[pa.Table] = []
    first = begun = unit.first

    def flush() -> None:
        nonlocal rows, begun
        if not held:
            return
        table = pa.concat_tables(held)
        to = f"{name}-{len(written):05d}.arrow"
        rows = rows + write_buckets(job.scratch / ROWS, to, table)
        if job.has_id:
            write_buckets(job.scratch / IDS, to, _ids(table, begun))
        written.append(Written(to, unit.file))
        begun += table.num_rows
        held.clear()

    for batch in files.batches(unit.file, job.columns, job.reading, seen, unit.part, unit.first):
        held.append(_cleaned(batch, unit.file, first, job))
        first += batch.num_rows
        if sum(table.num_rows for table in held) >= HELD_ROWS:
            flush()
    flush()
    return Sharded(tuple(written), rows, seen)


def together(parts: Sequence[Sharded]) -> Sharded:
    """Join the results of all units, in the order of the input."""
    seen = Seen()
    for part in parts:
        seen.merge(part.seen)
    return Sharded(
        tuple(one for part in parts for one in part.files),
        np.sum([part.rows for part in parts], axis=0),
        seen,
    )


def _cleaned(batch: pa.RecordBatch, file: str, first: int, job: ShardJob) -> pa.Table:
    """Normalise n documents."""
    cells = batch.column(0)
    cleaned = clean(cells, job.max_chars)
    keys = cleaned.texts.cast(pa.large_binary())
    if cleaned.errors.null_count < len(cells):  # a row without a valid text is hashed by its bytes
        keys = pa.array(
            [
                cell or b"" if key is None else key
                for key, cell in zip(keys.to_pylist(), cells.to_pylist(), strict=True)
            ],
            pa.large_binary(),
        )
    none = pa.nulls(len(cells), pa.string())
    ids = _checked_ids(batch.column(1), file, first) if job.has_id else none
    sealed = _labels(batch.column(len(job.columns) - 1), job.labels) if job.has_sealed else none
    return pa.Table.from_arrays(
        [digests_of(keys.to_pylist()), ids, cleaned.texts, cleaned.errors, sealed, pa.array(cleaned.truncated)],
        schema=SCHEMA,
    )


def _checked_ids(cells: pa.Array, file: str, first: int) -> pa.Array:
    """Return n ids as strings.

    Raises:
        CorpusError: if one is missing, empty or not UTF-8.
    """
    try:
        ids = cells.cast(pa.string())
    except pa.ArrowInvalid:
        ids = None
    if ids is not None and not ids.null_count and not pc.any(pc.equal(pc.binary_length(ids), 0)).as_py():
        return ids
    place, cell = next((i, cell) for i, cell in enumerate(cells.to_pylist()) if not _is_id(cell))
    shown = quoted(cell) if cell else "missing"
    raise CorpusError(f"{file} row {first + place}: the id is {shown}; expected a text")


def _is_id(cell: bytes | None) -> bool:
    try:
        return bool(cell and cell.decode())
    except UnicodeDecodeError:
        return False


def _labels(cells: pa.Array, labels: Known | None) -> pa.Array:
    """Normalise n labels or sets of them, each distinct one once; see `laud_ray.label_cells.stored`."""
    coded = cells.dictionary_encode()
    cells = [cell.decode(errors="replace") for cell in coded.dictionary.to_pylist()]
    return pa.array([stored(cell, labels) for cell in cells], pa.string()).take(coded.indices)


def _ids(table: pa.Table, first: int) -> pa.Table:
    """Return the hashes of n ids with their row numbers in the file, and the hashes of their rows.

    `has_text` is False for a row whose hash is not that of a text.
    """
    digests = digests_of(table.column("id").cast(pa.large_binary()).to_pylist())
    rows = pa.array(np.arange(first, first + table.num_rows))
    has_text = table.column("text").is_valid()
    return pa.table({"digest": digests, "row": rows, "of_row": table.column("digest"), "has_text": has_text})
