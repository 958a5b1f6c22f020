"""Hash all ids and texts of a corpus, in their order.

The hash is sequential, so workers cannot compute it in parallel. Instead they write the bytes to hash into files beside
the ranges, and one process hashes these files without reading the ranges again.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.storage.folder import Folder, filesystem

BLOCK = 1 << 22


def write_hashed(folder: Folder, name: str, documents: pa.Table) -> None:
    """Write the bytes to hash for some documents: their ids and texts."""
    kind = pa.large_string()
    texts = pc.fill_null(documents.column("text").cast(kind), "None")
    ends = pa.scalar("", kind), pa.scalar("\0", kind)
    lines = pc.binary_join_element_wise(documents.column("id").cast(kind), texts, *ends)
    folder.write(name, b"".join(_bytes_of(chunk) for chunk in lines.chunks))


def _bytes_of(lines: pa.Array) -> memoryview:
    if not len(lines):
        return memoryview(b"")
    offsets = np.frombuffer(lines.buffers()[1], np.int64)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(lines.buffers()[2])[offsets[0] : offsets[-1]]


def fingerprint(folder: Folder, names: Sequence[str]) -> str:
    """Return the hash of the files with these names, in that order: 32 hexadecimal digits."""
    found = hashlib.blake2b(digest_size=16)
    fs, path = filesystem(folder.uri)
    for name in names:
        with fs.open_input_stream(f"{path}/{name}") as stream:
            while block := stream.read(BLOCK):
                found.update(block)
    return found.hexdigest()
