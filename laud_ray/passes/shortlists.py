"""Keep the best documents of each range during a pass, and merge them later, so that selection scans nothing again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.corpus import Corpus
from laud_ray.data.range_files import random_of, side_by_side
from laud_ray.label_sets import LabelSet
from laud_ray.passes.coded import coded
from laud_ray.passes.summary import Summary
from laud_ray.storage.folder import Folder
from laud_ray.types import Bools, Candidates, Floats, Indices, QueryStrategy

SHORTLIST = "shortlist"
# Limits on a range's rows where there are many criteria; see Shortlist.most.
CRITERIA, SHARES = 100, 4


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Settings of what a pass keeps for selection: the best documents of each range by each criterion.

    Attributes:
        strategy: its utilities are the criteria.
        depth: documents that are wanted of the whole corpus for each criterion.
        exclude: ids of documents that may not be asked about.
        seed: breaks ties at random, the same way in every attempt.
        total: number of distinct documents of the generation that a range is of. Ranges are random samples of it, so
            each keeps only its share of the best. None: each range keeps `depth`.
    """

    strategy: QueryStrategy
    depth: int
    exclude: frozenset[str]
    seed: tuple[int, ...]
    total: int | None = None

    def share(self, distinct: int) -> int:
        """Return how many documents a range of `distinct` distinct documents keeps for each criterion.

        The best `depth` documents of the corpus are spread over its ranges at random. A range holds more of them than
        this number with a probability of about 1e-15.
        """
        mean = self._mean(distinct)
        return min(self.depth, ceil(mean + 8 * sqrt(mean)) + 16)

    def most(self, distinct: int, criteria: int) -> int:
        """Return how many rows a range of `distinct` distinct documents keeps at most, over all criteria.

        It is the larger of two numbers: CRITERIA * share, so that up to CRITERIA criteria are never limited; and
        SHARES times the number of best documents that the range holds on average, summed over the criteria.
        """
        return max(CRITERIA * self.share(distinct), ceil(SHARES * criteria * self._mean(distinct)))

    def _mean(self, distinct: int) -> float:
        """Return how many of the best `depth` documents of the corpus a range of this size holds on average."""
        return self.depth * distinct / max(self.total or distinct, distinct, 1)


def shortlist_range(
    wanted: Shortlist,
    name: str,
    table: pa.Table,
    scores: pa.Table,
    found: Summary,
    inverse: Indices,
    usable: Bools,
    labels: Sequence[str],
) -> pa.Table:
    """Return the best documents of a range for each criterion, without excluded ones and duplicates.

    Args:
        wanted: the settings.
        name: the range's name, which seeds the order of ties together with wanted.seed.
        table: the n rows of the range in the corpus.
        scores: the n output rows of the pass.
        found: what is known of the distinct texts, with the utilities of wanted.strategy.
        inverse: (n,) index of each row's distinct text.
        usable: (n,) whether a row was scored.
        labels: the names of the k classes.

    Returns:
        A row for each document and criterion; the columns are those of read_shortlist.
    """
    first = ~np.asarray(table.column("duplicate_of").is_valid())
    excluded = np.asarray(pc.is_in(table.column("id"), value_set=pa.array(wanted.exclude, pa.string())))
    rows = np.flatnonzero(usable & first & ~excluded)
    assert found.utility is not None, "the texts were summarised without the strategy of the shortlist"
    utility = found.utility[inverse[rows]]
    rng = random_of(name, wanted.seed)
    ties, distinct = rng.random(len(rows)), int(first.sum())
    depths = _depths(utility.shape[1], wanted.share(distinct), wanted.most(distinct, utility.shape[1]), rng)
    places = [_first(utility[:, criterion], ties, depth) for criterion, depth in enumerate(depths)]
    criteria = np.repeat(np.arange(len(places), dtype=np.int32), [len(one) for one in places])
    at = np.concatenate(places)
    taken = rows[at]
    # In a multilabel task, the predicted set and the probability that it is right.
    more = ["labels", "confidence"] if "labels" in scores.column_names else []
    columns = scores.select(["id", *more]).take(pa.array(taken))
    for column, values in zip(("top_labels", "top_probabilities"), _listed(labels, found, inverse[taken]), strict=True):
        columns = columns.append_column(column, values)
    return (
        columns.append_column("text", table.column("text").take(pa.array(taken)))
        .append_column("criterion", pa.array(criteria))
        .append_column("utility", pa.array(utility[at, criteria].astype(np.float32)))
        .append_column("tie", pa.array(ties[at]))
    )


