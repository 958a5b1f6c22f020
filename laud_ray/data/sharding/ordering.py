"""The second step of normalising a corpus: sort the rows of buckets, assign ids, mark duplicates, write ranges.

Adjacent buckets form a group. Groups are independent of each other, because equal texts are in the same one. n rows.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.label_counts import MOST_LABELS, MOST_NODES, SortedLabels
from laud_ray.data.sharding.buckets import halves, read_buckets
from laud_ray.data.sharding.fingerprint import write_hashed
from laud_ray.data.sharding.partition import IDS, ROWS
from laud_ray.label_cells import answer_in, labels_in
from laud_ray.labels import Known
from laud_ray.storage.folder import Folder
from laud_ray.types import Bools, Indices

RANGE_SCHEMA = pa.schema(
    [("id", pa.string()), ("text", pa.string()), ("error", pa.string()), ("duplicate_of", pa.string())]
)
SEALED_SCHEMA = pa.schema([("id", pa.string()), ("value", pa.string())])
SEALED, HASHED = "sealed", "hashed"
# Rows of a group, which a worker holds in memory to sort it.
GROUP_ROWS = 400_000
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), "S2")


@dataclass(frozen=True, slots=True)
class Range:
    """A part of the corpus that is scored and committed as one: a file and its number of rows."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Group:
    """Adjacent buckets that are sorted together.

    Attributes:
        name: identifies the group.
        buckets: range of buckets, as (start, stop).
        number: number of its first range.
    """

    name: str
    buckets: tuple[int, int]
    number: int


