"""Draw a sample of documents by a hash of their ids or row numbers. Pure: pyarrow and NumPy."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.types import Bools, Indices

_Hashes: TypeAlias = npt.NDArray[np.uint64]
# Odd, so that powers never become 0 modulo 2^64; the rest are the constants of splitmix64 (Steele, Lea and Flood 2014).
_BASE = np.uint64(0x100000001B3)
_GOLDEN, _MIX_1, _MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def chosen(keys: pa.Array | pa.ChunkedArray | Indices, share: float, *, seed: int) -> Bools:
    """Return (n,) whether each of n documents is in a random sample, which is True for about `share` of them.

    The result depends only on the key, the share and the seed, not on the order, the files or the machine. Documents
    chosen with one share are also chosen with every larger share.

    Args:
        keys: (n,) ids as strings, or row numbers as integers of at most 64 bits. Null is treated as the empty string.
        share: in [0, 1]; 1 chooses all.
        seed: any integer.

    Raises:
        ValueError: if share is outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share: {share} is not valid; expected 0 to 1")
    if isinstance(keys, pa.ChunkedArray):
        parts = [chosen(chunk, share, seed=seed) for chunk in keys.chunks]
        return np.concatenate([np.zeros(0, np.bool_), *parts])
    hashed = (
        _hash_strings(pc.cast(keys, pa.string()))
        if isinstance(keys, pa.Array) and not _integers(keys)
        else _whole(keys)
    )
    with np.errstate(over="ignore"):
        start = _mix(np.array([seed % 2**64], np.uint64) + _GOLDEN)
        mixed = _mix(hashed ^ start)
    uniform = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53  # in [0, 1)
    picked: Bools = uniform < share
    return picked


def _hash_strings(strings: pa.Array) -> _Hashes:
    """Return (n,) hashes of strings: a polynomial in their bytes, plus their length, modulo 2^64."""
    # DuckDB's hash takes an eighth of the time, but another version of DuckDB may return other values.
    strings = pc.fill_null(strings, "").cast(pa.large_binary())
    if not len(strings):
        return np.zeros(0, np.uint64)
    offsets = np.frombuffer(strings.buffers()[1], np.int64)[strings.offset : strings.offset + len(strings) + 1]
    lengths = np.diff(offsets)
    if not lengths.any():
        return np.zeros(len(strings), np.uint64)
    data = np.frombuffer(strings.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    place = np.arange(len(data)) - np.repeat(offsets[:-1] - offsets[0], lengths)
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(int(lengths.max()), _BASE))
        terms = (data.astype(np.uint64) + np.uint64(1)) * powers[place]
        ends = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
        relative = offsets - offsets[0]
        hashes: _Hashes = ends[relative[1:]] - ends[relative[:-1]] + lengths.astype(np.uint64)
    return hashes


def _mix(values: _Hashes) -> _Hashes:
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    mixed: _Hashes = values ^ (values >> np.uint64(31))
    return mixed


def _integers(keys: pa.Array) -> bool:
    return bool(pa.types.is_integer(keys.type))


def _whole(keys: pa.Array | Indices) -> _Hashes:
    numbers = keys.to_numpy(zero_copy_only=False) if isinstance(keys, pa.Array) else np.asarray(keys)
    hashes: _Hashes = numbers.astype(np.uint64)
    return hashes