def _listed(names: Sequence[str], found: Summary, texts: Indices) -> tuple[pa.Array, pa.Array]:
    """Return the likeliest labels of texts and their probabilities: of a taxonomy more than the scores have."""
    order, best = found.order[texts], found.best[texts]
    offsets = pa.array(np.arange(0, order.size + 1, order.shape[1], dtype=np.int32))
    labels = coded(order.ravel(), pa.array(names, pa.string()))
    return pa.ListArray.from_arrays(offsets, labels), pa.ListArray.from_arrays(offsets, pa.array(best.ravel()))


def read_shortlist(corpus: Corpus, out: Folder, depth: int) -> pa.Table:
    """Merge the shortlists of a finished pass into the `depth` best rows of each criterion, best first.

    Columns: id, text, criterion, utility, tie, top_labels, top_probabilities; of a multilabel task also labels and
    confidence, as in the pass.
    """
    lists = out / SHORTLIST
    merged: list[pa.Table] = []
    most = 20 * depth
    for table in side_by_side(lambda part: lists.read_table(part.name), corpus.ranges):
        merged.append(table)
        if sum(part.num_rows for part in merged) > most:
            merged = [_best(pa.concat_tables(merged), depth)]
            # The cost of a merge grows with its rows, so the next one waits until they have doubled.
            most = max(20 * depth, 2 * merged[0].num_rows)
    return _best(pa.concat_tables(merged), depth)


def predicted_in(row: Mapping[str, Any]) -> tuple[str, float]:
    """Return the prediction in a row of a shortlist, as an answer has it, and the probability that it is right."""
    if "labels" in row:
        return LabelSet.of(row["labels"]).text, row["confidence"]
    return row["top_labels"][0], row["top_probabilities"][0]


def _depths(criteria: int, share: int, most: int, rng: np.random.Generator) -> Indices:
    """Return the number of rows to keep for each criterion: `share`, or fewer if the sum would exceed `most`.

    `most` is divided evenly. Which criteria get a row of the remainder is random in each range, so that over many
    ranges every criterion gets rows.
    """
    depths = np.full(criteria, min(share, most // criteria), np.int64)
    if share * criteria > most:
        depths[rng.permutation(criteria)[: most % criteria]] += 1
    return depths


def _first(utility: Floats, ties: Floats, depth: int) -> Indices:
    """Return the indices of the `depth` largest of (n,) utilities, largest first; `ties` orders equal ones."""
    falling = -utility
    rows = np.arange(len(falling))
    if depth < len(falling):
        # Sort only the rows that can be among them, which includes all that equal the last one.
        rows = np.flatnonzero(~(falling > np.partition(falling, max(depth - 1, 0))[max(depth - 1, 0)]))
    best: Indices = rows[np.lexsort((ties[rows], falling[rows]))[:depth]]
    return best


def _best(table: pa.Table, depth: int) -> pa.Table:
    order = np.lexsort([table.column(c).to_numpy() * s for c, s in (("tie", 1), ("utility", -1), ("criterion", 1))])
    criterion = table.column("criterion").to_numpy()[order]
    first = np.searchsorted(criterion, criterion, side="left")
    return table.take(pa.array(order[np.arange(len(order)) - first < depth]))


def to_candidates(table: pa.Table, criteria: int) -> Candidates:
    """Turn a shortlist, with a row for each document and criterion, into candidates with one row for each document."""
    ids = table.column("id").to_pylist()
    texts = dict(zip(ids, table.column("text").to_pylist(), strict=True))
    places = {key: i for i, key in enumerate(texts)}
    utility = np.full((len(texts), criteria), -np.inf)
    rows = np.asarray([places[key] for key in ids], np.int64)
    utility[rows, table.column("criterion").to_numpy()] = table.column("utility").to_numpy()
    return Candidates(list(texts), list(texts.values()), utility)
