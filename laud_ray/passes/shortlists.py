"""What a pass keeps for selection, so that nothing is scanned twice: the best documents of each range, merged later."""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.corpus import Corpus
from laud_ray.data.range_files import side_by_side
from laud_ray.storage.folder import Folder
from laud_ray.types import Bools, Candidates, Floats, Indices, QueryStrategy

SHORTLIST = "shortlist"
# A range keeps no more rows than so many criteria would take, but for its share of what is wanted of all of them.
CRITERIA, SHARES = 100, 4


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
        mean = self._mean(distinct)
        return min(self.depth, ceil(mean + 8 * sqrt(mean)) + 16)

    def most(self, distinct: int, criteria: int) -> int:
        """How many rows to keep in all of a range with so many distinct documents.

        With more than CRITERIA criteria it is SHARES times what a range has of the best of the corpus on average. So
        all ranges together keep at most SHARES * depth rows for each criterion, and CRITERIA * share for each range.
        """
        return max(CRITERIA * self.share(distinct), ceil(SHARES * criteria * self._mean(distinct)))

    def _mean(self, distinct: int) -> float:
        """How many of the best `depth` of the corpus a range with so many distinct documents has on average."""
        return self.depth * distinct / max(self.total or distinct, distinct, 1)


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
    rng = np.random.default_rng([*wanted.seed, *digits])
    ties, distinct = rng.random(len(rows)), int(fresh.sum())
    depths = _depths(utility.shape[1], wanted.share(distinct), wanted.most(distinct, utility.shape[1]), rng)
    places = [_first(utility[:, criterion], ties, depth) for criterion, depth in enumerate(depths)]
    criteria = np.repeat(np.arange(len(places), dtype=np.int32), [len(one) for one in places])
    at = np.concatenate(places)
    columns = scores.select(["id", "top_labels", "top_probabilities"]).take(pa.array(rows[at]))
    return (
        columns.append_column("text", table.column("text").take(pa.array(rows[at])))
        .append_column("criterion", pa.array(criteria))
        .append_column("utility", pa.array(utility[at, criteria].astype(np.float32)))
        .append_column("tie", pa.array(ties[at]))
    )


def read_shortlist(corpus: Corpus, out: Folder, depth: int) -> pa.Table:
    """Merge the shortlists of a finished pass into the `depth` best rows of each criterion, best first.

    Columns: id, text, criterion, utility, tie, top_labels, top_probabilities.
    """
    lists = out / SHORTLIST
    merged: list[pa.Table] = []
    most = 20 * depth
    for table in side_by_side(lambda part: lists.read_table(part.name), corpus.ranges):
        merged.append(table)
        if sum(part.num_rows for part in merged) > most:
            merged = [_best(pa.concat_tables(merged), depth)]
            # Merging costs as much as it takes rows: each time there are twice as many as are kept.
            most = max(20 * depth, 2 * merged[0].num_rows)
    return _best(pa.concat_tables(merged), depth)


def _depths(criteria: int, share: int, most: int, rng: np.random.Generator) -> Indices:
    """Say how many rows to keep by each criterion: `share`, or as evenly as can be where that is too many in all.

    Which criteria get one more than others is drawn anew for each range, so that none goes without.
    """
    depths = np.full(criteria, min(share, most // criteria), np.int64)
    if share * criteria > most:
        depths[rng.permutation(criteria)[: most % criteria]] += 1
    return depths


def _first(utility: Floats, ties: Floats, depth: int) -> Indices:
    """Return the rows of the `depth` largest of (n,) utilities, largest first; of equal ones the smaller tie first."""
    falling = -utility
    rows = np.arange(len(falling))
    if depth < len(falling):
        # Only what may be among them is sorted: those equal to the last one too.
        rows = np.flatnonzero(~(falling > np.partition(falling, max(depth - 1, 0))[max(depth - 1, 0)]))
    best: Indices = rows[np.lexsort((ties[rows], falling[rows]))[:depth]]
    return best


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
