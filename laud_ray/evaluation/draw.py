"""Draw the evaluation sample and the stop set with known inclusion probabilities, before anything is selected."""

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import scipy

from laud_ray.data.corpus import Corpus
from laud_ray.data.range_files import random_of, side_by_side
from laud_ray.evaluation.strata import Cut, Population
from laud_ray.stats import allocate_robustly, boundaries
from laud_ray.store.store import Query, Sampled
from laud_ray.types import Document, Floats, Indices

STRATA = 3
BINS = 10_000


def draw(
    population: Population,
    size: int,
    *,
    seed: Sequence[int],
    round: int = 0,
    taken: Collection[Sampled] = (),
    shift: float = 0.0,
) -> list[Sampled]:
    """Draw documents at random from each stratum, more from strata with uncertain scores.

    Within a stratum all documents are equally likely; `allocate_robustly` gives the number for each stratum. Equal
    texts count as separate documents, with one query for all of them. Memory grows with `size`, not with the corpus.

    Args:
        size: documents to draw in addition to `taken`.
        round: the round whose scores measure the uncertainty of a stratum.
        taken: documents that are already in the sample. The result includes them.
        shift: added to the log-odds of the scores, so that they are calibrated on average.
    """
    strata = population.strata
    sizes, doubt = np.zeros(strata, np.int64), np.zeros(strata)
    kept: list[list[tuple[float, str, int]]] = [[] for _ in range(strata)]
    before = {(one.range, one.row): one for one in taken}
    have = np.zeros(strata, np.int64)
    placed: list[tuple[int, str, int]] = []
    for part in population.parts(round):
        keys = random_of(part.name, seed).random(len(part.usable))
        proba = _shifted(part.score, shift)
        old: Indices = np.array([row for name, row in before if name == part.name], np.int64)
        placed += [(int(part.stratum[row]), part.name, int(row)) for row in old]
        have += np.bincount(part.stratum[old][part.usable[old]], minlength=strata)
        fresh = part.usable.copy()
        fresh[old] = False
        sizes += np.bincount(part.stratum[part.usable], minlength=strata)
        doubt += np.bincount(part.stratum, part.usable * proba * (1 - proba), minlength=strata)
        for h in range(strata):
            rows: Indices = np.flatnonzero(fresh & (part.stratum == h))
            best = rows[np.argsort(keys[rows], kind="stable")[:size]]
            kept[h] = sorted([*kept[h], *((float(keys[i]), part.name, int(i)) for i in best)])[:size]
    variance = np.divide(doubt, sizes, out=np.zeros(strata), where=sizes > 0)
    shares = allocate_robustly(sizes, variance, size, taken=have, room=sizes - have)
    chosen = [(h, name, row) for h in range(strata) for _, name, row in kept[h][: shares[h]]]
    return _describe(population.corpus, [*placed, *chosen], sizes)


def cut(population: Population, round: int, parts: Sequence[int]) -> Cut:
    """Cut each stratum of a population by the scores of a round's pass.

    Args:
        parts: the most parts for each stratum.
    """
    counts = np.zeros((population.strata, BINS), np.int64)
    for part in population.parts(round):
        bins = np.minimum((part.score * BINS).astype(np.int64), BINS - 1)
        for h in range(population.strata):
            counts[h] += np.bincount(bins[part.usable & (part.stratum == h)], minlength=BINS)
    return Cut(round, tuple(_edges(one, wanted) for one, wanted in zip(counts, parts, strict=True)))


def to_queries(corpus: Corpus, drawn: Sequence[Sampled]) -> list[Query]:
    """Create one query for each distinct text of the sample."""
    texts: dict[str, str] = {}
    names = list(dict.fromkeys(one.range for one in drawn))
    for name, table in zip(names, side_by_side(lambda one: corpus.read(one, ["text"]), names), strict=True):
        rows = [one for one in drawn if one.range == name]
        column = table.column("text").take(pa.array([one.row for one in rows]))
        texts |= {one.document_id: text for one, text in zip(rows, column.to_pylist(), strict=True)}
    return [Query(Document(key, text), "drawn at random for evaluation") for key, text in texts.items()]


def _edges(counts: Indices, parts: int) -> tuple[float, ...]:
    if parts < 2 or not counts.sum():
        return ()
    return tuple((boundaries(counts, parts) / BINS).tolist())


def _shifted(score: Floats, shift: float) -> Floats:
    return np.asarray(scipy.special.expit(scipy.special.logit(score.clip(1e-9, 1 - 1e-9)) + shift) if shift else score)


def _describe(corpus: Corpus, chosen: Sequence[tuple[int, str, int]], sizes: Indices) -> list[Sampled]:
    found: list[Sampled] = []
    names = sorted({name for _, name, _ in chosen})
    tables = side_by_side(lambda one: corpus.read(one, ["id", "duplicate_of"]), names)
    for name, table in zip(names, tables, strict=True):
        ids, firsts = table.column("id").to_pylist(), table.column("duplicate_of").to_pylist()
        found += [
            Sampled(name, row, firsts[row] or ids[row], h, int(sizes[h])) for h, part, row in chosen if part == name
        ]
    return found