@dataclass(frozen=True, slots=True)
class OrderJob:
    """What a worker needs besides the name of a group.

    Attributes:
        groups: groups by name.
        files: names of the bucket files, in the order of the input.
        scratch: folder of the bucket files.
        out: folder of the corpus.
        size: approximate number of rows in a range.
        has_id: whether the source has an id column.
        has_sealed: whether a column of labels is stored separately.
        labels: the task's labels.
        prefix: how the names of the ranges begin.
        sieve: leaves out rows that the corpus has already; None keeps all.
    """

    groups: Mapping[str, Group]
    files: tuple[str, ...]
    scratch: Folder
    out: Folder
    size: int
    has_id: bool
    has_sealed: bool
    labels: Known | None
    prefix: str
    sieve: "Sieve | None" = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A row that is left out because the corpus has its id with another text.

    Attributes:
        id: the id.
        text: the text that was read now; None if it is not valid.
        range: the range that has the document.
    """

    id: str
    text: str | None
    range: str


@dataclass(frozen=True, slots=True, eq=False)
class Sifted:
    """What a sieve makes of n rows.

    Attributes:
        kept: (n,) whether a row is kept.
        skipped: numbers of the others by reason.
        changed: a few rows whose id is known with another text.
    """

    kept: Bools
    skipped: Counter[str]
    changed: tuple[Changed, ...]


class Sieve(Protocol):
    """Leaves out rows that a corpus has already. Used by workers."""

    def sift(self, table: pa.Table, first: Bools, buckets: tuple[int, int]) -> Sifted:
        """Sift the rows of some buckets.

        Args:
            table: n rows, sorted by their hash.
            first: (n,) whether a row's hash differs from that of the row before.
            buckets: the buckets, as (start, stop).
        """
        ...


@dataclass(frozen=True, slots=True)
class Ordered:
    """The result of sorting a group.

    Attributes:
        ranges: its ranges.
        counts: documents, unique, duplicates, errors, truncated, and a count for each error.
        labels: counts of the sealed labels.
        skipped: numbers of rows that are in no range, by reason.
        changed: a few rows whose id is known with another text.
    """

    ranges: tuple[Range, ...]
    counts: Counter[str]
    labels: SortedLabels | None
    skipped: Counter[str]
    changed: tuple[Changed, ...]


def range_size(rows: int) -> int:
    """Return the approximate number of rows in a range, for a corpus of `rows` rows."""
    return min(max(rows // 64, 1024), 50_000)


def plan_groups(rows: npt.NDArray[np.int64], size: int, least: int | None = None) -> tuple[Group, ...]:
    """Form groups of buckets that are sorted together.

    Args:
        rows: (BUCKETS,) number of rows in each bucket.
        size: number of rows in a range.
        least: rows with which a group is complete; None: GROUP_ROWS.
    """
    least = GROUP_ROWS if least is None else least
    groups: list[Group] = []
    start = number = held = 0
    for bucket, count in enumerate(rows.tolist()):
        held += count
        if held >= least or (bucket == len(rows) - 1 and held):
            groups.append(Group(f"group-{len(groups):05d}", (start, bucket + 1), number))
            start, number, held = bucket + 1, number - (-held // size), 0
    return tuple(groups)


def order_group(name: str, job: OrderJob) -> Ordered:
    """Sort a group by hash, keeping the input's order for equal hashes, and write it as ranges. Runs in a worker."""
    group = job.groups[name]
    table = read_buckets(job.scratch / ROWS, job.files, range(*group.buckets)).combine_chunks()
    high, low = halves(table.column("digest").combine_chunks())
    order = np.lexsort((low, high))
    table, high, low = table.take(pa.array(order)), high[order], low[order]
    first = np.ones(len(high), np.bool_)
    first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    table, first, sifted = _sifted(table, first, job.sieve, group.buckets)
    documents, again = _identified(table, first, has_id=job.has_id)
    write_hashed(job.scratch / HASHED, name, documents)
    usable = table.column("text").is_valid().to_numpy()
    counts = _counted(table, usable, again)
    labels = SortedLabels(_class_of(job.labels), _most(job.labels), _labels_of(job.labels)) if job.has_sealed else None
    ranges: list[Range] = []
    for number, (start, end) in enumerate(_cuts(~again, job.size), group.number):
        one = Range(f"{job.prefix}{number:05d}.parquet", end - start)
        part = documents.slice(start, one.rows)
        job.out.write_table(one.name, part)
        ranges.append(one)
        if labels is not None:
            values = table.column("sealed").slice(start, one.rows)
            sealed = pa.Table.from_arrays([part.column("id"), values], schema=SEALED_SCHEMA)
            (job.out / SEALED).write_table(one.name, sealed)
    if labels is not None:
        values = table.column("sealed").filter(pa.array(usable)).to_pylist()
        labels.add(zip(again[usable].tolist(), values, strict=True))
    return Ordered(tuple(ranges), counts, labels, sifted.skipped, sifted.changed)


def _sifted(
    table: pa.Table, first: Bools, sieve: Sieve | None, buckets: tuple[int, int]
) -> tuple[pa.Table, Bools, Sifted]:
    """Leave out rows that the corpus has; return the others, and whether the hash of each is another than before."""
    if sieve is None:
        return table, first, Sifted(np.ones(len(first), np.bool_), Counter(), ())
    found = sieve.sift(table, first, buckets)
    run = (np.cumsum(first) - 1)[found.kept]
    fresh = np.ones(len(run), np.bool_)
    fresh[1:] = run[1:] != run[:-1]
    return table.filter(pa.array(found.kept)), fresh, found


def _counted(table: pa.Table, usable: Bools, again: Bools) -> Counter[str]:
    errors = table.column("error").drop_null().to_pylist()
    truncated = int(np.count_nonzero(table.column("truncated").to_numpy()))
    counts = Counter(documents=table.num_rows, errors=len(errors), truncated=truncated)
    counts.update(unique=int((usable & ~again).sum()), duplicates=int(again.sum()))
    counts.update(errors)
    return counts


