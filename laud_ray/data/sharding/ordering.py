"""The second half of normalising a corpus: sort the rows of some buckets, give ids, mark duplicates, write ranges.

A group is some adjacent buckets. Groups are independent of each other: equal texts are in one. n rows.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.label_counts import SortedLabels
from laud_ray.data.sharding.buckets import halves, read_buckets
from laud_ray.data.sharding.fingerprint import write_hashed
from laud_ray.data.sharding.partition import IDS, ROWS
from laud_ray.labels import Known
from laud_ray.storage.folder import Folder
from laud_ray.types import Bools, Indices

RANGE_SCHEMA = pa.schema(
    [("id", pa.string()), ("text", pa.string()), ("error", pa.string()), ("duplicate_of", pa.string())]
)
SEALED_SCHEMA = pa.schema([("id", pa.string()), ("value", pa.string())])
SEALED, HASHED = "sealed", "hashed"
# A group is held in memory by whoever sorts it.
GROUP_ROWS = 400_000
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), "S2")


@dataclass(frozen=True, slots=True)
class Range:
    """A part of the corpus that is scored and committed as one: a file and its number of rows."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Group:
    """Adjacent buckets, from the first to before the last; `number` is that of its first range."""

    name: str
    buckets: tuple[int, int]
    number: int


@dataclass(frozen=True, slots=True)
class OrderJob:
    """All that is the same for every group: `files` in the order of the input, and about how many rows a range has."""

    groups: Mapping[str, Group]
    files: tuple[str, ...]
    scratch: Folder
    out: Folder
    size: int
    has_id: bool
    has_sealed: bool
    labels: Known | None


@dataclass(frozen=True, slots=True)
class Ordered:
    """The ranges of a group, its unique texts and duplicates, and what its sealed column holds."""

    ranges: tuple[Range, ...]
    counts: Counter[str]
    labels: SortedLabels | None


def range_size(rows: int) -> int:
    """About how many rows a range of a corpus has."""
    return min(max(rows // 64, 1024), 50_000)


def plan_groups(rows: npt.NDArray[np.int64], size: int) -> tuple[Group, ...]:
    """Put buckets together that are sorted in one go.

    Args:
        rows: (BUCKETS,) of each bucket.
        size: rows of a range.
    """
    groups: list[Group] = []
    start = number = held = 0
    for bucket, count in enumerate(rows.tolist()):
        held += count
        if held >= GROUP_ROWS or (bucket == len(rows) - 1 and held):
            groups.append(Group(f"group-{len(groups):05d}", (start, bucket + 1), number))
            start, number, held = bucket + 1, number - (-held // size), 0
    return tuple(groups)


def order_group(name: str, job: OrderJob) -> Ordered:
    """Sort a group by hash, equal hashes in the order of the input, and write it in ranges."""
    group = job.groups[name]
    table = read_buckets(job.scratch / ROWS, job.files, range(*group.buckets)).combine_chunks()
    high, low = halves(table.column("digest").combine_chunks())
    order = np.lexsort((low, high))
    table, high, low = table.take(pa.array(order)), high[order], low[order]
    first = np.ones(len(high), np.bool_)
    first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    documents, again = _identified(table, first, has_id=job.has_id)
    write_hashed(job.scratch / HASHED, name, documents)
    usable = table.column("text").is_valid().to_numpy()
    counts = Counter(unique=int((usable & ~again).sum()), duplicates=int(again.sum()))
    labels = SortedLabels(_class_of(job.labels)) if job.has_sealed else None
    ranges: list[Range] = []
    for number, (start, end) in enumerate(_cuts(~again, job.size), group.number):
        one = Range(f"part-{number:05d}.parquet", end - start)
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
    return Ordered(tuple(ranges), counts, labels)


def repeated_id(name: str, job: OrderJob) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Find the earliest repetition among the ids of some buckets; return (file, row) of it and of its first place.

    The file is its number in `job.files`.
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


def _class_of(labels: Known | None) -> Callable[[str], str]:
    return (lambda label: labels.find_class(label) or label) if labels is not None else str


def _identified(table: pa.Table, first: Bools, *, has_id: bool) -> tuple[pa.Table, Bools]:
    """Give ids, and mark every document whose text stood before.

    Args:
        first: (n,) whether a row's hash is not that of the row before.
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
    """Return n ids: the hash in hexadecimal digits; from a text's second time on with "-2", "-3" and so on."""
    raw = np.frombuffer(digests.buffers()[1], np.uint8, 16 * len(digests), 16 * digests.offset)
    offsets = pa.py_buffer((np.arange(len(digests) + 1, dtype=np.int32) * 32).tobytes())
    names = pa.StringArray.from_buffers(len(digests), offsets, pa.py_buffer(_HEX[raw].tobytes()))
    later = times > 1
    if not later.any():
        return names
    ends = [f"{name}-{n}" for name, n in zip(names.filter(pa.array(later)).to_pylist(), times[later], strict=True)]
    return pc.replace_with_mask(names, pa.array(later), pa.array(ends, pa.string()))


def _cuts(fresh: Bools, size: int) -> Iterator[tuple[int, int]]:
    """Cut n rows into pieces of about `size`, never before a row that is not fresh unless its text fills a piece."""
    begins, start, n = np.flatnonzero(fresh), 0, len(fresh)
    while start < n:
        at = np.searchsorted(begins, start + size)
        end = min(int(begins[at]) if at < len(begins) else n, start + 2 * size, n)
        yield start, end
        start = end
