"""Measure how far documents lie from all that is known, in the space of a model.

m known vectors, n documents, d dimensions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from laud_ray.cluster.workers import Workers
from laud_ray.data.corpus import Corpus
from laud_ray.passes.candidates import CHUNK, Progress, examine
from laud_ray.passes.missing import find_missing, map_missing
from laud_ray.passes.scoring import distinct
from laud_ray.storage.folder import Folder
from laud_ray.types import Floats, Indices, SpatialScorer

BLOCK = 4096  # documents whose distances are computed at once
SCHEMA = pa.schema([("id", pa.string()), ("novelty", pa.float32())])


@dataclass(frozen=True, slots=True)
class Beside:
    """The novelty of some ranges, which a pass measures by the vectors that it scores them by.

    Attributes:
        known: (m, d) unit vectors of the scorer's space.
        out: the folder of the output, as that of `measure`.
        ranges: their names.
    """

    known: Floats
    out: Folder
    ranges: frozenset[str]


class Measuring:
    """The distances of u texts to what is known, chunk by chunk; NaN for a text that was not scored."""

    def __init__(self, u: int, known: Floats) -> None:
        self._known = known
        self._found = np.full(u + 1, np.nan, np.float32)  # the last one is that of rows without a text

    def add(self, start: int, vectors: Floats) -> None:
        """Measure the texts from `start` on, which have these unit vectors."""
        self._found[start : start + len(vectors)] = distances(vectors, self._known)

    def table(self, ids: pa.ChunkedArray, inverse: Indices) -> pa.Table:
        """Return the novelty of n rows; null for a row without a text, and for one that could not be scored.

        Args:
            ids: (n,) ids of the rows.
            inverse: (n,) the place of each row's text; -1 without one.
        """
        found = self._found[inverse]
        return pa.Table.from_arrays([ids, pa.array(found, pa.float32(), mask=np.isnan(found))], schema=SCHEMA)


class Examining:
    """Scores texts, and measures each chunk that is kept by the same vectors. `add` follows the call of `score`."""

    def __init__(self, scorer: SpatialScorer, keep: Callable[[int, Floats], None], measuring: Measuring) -> None:
        self._scorer, self._keep, self._measuring = scorer, keep, measuring
        self._vectors = np.zeros((0, 0), np.float32)

    def score(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, k) probabilities."""
        self._vectors, proba = self._scorer.examine(texts)
        return proba

    def add(self, start: int, proba: Floats) -> None:
        """Keep the probabilities of the texts of the last call, the first of which is at `start`."""
        self._measuring.add(start, self._vectors)
        self._keep(start, proba)


@dataclass(frozen=True, slots=True)
class _Job:
    """What a worker needs besides the name of a range."""

    corpus: Corpus
    model: Folder | None
    known: Floats
    out: Folder


def measure(
    corpus: Corpus, model: Folder | None, known: Floats, out: Folder, workers: Workers, progress: Progress
) -> None:
    """Write the novelty of every document of the ranges that have no file in `out`; null for one without a text.

    It is 1 minus the cosine to the nearest known vector, so in [0, 2].

    Args:
        corpus: the documents.
        model: where they have vectors; see `candidates.embed`.
        known: (m, d) unit vectors of the same space.
        out: the folder of the output, one Parquet file per range with the rows of the range.
        workers: resources of the workers.
        progress: called with the rows done and the rows in all after each range.

    Raises:
        PassError: if the work fails, or its workers die repeatedly.
    """
    missing = find_missing({part.name: part.rows for part in corpus.ranges}, out)
    progress(missing.done, missing.total)
    for done, _ in map_missing(missing, _measure_range, _Job(corpus, model, known, out), workers):
        progress(done, missing.total)


def distances(vectors: Floats, known: Floats) -> Floats:
    """Return the (n,) distances of unit vectors to the nearest of m known ones: 1 minus the cosine."""
    parts = [1 - (vectors[i : i + BLOCK] @ known.T).max(axis=1) for i in range(0, len(vectors), BLOCK)]
    return np.concatenate([np.zeros(0, np.float32), *parts])


def _measure_range(name: str, job: _Job) -> None:
    table = job.corpus.read(name, ["id", "text"])
    texts, inverse = distinct(table.column("text"))
    found = Measuring(len(texts), job.known)
    for start in range(0, len(texts), CHUNK):
        vectors, _ = examine(texts[start : start + CHUNK], job.model)
        found.add(start, vectors)
    job.out.write_table(name, found.table(table.column("id"), inverse))
