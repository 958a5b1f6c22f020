"""Measure how far documents lie from all that is known, in the space of a model.

m known vectors, n documents, d dimensions.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from laud_ray.cluster.workers import Workers
from laud_ray.data.corpus import Corpus
from laud_ray.passes.candidates import CHUNK, Progress, examine
from laud_ray.passes.missing import find_missing, map_missing
from laud_ray.passes.scoring import distinct
from laud_ray.storage.folder import Folder
from laud_ray.types import Floats

BLOCK = 4096  # documents whose distances are computed at once
SCHEMA = pa.schema([("id", pa.string()), ("novelty", pa.float32())])


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
    found = np.full(len(texts) + 1, np.nan, np.float32)  # the last one is that of rows without a text
    for start in range(0, len(texts), CHUNK):
        some = texts[start : start + CHUNK]
        vectors, _ = examine(some, job.model)
        found[start : start + len(some)] = distances(vectors, job.known)
    novelty = pa.array(found[inverse], pa.float32(), mask=inverse < 0)
    job.out.write_table(name, pa.Table.from_arrays([table.column("id"), novelty], schema=SCHEMA))
