"""Open a normalised corpus: its ranges, and its sealed labels, which only an oracle may read."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.generations import manifest
from laud_ray.data.generations.manifest import FIRST, Generation, number_of
from laud_ray.data.label_counts import ColumnLabels, load_labels
from laud_ray.data.sharding.buckets import digest_of
from laud_ray.data.sharding.ordering import RANGE_SCHEMA as RANGE_SCHEMA
from laud_ray.data.sharding.ordering import SEALED
from laud_ray.data.sharding.ordering import Range as Range
from laud_ray.storage.checksums import parse_json
from laud_ray.storage.folder import Folder

MANIFEST = "corpus.json"
SEALED_LABELS = "labels.json"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents, normalised once; those that were appended later form further generations.

    Each range has the columns id, text, error and duplicate_of. A document that cannot be scored has
    no text and an error that says why; duplicate_of is the id of the first document with that text. No text and no id
    is in two generations.

    Attributes:
        ranges: the ranges of all generations, in order.
        counts: documents, unique, duplicates, errors, truncated, and a count for each error.
        fingerprint: a hash of all ids and texts in order.
        notes: remarks for people on how the source was read: that of the first generation, and of the last one.
        generations: the generations, in order.
        origin: the fingerprint of the first generation, which stays the same however the corpus grows; `corpus_of` and
            `of_generation` set it. "": the corpus has not grown, and `fingerprint` takes its place.
    """

    folder: Folder
    ranges: tuple[Range, ...]
    counts: Mapping[str, int]
    fingerprint: str
    notes: tuple[str, ...] = ()
    generations: tuple[Generation, ...] = ()
    origin: str = ""

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Return a range's rows, always in the same order."""
        return self.folder.read_table(name, columns)

    def some_texts(self, n: int, *, once: bool = False) -> tuple[str, ...]:
        """Return at most n distinct texts: a random sample, because ranges are sorted by hash; always the same one.

        Each generation has its share of them.

        Args:
            n: how many.
            once: whether texts that several documents of a generation have are left out.
        """
        if len(self.generations) < 2:
            return tuple(islice(self._texts(once=once), n))
        parts = [(one.pool_size, self.of_generation(one.number)._texts(once=once)) for one in self.generations]
        return tuple(islice(_in_proportion(parts), n))

    def of_generation(self, number: int) -> "Corpus":
        """Return a corpus of one generation's documents alone; its passes may share a folder with those of all.

        Raises:
            ValueError: if there is no such generation.
        """
        found = next((one for one in self.generations if one.number == number), None)
        if found is None:
            raise ValueError(f"generation {number} is not valid; expected 1 to {len(self.generations)}")
        return replace(corpus_of(self.folder, (found,)), origin=self.identity)

    def distinct_beside(self, name: str) -> int | None:
        """Return the number of distinct documents of the generation that a range is of; None if it is not known.

        A range is a random sample of its generation.
        """
        number = number_of(name)
        return next((one.pool_size for one in self.generations if one.number == number), None)

    @property
    def identity(self) -> str:
        """What tells this corpus from others. It stays the same when documents are appended."""
        return self.origin or self.fingerprint

    @property
    def pool_size(self) -> int:
        """Number of documents that can be asked about: distinct texts."""
        return self.counts["unique"]

    def _texts(self, *, once: bool) -> Iterator[str]:
        """Yield the distinct texts in order, range by range."""
        seen: set[str] = set()
        for one in self.ranges:
            table = self.read(one.name, ["id", "text", "duplicate_of"] if once else ["text"])
            table = table.filter(occurs_once(table)) if once else table
            for text in table.column("text").to_pylist():
                if text is not None and text not in seen:
                    seen.add(text)
                    yield text


def occurs_once(rows: pa.Table) -> pa.ChunkedArray:
    """Return which rows of a range have a text that no other row has; equal texts lie side by side.

    Args:
        rows: columns id and duplicate_of.
    """
    copied = pc.drop_null(rows.column("duplicate_of"))
    return pc.and_(pc.is_null(rows.column("duplicate_of")), pc.invert(pc.is_in(rows.column("id"), value_set=copied)))


