"""Measure how far documents lie from all that is known, in the space of a model.

m known vectors, n documents, d dimensions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from laud_ray.cluster.workers import Workers
from laud_ray.data.corpus import Corpus
from laud_ray.errors import PassError
from laud_ray.models.encoder.encoding import BUNDLED, Encoder
from laud_ray.models.faults import engine_errors
from laud_ray.passes.missing import find_missing, map_missing
from laud_ray.passes.scoring import distinct, load_scorer, open_model
from laud_ray.passes.stored import mapped
from laud_ray.storage.folder import Folder
from laud_ray.types import Floats, SpatialScorer

CHUNK = 2000  # texts per call
TOKENS = 64  # tokens of a text that the bundled encoder reads
BLOCK = 4096  # documents whose distances are computed at once
SCHEMA = pa.schema([("id", pa.string()), ("novelty", pa.float32())])

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Space:
    """Where texts have vectors: a model of an encoder, or the bundled encoder if `model` is None."""

    model: Folder | None

    def embed(self, texts: Sequence[str]) -> Floats:
        """Map n texts to (n, d) unit vectors; in the worker."""
        with engine_errors():
            if self.model is None:
                return _bundled().embed(texts)
            scorer = load_scorer(self.model, open_model)
            if isinstance(scorer, SpatialScorer):
                return scorer.examine(texts)[0]
        raise PassError(f"{self.model.uri}: a {type(scorer).__name__} has no vectors; expected a model of an encoder")


@dataclass(frozen=True, slots=True)
class _Job:
    """What a worker needs besides the name of a range."""

    corpus: Corpus
    space: Space
    known: Floats
    out: Folder


def embed(
    texts: Sequence[str], space: Space, workers: Workers, progress: Progress = lambda done, total: None
) -> Floats:
    """Return the (n, d) vectors of texts, which workers compute in chunks.

    Raises:
        PassError: if the work fails, or its workers die repeatedly.
    """
    starts = {f"texts {start} to {min(start + CHUNK, len(texts))}": start for start in range(0, len(texts), CHUNK)}
    found: dict[int, Floats] = {}
    done = 0
    for name, vectors in mapped(list(starts), _embed_chunk, (tuple(texts), starts, space), workers):
        found[starts[name]] = vectors
        done += len(vectors)
        progress(done, len(texts))
    return np.concatenate([found[start] for start in sorted(found)])


def measure(corpus: Corpus, space: Space, known: Floats, out: Folder, workers: Workers, progress: Progress) -> None:
    """Write the novelty of every document of the ranges that have no file in `out`; null for one without a text.

    It is 1 minus the cosine to the nearest known vector, so in [0, 2].

    Args:
        corpus: the documents.
        space: where they have vectors.
        known: (m, d) unit vectors of the same space.
        out: the folder of the output, one Parquet file per range with the rows of the range.
        workers: resources of the workers.
        progress: called with the rows done and the rows in all after each range.

    Raises:
        PassError: if the work fails, or its workers die repeatedly.
    """
    missing = find_missing({part.name: part.rows for part in corpus.ranges}, out)
    progress(missing.done, missing.total)
    for done, _ in map_missing(missing, _measure_range, _Job(corpus, space, known, out), workers):
        progress(done, missing.total)


def distances(vectors: Floats, known: Floats) -> Floats:
    """Return the (n,) distances of unit vectors to the nearest of m known ones: 1 minus the cosine."""
    parts = [1 - (vectors[i : i + BLOCK] @ known.T).max(axis=1) for i in range(0, len(vectors), BLOCK)]
    return np.concatenate([np.zeros(0, np.float32), *parts])


def _embed_chunk(name: str, job: tuple[tuple[str, ...], dict[str, int], Space]) -> Floats:
    texts, starts, space = job
    return space.embed(texts[starts[name] : starts[name] + CHUNK])


def _measure_range(name: str, job: _Job) -> None:
    table = job.corpus.read(name, ["id", "text"])
    texts, inverse = distinct(table.column("text"))
    found = np.full(len(texts) + 1, np.nan, np.float32)  # the last one is that of rows without a text
    for start in range(0, len(texts), CHUNK):
        some = texts[start : start + CHUNK]
        found[start : start + len(some)] = distances(job.space.embed(some), job.known)
    novelty = pa.array(found[inverse], pa.float32(), mask=inverse < 0)
    job.out.write_table(name, pa.Table.from_arrays([table.column("id"), novelty], schema=SCHEMA))


@cache
def _bundled() -> Encoder:
    return Encoder(BUNDLED, TOKENS).freeze()
