"""Partition tables into buckets by the first byte of a hash, in files from which single buckets can be read. n rows."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from laud_ray.storage.folder import Folder, filesystem
from laud_ray.types import Indices

BUCKETS = 256
Halves: TypeAlias = tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]


def digest_of(data: bytes) -> bytes:
    """Return a hash of 16 bytes, which rows are sorted by."""
    return hashlib.blake2b(data, digest_size=16).digest()


def digests_of(cells: Sequence[bytes]) -> pa.Array:
    """Return the (n,) hashes of n cells, 16 bytes each."""
    hashed = b"".join([hashlib.blake2b(cell, digest_size=16).digest() for cell in cells])
    return pa.Array.from_buffers(pa.binary(16), len(cells), [None, pa.py_buffer(hashed)])


def halves(digests: pa.Array) -> Halves:
    """Return the (n,) upper and lower halves of n hashes as integers, which sort like the hashes."""
    whole = np.frombuffer(digests.buffers()[1], ">u8", 2 * len(digests), 16 * digests.offset).reshape(-1, 2)
    return whole[:, 0].astype(np.uint64), whole[:, 1].astype(np.uint64)


def find(among: Halves, wanted: Halves) -> Indices:
    """Return the (m,) places of m hashes among n hashes; -1 for one that is not there.

    Args:
        among: the halves of n distinct hashes, sorted.
        wanted: the halves of m hashes, in any order.
    """
    (high, low), (upper, lower) = among, wanted
    if not len(high):
        return np.full(len(upper), -1, np.int64)
    last = len(high) - 1
    places: Indices = np.minimum(np.searchsorted(high, upper), last)
    # Different hashes with the same upper half are so rare that the first step is nearly always the last.
    while (behind := (high[places] == upper) & (low[places] < lower) & (places < last)).any():
        places = places + behind
    found: Indices = np.where((high[places] == upper) & (low[places] == lower), places, -1)
    return found


def write_buckets(folder: Folder, name: str, table: pa.Table) -> Indices:
    """Write a table with a column `digest` as an Arrow file with a batch for each bucket.

    Rows of a bucket keep their order.

    Returns:
        (BUCKETS,) number of rows in each bucket.
    """
    digests = table.column("digest").combine_chunks()
    first = (halves(digests)[0] >> np.uint64(56)).astype(np.int64)
    counts = np.bincount(first, minlength=BUCKETS)
    batch = table.take(pa.array(np.argsort(first, kind="stable"))).combine_chunks().to_batches()[0]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        for start, count in zip(np.cumsum(counts) - counts, counts, strict=True):
            writer.write_batch(batch.slice(start, count))
    folder.write(name, sink.getvalue())
    return counts.astype(np.int64)


def read_buckets(folder: Folder, names: Iterable[str], buckets: Sequence[int]) -> pa.Table:
    """Return the rows of some buckets from all files, file by file."""
    fs, path = filesystem(folder.uri)
    batches = []
    for name in names:
        with fs.open_input_file(f"{path}/{name}") as file:
            found = pa.ipc.open_file(file)
            batches += [found.get_batch(bucket) for bucket in buckets]
            schema = found.schema
    return pa.Table.from_batches(batches, schema)
