"""Open a normalised corpus: its ranges, and its sealed labels, which only an oracle may read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.label_counts import ColumnLabels, load_labels
from laud_ray.data.sharding.buckets import digest_of
from laud_ray.data.sharding.ordering import RANGE_SCHEMA as RANGE_SCHEMA
from laud_ray.data.sharding.ordering import SEALED
from laud_ray.data.sharding.ordering import Range as Range
from laud_ray.storage.checksums import count, parse_json, texts
from laud_ray.storage.checksums import text as text_of
from laud_ray.storage.folder import Folder

MANIFEST = "corpus.json"
SEALED_LABELS = "labels.json"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents, normalised once.

    Each range has the columns id, text, error and duplicate_of. A document that cannot be scored has
    no text and an error that says why; duplicate_of is the id of the first document with that text.

    Attributes:
        counts: documents, unique, duplicates, errors, truncated, and a count for each error.
        fingerprint: a hash of all ids and texts in order.
        notes: remarks for people on how the source was read.
    """

    folder: Folder
    ranges: tuple[Range, ...]
    counts: Mapping[str, int]
    fingerprint: str
    notes: tuple[str, ...] = ()

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Return a range's rows, always in the same order."""
        return self.folder.read_table(name, columns)

    def some_texts(self, n: int) -> tuple[str, ...]:
        """Return at most n distinct texts: a random sample, because ranges are sorted by hash; always the same one."""
        texts: dict[str, None] = {}
        for one in self.ranges:
            table = self.read(one.name, ["text"])
            texts |= dict.fromkeys(text for text in table.column("text").to_pylist() if text is not None)
            if len(texts) >= n:
                break
        return tuple(texts)[:n]

    @property
    def pool_size(self) -> int:
        """Number of documents that can be asked about: distinct texts."""
        return self.counts["unique"]


def open_corpus(folder: Folder) -> Corpus | None:
    """Return the corpus in the folder, or None if it has not been finished.

    Raises:
        DamageError: if its manifest is damaged.
    """
    if not folder.exists(MANIFEST):
        return None

    def read(found: Mapping[str, Any]) -> Corpus:
        ranges = tuple(Range(text_of(one["name"]), count(one["rows"])) for one in found["ranges"])
        counts = {name: count(number) for name, number in found["counts"].items()}
        return Corpus(folder, ranges, counts, text_of(found["fingerprint"]), texts(found.get("notes", [])))

    return parse_json(folder.read(MANIFEST), f"{folder.uri}/{MANIFEST}", read)


def document_id(text: str) -> str:
    """Return the id of a normalised text, for a source without an id column: 32 hexadecimal digits."""
    return digest_of(text.encode()).hex()


def sealed_values(corpus: Corpus, ids: Sequence[str]) -> dict[str, str | None]:
    """Return the values of the sealed column by document id. Only an oracle may call this."""
    wanted = pa.array(list(ids), pa.string())
    found: dict[str, str | None] = {}
    for part in corpus.ranges:
        table = (corpus.folder / SEALED).read_table(part.name)
        table = table.filter(pc.is_in(table.column("id"), wanted))
        found.update(zip(table.column("id").to_pylist(), table.column("value").to_pylist(), strict=True))
        if len(found) == len(ids):
            break
    return found


def sealed_labels(corpus: Corpus) -> ColumnLabels | None:
    """Return the counts of the sealed column over documents with a text; None for a corpus of an earlier version."""
    sealed = corpus.folder / SEALED
    if not sealed.exists(SEALED_LABELS):
        return None
    return load_labels(sealed.read(SEALED_LABELS), f"{sealed.uri}/{SEALED_LABELS}")


def first_sealed_values(corpus: Corpus) -> set[str]:
    """Return the distinct sealed values of the first ranges, which are a random sample of the corpus."""
    tables = ((corpus.folder / SEALED).read_table(part.name, ["value"]) for part in corpus.ranges[:8])
    return {value for table in tables for value in table.column("value").unique().to_pylist() if value is not None}