def _in_proportion(parts: Sequence[tuple[int, Iterator[str]]]) -> Iterator[str]:
    """Merge texts so that after any number of them, each part has had its share.

    Args:
        parts: the number of texts of each part, and these texts, which are read as they are needed.
    """
    waiting = [(0.5 / size, i, 0) for i, (size, _) in enumerate(parts) if size]
    heapify(waiting)
    while waiting:
        _, i, taken = heappop(waiting)
        size, texts = parts[i]
        if (text := next(texts, None)) is not None:
            yield text
            heappush(waiting, ((taken + 1.5) / size, i, taken + 1))


def open_corpus(folder: Folder) -> Corpus | None:
    """Return the corpus in the folder with all generations that are committed, or None if it has not been finished.

    Raises:
        DamageError: if a manifest is damaged or missing.
    """
    if not folder.exists(MANIFEST):
        return None
    place = f"{folder.uri}/{MANIFEST}"
    first = parse_json(folder.read(MANIFEST), place, lambda found: manifest.parse(found, FIRST))
    return corpus_of(folder, (first, *manifest.later_generations(folder)))


def corpus_of(folder: Folder, generations: Sequence[Generation]) -> Corpus:
    """Return the union of generations in a folder; the first one given is its origin."""
    first, last = generations[0], generations[-1]
    return Corpus(
        folder,
        tuple(part for one in generations for part in one.ranges),
        manifest.joined_counts(generations),
        manifest.joined_fingerprint(one.fingerprint for one in generations),
        tuple(dict.fromkeys([*first.notes, *last.notes])),
        tuple(generations),
        first.fingerprint,
    )


def document_id(text: str) -> str:
    """Return the id of a normalised text, for a source without an id column: 32 hexadecimal digits."""
    return digest_of(text.encode()).hex()


def sealed_values(corpus: Corpus, ids: Sequence[str]) -> dict[str, str | None]:
    """Return the values of the sealed column by document id. Only an oracle may call this.

    Later generations are read first, because they are small, and an update asks about the documents of the last one.
    """
    wanted = pa.array(list(ids), pa.string())
    found: dict[str, str | None] = {}
    for part in sorted(corpus.ranges, key=lambda one: -number_of(one.name)):
        table = (corpus.folder / SEALED).read_table(part.name)
        table = table.filter(pc.is_in(table.column("id"), wanted))
        found.update(zip(table.column("id").to_pylist(), table.column("value").to_pylist(), strict=True))
        if len(found) == len(ids):
            break
    return found


def labels_name(generation: int) -> str:
    """Return the name of the counts of the sealed column over a generation."""
    return SEALED_LABELS if generation == FIRST else f"labels-{generation:04d}.json"


def sealed_labels(corpus: Corpus) -> ColumnLabels | None:
    """Return the counts of the sealed column over documents with a text; None for a corpus of an earlier version."""
    sealed = corpus.folder / SEALED
    names = [labels_name(one.number) for one in corpus.generations] or [SEALED_LABELS]
    if not sealed.exists(names[0]):
        return None
    parts = [load_labels(sealed.read(name), f"{sealed.uri}/{name}") for name in names]
    counts: Counter[str] = Counter()
    for one in parts:
        counts.update(one.counts)
    # Texts of different generations differ, so that texts with two labels may be added up.
    keys = ("others", "missing", "two_labels", "empty")
    others, missing, two, empty = (sum(getattr(one, key) for one in parts) for key in keys)
    return ColumnLabels(dict(counts), others, missing, two, empty)


def first_sealed_values(corpus: Corpus) -> set[str]:
    """Return the distinct sealed values of the first ranges, which are a random sample of the corpus."""
    tables = ((corpus.folder / SEALED).read_table(part.name, ["value"]) for part in corpus.ranges[:8])
    return {value for table in tables for value in table.column("value").unique().to_pylist() if value is not None}
