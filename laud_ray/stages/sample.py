"""Draw the evaluation sample and the stop set, before anything is selected, with known probabilities."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from laud_ray.corpus import Corpus
from laud_ray.storage import Folder
from laud_ray.store import Query, Sampled
from laud_ray.types import Bools, Document, Floats, Indices

# Of a rare class, the zero-shot ranking's first 1 % and the next 9 % hold nearly all there is.
STRATA = (0.9, 0.99)
BINS = 10_000


def draw(
    corpus: Corpus, scores: Folder, size: int, *, seed: Sequence[int], positive: str | None = None
) -> list[Sampled]:
    """Draw documents that can be scored, uniformly, or stratified by the zero-shot score of `positive`.

    Strata are cut at the quantiles STRATA of that score and sampled alike; a stratum that is smaller
    than its share is taken whole. Equal texts are separate documents here, asked about once.
    Memory grows with `size`, not with the corpus.
    """
    edges = _edges(corpus, scores, positive) if positive is not None else np.empty(0)
    strata = len(edges) + 1
    sizes = np.zeros(strata, np.int64)
    kept: list[list[tuple[float, str, int]]] = [[] for _ in range(strata)]
    for name, usable, score in _scores(corpus, scores, positive):
        digits = [int(c) for c in name if c.isdigit()]
        keys = np.random.default_rng([*seed, *digits]).random(len(usable))
        stratum = np.searchsorted(edges, score, side="right")
        for h in range(strata):
            rows: Indices = np.flatnonzero(usable & (stratum == h))
            sizes[h] += len(rows)
            best = rows[np.argsort(keys[rows], kind="stable")[:size]]
            kept[h] = sorted([*kept[h], *((float(keys[i]), name, int(i)) for i in best)])[:size]
    shares = _allocate(size, sizes)
    chosen = [(h, name, row) for h in range(strata) for _, name, row in kept[h][: shares[h]]]
    return _describe(corpus, chosen, sizes)


def to_queries(corpus: Corpus, drawn: Sequence[Sampled]) -> list[Query]:
    """Make one query for each distinct text of the sample."""
    texts: dict[str, str] = {}
    for name in dict.fromkeys(one.range for one in drawn):
        rows = [one for one in drawn if one.range == name]
        column = corpus.read(name, ["text"]).column("text").take(pa.array([one.row for one in rows]))
        texts |= {one.document_id: text for one, text in zip(rows, column.to_pylist(), strict=True)}
    return [Query(Document(key, text), "drawn at random for evaluation") for key, text in texts.items()]


def _scores(corpus: Corpus, scores: Folder, positive: str | None) -> Iterator[tuple[str, Bools, Floats]]:
    """Yield range name, which rows were scored, and the probability of the positive class (zeros without)."""
    for part in corpus.ranges:
        table = scores.read_table(part.name, ["label", "confidence", "error"])
        usable = np.asarray(table.column("error").is_null())
        confidence = table.column("confidence").to_numpy()
        if positive is None:
            yield part.name, usable, np.zeros(len(usable))
            continue
        is_positive = np.asarray(table.column("label").cast(pa.string()).fill_null("").to_numpy() == positive)
        yield part.name, usable, np.nan_to_num(np.where(is_positive, confidence, 1 - confidence))


def _edges(corpus: Corpus, scores: Folder, positive: str) -> Floats:
    """Return the scores at the quantiles STRATA, from a histogram; ties may make strata empty."""
    counts = np.zeros(BINS, np.int64)
    for _, usable, score in _scores(corpus, scores, positive):
        counts += np.histogram(score[usable], bins=BINS, range=(0, 1))[0]
    cumulative = np.cumsum(counts) / max(counts.sum(), 1)
    return np.unique(np.asarray([(np.searchsorted(cumulative, q) + 1) / BINS for q in STRATA]))


def _allocate(size: int, sizes: Indices) -> list[int]:
    """Share `size` evenly among strata; what a small stratum cannot use goes to the others."""
    shares = np.zeros(len(sizes), np.int64)
    while shares.sum() < min(size, sizes.sum()):
        open_strata = np.flatnonzero(shares < sizes)
        each = max(1, (size - shares.sum()) // len(open_strata))
        for h in open_strata:
            shares[h] += min(each, sizes[h] - shares[h], size - shares.sum())
    return [int(share) for share in shares]


def _describe(corpus: Corpus, chosen: Sequence[tuple[int, str, int]], sizes: Indices) -> list[Sampled]:
    found: list[Sampled] = []
    for name in sorted({name for _, name, _ in chosen}):
        table = corpus.read(name, ["id", "duplicate_of"])
        ids, firsts = table.column("id").to_pylist(), table.column("duplicate_of").to_pylist()
        found += [
            Sampled(name, row, firsts[row] or ids[row], h, int(sizes[h])) for h, part, row in chosen if part == name
        ]
    return found