def repeated_id(name: str, job: OrderJob) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Find the earliest repeated id in a group.

    Returns:
        (file, row) of the repetition, and of the row that has the same id before it. `file` is an index into
        `job.files`. None if no id is repeated.
    """
    buckets = job.groups[name].buckets
    parts = [read_buckets(job.scratch / IDS, [one], range(*buckets)) for one in job.files]
    file = np.repeat(np.arange(len(parts)), [part.num_rows for part in parts])
    table = pa.concat_tables(parts).combine_chunks()
    high, low = halves(table.column("digest").combine_chunks())
    rows = table.column("row").to_numpy()
    order = np.lexsort((rows, file, low, high))
    high, low, file, rows = high[order], low[order], file[order], rows[order]
    again = np.flatnonzero((high[1:] == high[:-1]) & (low[1:] == low[:-1])) + 1
    if not len(again):
        return None
    second = again[np.lexsort((rows[again], file[again]))[0]]
    return (int(file[second]), int(rows[second])), (int(file[second - 1]), int(rows[second - 1]))


def _most(labels: Known | None) -> int:
    """Return how many different labels are counted: also where a task has more than are counted by default.

    The labels of a taxonomy, which may be tens of thousands, are not known here.
    """
    return MOST_NODES if labels is None else MOST_LABELS + 2 * len(labels.names)


def _class_of(labels: Known | None) -> Callable[[str], str]:
    return (lambda value: answer_in(value, labels) or value) if labels is not None else str


def _labels_of(labels: Known | None) -> Callable[[str], tuple[str, ...]] | None:
    return (lambda value: labels_in(value, labels)) if labels is not None and labels.task.multilabel else None


def _identified(table: pa.Table, first: Bools, *, has_id: bool) -> tuple[pa.Table, Bools]:
    """Assign ids, and mark every document whose text occurs before.

    Args:
        table: n sorted rows.
        first: (n,) whether a row's hash differs from that of the previous row.
        has_id: whether the source has an id column.

    Returns:
        The documents, and (n,) whether each is a duplicate.
    """
    starts = np.flatnonzero(first)
    run = np.cumsum(first) - 1
    times = np.arange(len(first)) - starts[run] + 1
    ids = table.column("id").combine_chunks() if has_id else _names(table.column("digest").combine_chunks(), times)
    texts = table.column("text").combine_chunks()
    again = (times > 1) & texts.is_valid().to_numpy(zero_copy_only=False)
    duplicate_of = ids.take(pa.array(starts[run], mask=~again))
    documents = pa.Table.from_arrays(
        [ids, texts.cast(pa.string()), table.column("error").combine_chunks(), duplicate_of], schema=RANGE_SCHEMA
    )
    return documents, again


def _names(digests: pa.Array, times: Indices) -> pa.Array:
    """Return n ids: the hash in hexadecimal digits, followed by "-2", "-3" and so on for repeated texts."""
    raw = np.frombuffer(digests.buffers()[1], np.uint8, 16 * len(digests), 16 * digests.offset)
    offsets = pa.py_buffer((np.arange(len(digests) + 1, dtype=np.int32) * 32).tobytes())
    names = pa.StringArray.from_buffers(len(digests), offsets, pa.py_buffer(_HEX[raw].tobytes()))
    later = times > 1
    if not later.any():
        return names
    ends = [f"{name}-{n}" for name, n in zip(names.filter(pa.array(later)).to_pylist(), times[later], strict=True)]
    return pc.replace_with_mask(names, pa.array(later), pa.array(ends, pa.string()))


def _cuts(fresh: Bools, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of ranges of about `size` rows.

    Duplicates of a text stay in one range unless they would make it longer than twice that size.

    Args:
        fresh: (n,) whether a row is not a duplicate of the row before.
        size: number of rows in a range.
    """
    begins, start, n = np.flatnonzero(fresh), 0, len(fresh)
    while start < n:
        at = np.searchsorted(begins, start + size)
        end = min(int(begins[at]) if at < len(begins) else n, start + 2 * size, n)
        yield start, end
        start = end
