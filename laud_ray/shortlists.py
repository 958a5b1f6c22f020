"""What a pass keeps for selection, so that nothing is scanned twice: the best documents of each range, merged later."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.corpus import Corpus
from laud_ray.storage import Folder
from laud_ray.types import Bools, Candidates, Floats, Indices, QueryStrategy

SHORTLIST = "shortlist"
# Files are small, and in an object store each costs a round trip.
READERS = 16


@dataclass(frozen=True, slots=True)
class Shortlist:
    """What a pass keeps for selection: of each range, the `depth` best documents by each criterion.

    Attributes:
        exclude: ids of documents that may not be asked about.
        seed: breaks ties at random, the same way in every attempt.
        total: distinct documents of the corpus. Its ranges are random samples of them, so each needs to keep no more
            than its share of the best; None: each keeps `depth`.
    """

    strategy: QueryStrategy
    depth: int
    exclude: frozenset[str]
    seed: tuple[int, ...]
    total: int | None = None

    def share(self, distinct: int) -> int:
        """How many to keep by each criterion of a range with so many distinct documents.

        The best `depth` of the corpus fall into its ranges at random: more than this many into one once in 1e15 times.
        """
        mean = self.depth * distinct / max(self.total or distinct, distinct, 1)
        return min(self.depth, ceil(mean + 8 * sqrt(mean)) + 16)


def shortlist_range(
    wanted: Shortlist,
    name: str,
    table: pa.Table,
    scores: pa.Table,
    proba: Floats,
    inverse: Indices,
    usable: Bools,
) -> pa.Table:
    """List, for each criterion, the best documents of a range that may be asked about, equal texts once."""
    fresh = ~np.asarray(table.column("duplicate_of").is_valid())
    taken = pc.is_in(table.column("id"), value_set=pa.array(wanted.exclude, pa.string()))
    free = ~np.asarray(taken)
    rows = np.flatnonzero(usable & fresh & free)
    utility = wanted.strategy.utility(proba[inverse[rows]])
    digits = [int(c) for c in name if c.isdigit()]
    ties = np.random.default_rng([*wanted.seed, *digits]).random(len(rows))
    depth = wanted.share(int(fresh.sum()))
    criteria, places = [], []
    for criterion in range(utility.shape[1]):
        best = np.lexsort((ties, -utility[:, criterion]))[:depth]
        criteria.append(np.full(len(best), criterion, np.int32))
        places.append(best)
    at = np.concatenate(places)
    columns = scores.select(["id", "top_labels", "top_probabilities"]).take(pa.array(rows[at]))
    return (
        columns.append_column("text", table.column("text").take(pa.array(rows[at])))
        .append_column("criterion", pa.array(np.concatenate(criteria)))
        .append_column("utility", pa.array(utility[at, np.concatenate(criteria)].astype(np.float32)))
        .append_column("tie", pa.array(ties[at]))
    )


def read_shortlist(corpus: Corpus, out: Folder, depth: int) -> pa.Table:
    """Merge the shortlists of a finished pass into the `depth` best rows of each criterion, best first.

    Columns: id, text, criterion, utility, tie, top_labels, top_probabilities.
    """
    lists = out / SHORTLIST
    merged: list[pa.Table] = []
    with ThreadPoolExecutor(READERS) as readers:
        for table in readers.map(lambda part: lists.read_table(part.name), corpus.ranges):
            merged.append(table)
            if sum(part.num_rows for part in merged) > 20 * depth:
                merged = [_best(pa.concat_tables(merged), depth)]
    return _best(pa.concat_tables(merged), depth)


def _best(table: pa.Table, depth: int) -> pa.Table:
    order = np.lexsort([table.column(c).to_numpy() * s for c, s in (("tie", 1), ("utility", -1), ("criterion", 1))])
    criterion = table.column("criterion").to_numpy()[order]
    first = np.searchsorted(criterion, criterion, side="left")
    return table.take(pa.array(order[np.arange(len(order)) - first < depth]))


def to_candidates(table: pa.Table, criteria: int) -> Candidates:
    """Turn a shortlist with a row per document and criterion into one row per document."""
    ids = table.column("id").to_pylist()
    texts = dict(zip(ids, table.column("text").to_pylist(), strict=True))
    places = {key: i for i, key in enumerate(texts)}
    utility = np.full((len(texts), criteria), -np.inf)
    rows = np.asarray([places[key] for key in ids], np.int64)
    utility[rows, table.column("criterion").to_numpy()] = table.column("utility").to_numpy()
    return Candidates(list(texts), list(texts.values()), utility)
