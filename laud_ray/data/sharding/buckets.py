"""Tables cut into buckets by the first byte of a hash, in files that others read a bucket of. n rows."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from laud_ray.storage.folder import Folder, filesystem
from laud_ray.types import Indices

BUCKETS = 256


def digest_of(data: bytes) -> bytes:
    """What rows are sorted by: 16 bytes of a hash."""
    return hashlib.blake2b(data, digest_size=16).digest()


def digests_of(cells: Sequence[bytes]) -> pa.Array:
    """Hash n cells: (n,) of 16 bytes each."""
    hashed = b"".join([hashlib.blake2b(cell, digest_size=16).digest() for cell in cells])
    return pa.Array.from_buffers(pa.binary(16), len(cells), [None, pa.py_buffer(hashed)])


def halves(digests: pa.Array) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return the (n,) upper and lower halves of n hashes of 16 bytes, which compare as the hashes do."""
    whole = np.frombuffer(digests.buffers()[1], ">u8", 2 * len(digests), 16 * digests.offset).reshape(-1, 2)
    return whole[:, 0].astype(np.uint64), whole[:, 1].astype(np.uint64)


def write_buckets(folder: Folder, name: str, table: pa.Table) -> Indices:
    """Write a table with a column `digest` as an Arrow file of BUCKETS batches; rows of a bucket keep their order.

    Returns:
        (BUCKETS,) rows of each.
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
    """Return the rows of some buckets of all files; those of one bucket in the order of the files."""
    fs, path = filesystem(folder.uri)
    batches = []
    for name in names:
        with fs.open_input_file(f"{path}/{name}") as file:
            found = pa.ipc.open_file(file)
            batches += [found.get_batch(bucket) for bucket in buckets]
            schema = found.schema
    return pa.Table.from_batches(batches, schema)
