"""Leave out rows of new data that a corpus has already, by their id or by their text."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.generations.index import Index, overlapping
from laud_ray.data.range_files import side_by_side
from laud_ray.data.sharding.buckets import Halves, digests_of, find, halves, read_buckets, write_buckets
from laud_ray.data.sharding.ordering import Changed, Group, Sifted
from laud_ray.data.sharding.partition import IDS
from laud_ray.storage.folder import Folder
from laud_ray.types import Bools, Indices

KNOWN = "known"
SEEN_ID, SEEN_TEXT, CHANGED = "seen by id", "seen by text", "changed"
# Rows whose ids are looked up at once; each time reads the whole index.
ID_ROWS = 4_000_000
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class IdJob:
    """What a worker needs to look up the ids of some buckets.

    Attributes:
        groups: groups of buckets of ids, by name.
        files: names of the bucket files.
        scratch: folder of the bucket files.
        index: the index of the corpus.
    """

    groups: Mapping[str, Group]
    files: tuple[str, ...]
    scratch: Folder
    index: Index


def known_ids(name: str, job: IdJob) -> str | None:
    """Look up the ids of a group in a corpus, and write the rows whose id is known into buckets. Runs in a worker.

    Returns:
        The name of the file with these rows; None if there are none.
    """
    rows = read_buckets(job.scratch / IDS, job.files, range(*job.groups[name].buckets)).combine_chunks()
    order = np.lexsort(halves(rows.column("digest").combine_chunks())[::-1])
    rows = rows.take(pa.array(order)).combine_chunks()
    ids, texts = (halves(rows.column(key).combine_chunks()) for key in ("digest", "of_row"))
    has_text = rows.column("has_text").to_numpy()
    range_of, changed = np.full(len(has_text), -1, np.int64), np.zeros(len(has_text), np.bool_)
    parts = [part.name for part in job.index.parts]
    for number, table in enumerate(side_by_side(job.index.read, parts)):
        places = find(ids, halves(table.column("id").combine_chunks()))
        hit = np.flatnonzero(places >= 0)
        at, digests = places[hit], table.column("text").combine_chunks().take(pa.array(hit))
        had_text = np.asarray(digests.is_valid())
        high, low = halves(digests)
        differs = (texts[0][at] != high) | (texts[1][at] != low)
        range_of[at], changed[at] = number, np.where(has_text[at] & had_text, differs, has_text[at] != had_text)
    known = np.flatnonzero(range_of >= 0)
    if not len(known):
        return None
    found = rows.take(pa.array(known))
    columns = [found.column("of_row"), found.column("digest"), pa.array(changed[known])]
    columns.append(pa.array([parts[i] for i in range_of[known]], pa.string()))
    write_buckets(job.scratch / KNOWN, name, pa.table(columns, names=["digest", "id", "changed", "range"]))
    return name


@dataclass(frozen=True, slots=True)
class Known:
    """A sieve that leaves out what a corpus has.

    A row whose id is known is left out; with another text it counts as changed. A row whose text is known is left out,
    whatever its id. Without ids, the same holds for rows without a valid text, because their id is a hash too.

    Attributes:
        index: the index of the corpus.
        scratch: folder of the bucket files.
        files: the files that `known_ids` wrote.
    """

    index: Index
    scratch: Folder
    files: tuple[str, ...]

    def sift(self, table: pa.Table, first: Bools, buckets: tuple[int, int]) -> Sifted:
        """See `Sieve.sift`."""
        starts = np.flatnonzero(first)
        high, low = halves(table.column("digest").combine_chunks())
        by_text = self._has_texts((high[starts], low[starts]))[np.cumsum(first) - 1]
        if self.index.ids:
            by_text &= table.column("text").is_valid().to_numpy()
        places, rows = self._with_known_ids(table, buckets)
        by_id = places >= 0
        changed = np.zeros(len(first), np.bool_)
        if rows is not None:
            changed[by_id] = rows.column("changed").to_numpy()[places[by_id]]
        skipped = Counter(
            {
                SEEN_ID: int((by_id & ~changed).sum()),
                SEEN_TEXT: int((by_text & ~by_id).sum()),
                CHANGED: int(changed.sum()),
            }
        )
        shown = () if rows is None else _examples(table, rows, np.flatnonzero(changed)[:EXAMPLES], places)
        return Sifted(~(by_text | by_id), skipped, shown)

    def _has_texts(self, wanted: Halves) -> Bools:
        """Return (n,) whether each of n different hashes, which are sorted, is that of a text of the corpus."""
        found = np.zeros(len(wanted[0]), np.bool_)
        parts = overlapping(self.index.parts, wanted[0])
        tables = side_by_side(lambda one: self.index.read(one[0].name), parts)
        for (_, rows), table in zip(parts, tables, strict=True):
            among = wanted[0][rows], wanted[1][rows]
            places = find(among, halves(table.column("text").combine_chunks().drop_null()))
            found[rows.start + places[places >= 0]] = True
        return found

    def _with_known_ids(self, table: pa.Table, buckets: tuple[int, int]) -> tuple[Indices, pa.Table | None]:
        """Return (n,) the place of each row among those whose id is known, or -1; and these rows."""
        nowhere = np.full(table.num_rows, -1, np.int64)
        if not self.files:
            return nowhere, None
        rows = read_buckets(self.scratch / KNOWN, self.files, range(*buckets)).combine_chunks()
        if not rows.num_rows or not table.num_rows:
            return nowhere, None
        ids = digests_of(table.column("id").cast(pa.large_binary()).to_pylist())
        places = pc.fill_null(pc.index_in(ids, value_set=rows.column("id").combine_chunks()), -1)
        return places.to_numpy(), rows


def _examples(table: pa.Table, known: pa.Table, rows: Indices, places: Indices) -> tuple[Changed, ...]:
    """Describe some rows of a table whose place among the known ones is `places`."""
    ids, texts, ranges = table.column("id"), table.column("text"), known.column("range")
    return tuple(
        Changed(ids[row].as_py(), texts[row].as_py(), ranges[int(places[row])].as_py()) for row in rows.tolist()
    )
