"""An index of what a corpus holds: beside each range, a file with the hashes of its texts and ids, 16 bytes each.

A generation is indexed at the first append after it. Ranges are sorted by the hashes of texts, so that a text can only
be in the few ranges around its hash: to look up m texts reads at most m files for each generation, 16 bytes for each
document of a range. Ids are in no order: to look up any number of them reads the whole index, 32 bytes a document.
Memory holds a few of these files at a time. The index can be built again from the ranges, and is where it is damaged.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from laud_ray.data.corpus import Corpus
from laud_ray.data.generations.manifest import Generation, manifest_name
from laud_ray.data.sharding.buckets import digest_of, halves
from laud_ray.data.sharding.mapping import here, over_cluster
from laud_ray.errors import DamageError
from laud_ray.storage.checksums import dump_json, parse_json, text
from laud_ray.storage.folder import Folder

INDEX = "index"
# Documents above which starting the cluster's workers is worth its time.
LARGE = 4_000_000
_BY_HASH = re.compile(r"[0-9a-f]{32}(-\d+)?")


@dataclass(frozen=True, slots=True)
class Part:
    """The index of a range.

    Attributes:
        name: the name of the range, and of the file.
        low, high: the upper halves of the smallest and the largest hash of its texts; None if it has no texts.
    """

    name: str
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Index:
    """The index of a whole corpus.

    Attributes:
        folder: the corpus's folder.
        ids: whether ids are indexed too.
        parts: the indexes of all ranges, in order.
    """

    folder: Folder
    ids: bool
    parts: tuple[Part, ...]

    def read(self, name: str) -> pa.Table:
        """Return the hashes of a range's documents in the order of its rows: columns `text`, and `id` if indexed.

        The hash of a document without a text is null if ids are indexed; else that of its bytes, as its id is.
        """
        try:
            table = (self.folder / INDEX).read_table(name)
            if not self.ids or "id" in table.column_names:
                return table
        except (DamageError, pa.ArrowInvalid, FileNotFoundError):
            pass  # an interrupted or damaged index is built again
        table = _indexed(self.folder.read_table(name, ["id", "text"]), ids=self.ids)
        (self.folder / INDEX).write_table(name, table, dictionary=())
        return table


def build_index(corpus: Corpus, *, ids: bool) -> Index:
    """Return the index of a corpus, after indexing the ranges that are not indexed yet.

    It resumes with these when it was interrupted. The cluster's workers index a large generation.
    """
    folder = corpus.folder.absolute()
    parts = [part for one in corpus.generations for part in _generation(folder, one, ids=ids)]
    return Index(folder, ids, tuple(parts))


def index_range(name: str, index: Index) -> Part:
    """Index a range, or read its index. Runs in a worker."""
    digests = index.read(name).column("text").combine_chunks().drop_null()
    high = halves(digests)[0]
    return Part(name, int(high.min()), int(high.max())) if len(high) else Part(name, None, None)


def _generation(folder: Folder, one: Generation, *, ids: bool) -> tuple[Part, ...]:
    """Return the parts of a generation. Its file in the index is written when they all are."""
    out, name = folder / INDEX, manifest_name(one.number)
    found = _committed(out, name)
    if found is not None and (found[0] or not ids):
        return found[1]
    names = [part.name for part in one.ranges]
    mapped = here if one.counts["documents"] < LARGE else over_cluster
    done = mapped(names, index_range, Index(folder, ids, ()))
    parts = tuple(done[name] for name in names)
    out.write(name, dump_json({"ids": ids, "parts": [[part.name, part.low, part.high] for part in parts]}))
    return parts


def _committed(out: Folder, name: str) -> tuple[bool, tuple[Part, ...]] | None:
    if not out.exists(name):
        return None
    try:
        found: tuple[bool, tuple[Part, ...]] = parse_json(out.read(name), f"{out.uri}/{name}", _parsed)
    except DamageError:
        return None
    return found


def _parsed(found: Mapping[str, Any]) -> tuple[bool, tuple[Part, ...]]:
    return found["ids"] is True, tuple(Part(text(name), low, high) for name, low, high in found["parts"])


def _indexed(table: pa.Table, *, ids: bool) -> pa.Table:
    """Return the hashes of n documents with their ids."""
    names, texts = table.column("id").to_pylist(), table.column("text").to_pylist()
    of_texts = [
        (None if ids else _from_id(id)) if text is None else digest_of(text.encode())
        for id, text in zip(names, texts, strict=True)
    ]
    columns: dict[str, Sequence[bytes | None]] = {"text": of_texts}
    if ids:
        columns["id"] = [digest_of(id.encode()) for id in names]
    return pa.table({name: pa.array(values, pa.binary(16)) for name, values in columns.items()})


def _from_id(id: str) -> bytes | None:
    """Return the hash of a document without a text: its id is made of it."""
    return bytes.fromhex(id[:32]) if _BY_HASH.fullmatch(id) else None


def overlapping(parts: Sequence[Part], high: np.ndarray[Any, np.dtype[np.uint64]]) -> list[tuple[Part, slice]]:
    """Return the parts that may hold some of n texts, with the slice of these.

    Args:
        parts: the parts.
        high: (n,) the upper halves of the texts' hashes, sorted.
    """
    with_texts = [part for part in parts if part.low is not None]
    starts = np.searchsorted(high, np.array([part.low for part in with_texts], np.uint64))
    ends = np.searchsorted(high, np.array([part.high for part in with_texts], np.uint64), side="right")
    found = zip(with_texts, starts.tolist(), ends.tolist(), strict=True)
    return [(part, slice(start, end)) for part, start, end in found if start < end]
