"""Draw the documents of a probe at random, with those first of which the right label is known."""

from collections.abc import Iterator, Sequence

import numpy as np

from laud_ray.data.corpus import Corpus
from laud_ray.evaluation.draw import to_queries
from laud_ray.store import rechecks
from laud_ray.store.run import RunFolder
from laud_ray.store.store import Sampled
from laud_ray.types import Document


def draw_documents(run: RunFolder, corpus: Corpus, n: int, known: set[str]) -> list[Document]:
    """Draw n documents at random: those with a trusted answer first, then others of the evaluation sample.

    Documents of the sample are drawn with weights, so that each document of the corpus is about as likely as any other,
    although the sample may have more of some strata.
    """
    if n <= 0:
        return []
    rng = np.random.default_rng([run.config.seed, 5, len(known)])
    sample = {one.document_id: one for one in run.store.sample("evaluation")}
    texts = {one.id: one for one in (query.document for query in to_queries(corpus, list(sample.values())))}
    trusted = _asked_trusted(run)
    groups = [[one for one in sample.values() if (one.document_id in trusted) == first] for first in (True, False)]
    chosen: list[Document] = []
    for group in groups:
        fresh = [one for one in group if one.document_id not in known]
        chosen += [texts[fresh[i].document_id] for i in order(fresh, rng)]
    rest = _others(corpus, known | set(sample), rng) if len(chosen) < n else iter(())
    while len(chosen) < n:
        chosen.append(next(rest))
    return chosen[:n]


def order(group: Sequence[Sampled], rng: np.random.Generator) -> list[int]:
    """Return the group's places in a random order, those that stand for more documents earlier.

    Efraimidis and Spirakis (2006), "Weighted Random Sampling with a Reservoir".
    """
    sizes = {one.stratum: one.stratum_size for one in group}
    counts = {h: sum(one.stratum == h for one in group) for h in sizes}
    weights = np.array([sizes[one.stratum] / counts[one.stratum] for one in group])
    places: list[int] = np.argsort(rng.exponential(size=len(group)) / np.maximum(weights, 1e-12)).tolist()
    return places


def _others(corpus: Corpus, known: set[str], rng: np.random.Generator) -> Iterator[Document]:
    """Yield the other documents of the corpus in a random order, each generation as often as its share."""
    parts = [corpus.of_generation(one.number) for one in corpus.generations]
    if len(parts) < 2:
        yield from _of_ranges(corpus, known, rng)
        return
    waiting = [_of_ranges(one, known, rng) for one in parts]
    left = np.array([one.pool_size for one in parts], np.float64)
    while left.any():
        i = int(rng.choice(len(parts), p=left / left.sum()))
        left[i] -= 1
        if (document := next(waiting[i], None)) is None:
            left[i] = 0
        else:
            yield document


def _of_ranges(corpus: Corpus, known: set[str], rng: np.random.Generator) -> Iterator[Document]:
    """Yield the other documents in a random order, one range after the other: a range is a random sample."""
    for i in rng.permutation(len(corpus.ranges)).tolist():
        table = corpus.read(corpus.ranges[i].name, ["id", "text", "duplicate_of"])
        rows = table.to_pylist()
        for j in rng.permutation(len(rows)).tolist():
            row = rows[j]
            if row["text"] is not None and row["duplicate_of"] is None and row["id"] not in known:
                yield Document(row["id"], row["text"])


def _asked_trusted(run: RunFolder) -> set[str]:
    """The documents of the evaluation sample about which the most trusted oracle was asked."""
    if run.config.trusted_oracle() is not None:
        return set(rechecks.trusted_answers(run.store.engine))
    return {one.query.document.id for one in run.store.queries("evaluation") if one.answered}
