"""Hash texts to numbers, by which equal texts are recognised in different outputs without storing the texts."""

import numpy as np
import pyarrow as pa

from laud_ray.data.sharding.buckets import digest_of

COLUMN = "text_hash"


def text_hashes(texts: pa.Array) -> pa.Array:
    """Map n normalised texts to (n,) int64 hashes; null stays null."""
    valid = np.asarray(texts.is_valid())
    digests = b"".join(digest_of(text.encode("utf-8", "replace"))[:8] for text in texts.drop_null().to_pylist())
    found = np.zeros(len(texts), "<i8")
    found[valid] = np.frombuffer(digests, "<i8")
    return pa.array(found, pa.int64(), mask=~valid)
