"""Build the Space of a round: workers embed and score its candidates and the documents asked about so far.

m candidates, a annotated documents, c models, k classes, d dimensions.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.cluster.ranges import Workers, map_all_ranges
from laud_ray.data.corpus import Corpus
from laud_ray.data.range_files import side_by_side
from laud_ray.errors import PassError
from laud_ray.models.encoder.encoding import BUNDLED, Encoder
from laud_ray.models.faults import engine_errors
from laud_ray.models.language.warm import make_room
from laud_ray.passes.scoring import load_scorer, open_model
from laud_ray.passes.shortlists import SHORTLIST
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Answered
from laud_ray.types import Candidates, Document, Floats, Indices, Scorer, Space, SpatialScorer

CHUNK = 2000  # texts per call: a few seconds on one core
TOKENS = 64  # tokens of a text that the bundled encoder reads
TASKS = Workers()
# Bytes of scores that are read in this process.
READ_HERE = 64 << 20

T = TypeVar("T")
J = TypeVar("J")
Progress = Callable[[int, int], None]
Embedded = tuple[Floats, Floats]  # (n, d) vectors and (n, k) probabilities


def known(asked: Sequence[Answered], names: Sequence[str]) -> tuple[list[Document], Indices]:
    """Return the a answered documents outside the evaluation sample, and their (a,) classes; -1 for an abstention."""
    places = {name: i for i, name in enumerate(names)}
    answered = [one for one in asked if one.answered and one.purpose != "evaluation"]
    labels = [-1 if one.label is None else places[one.label] for one in answered]
    return [one.query.document for one in answered], np.asarray(labels, np.int64)


def survey(
    pool: Candidates,
    asked: Sequence[Document],
    labels: Indices,
    models: Sequence[Folder],
    *,
    votes: bool,
    workers: Workers = TASKS,
    load: Callable[[str], Scorer] = open_model,
    progress: Progress = lambda done, total: None,
) -> Space:
    """Embed and score the candidates and the answered documents with the round's model.

    Earlier models, which serve as the committee, only score the candidates.

    Args:
        pool: the m candidates.
        asked: the a answered documents, as `known` returns them.
        labels: (a,) the classes of `asked`.
        models: folders of the last rounds' models, the newest last; each is a SpatialScorer.
        votes: whether to return the committee's probabilities.
        load: opens a model in a worker.
        progress: called with the texts done and the texts in all.

    Raises:
        PassError: if the work fails, or its workers die repeatedly.
    """
    candidates = tuple(pool.texts)
    every = (*candidates, *(document.text for document in asked))
    jobs = [_Reading(every, models[-1], load), *(_Reading(candidates, one, load) for one in models[-2::-1])]
    # The workers still hold the round's model from the score pass, so it comes first; the others are then loaded.
    (vectors, proba), *earlier = _read(jobs, workers, progress)
    m = len(candidates)
    committee = np.stack([*(one for _, one in reversed(earlier)), proba[:m]]) if votes else None
    return Space(vectors[:m], proba[:m], vectors[m:], proba[m:], labels, committee)


def survey_scored(
    pool: Candidates,
    asked: Sequence[Document],
    labels: Indices,
    names: Sequence[str],
    corpus: Corpus,
    scores: Sequence[Folder],
    *,
    votes: bool,
    progress: Progress = lambda done, total: None,
) -> Space:
    """Build the same Space for models without vectors: the bundled encoder embeds, and a pass has the probabilities.

    A pass stores only the probabilities of the likeliest classes. The other classes share the rest of 1 equally.

    Args:
        pool: the m candidates.
        asked: the a answered documents, as `known` returns them.
        labels: (a,) the classes of `asked`.
        names: the k labels.
        corpus: the corpus that was scored.
        scores: finished passes of the last rounds' models, the newest last.
        votes: whether to return the committee's probabilities.
        progress: called with the texts done and the texts in all.

    Raises:
        PassError: if the work fails, or its workers die repeatedly.
    """
    ids = [*pool.ids, *(document.id for document in asked)]
    every = (*pool.texts, *(document.text for document in asked))
    ((vectors, _),) = _read([_Reading(every, None, open_model)], TASKS, progress)
    proba = _probabilities(corpus, scores, ids, names)
    m = len(pool)
    return Space(vectors[:m], proba[-1, :m], vectors[m:], proba[-1, m:], labels, proba[:, :m] if votes else None)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Texts, and the model that embeds and scores them; None is the bundled encoder, which has no classes."""

    texts: tuple[str, ...]
    model: Folder | None
    load: Callable[[str], Scorer]


def _read(readings: Sequence[_Reading], workers: Workers, progress: Progress) -> list[Embedded]:
    """Return (n, d) vectors and (n, k) probabilities for each reading, computed in chunks of CHUNK texts."""
    sizes = {
        f"texts {start} to {min(start + CHUNK, len(one.texts))} of reading {number}": (number, start)
        for number, one in enumerate(readings)
        for start in range(0, len(one.texts), CHUNK)
    }
    found: list[Embedded | None] = [None] * len(readings)
    total, done = sum(len(one.texts) for one in readings), 0
    for name, (vectors, proba) in _mapped(list(sizes), _read_chunk, (sizes, tuple(readings)), workers):
        number, start = sizes[name]
        n = len(readings[number].texts)
        if (whole := found[number]) is None:
            whole = np.empty((n, vectors.shape[1]), np.float32), np.empty((n, proba.shape[1]), np.float32)
            found[number] = whole
        whole[0][start : start + CHUNK], whole[1][start : start + CHUNK] = vectors, proba
        done += len(vectors)
        progress(done, total)
    return [one for one in found if one is not None]


def _read_chunk(name: str, job: tuple[Mapping[str, tuple[int, int]], Sequence[_Reading]]) -> Embedded:
    """Embed and score a chunk, in the worker; all readings but the first return vectors of no dimensions."""
    number, start = job[0][name]
    reading = job[1][number]
    texts = reading.texts[start : start + CHUNK]
    with engine_errors():
        if reading.model is None:
            return _bundled().embed(texts), np.empty((len(texts), 0), np.float32)
        scorer = load_scorer(reading.model, reading.load)
        if number:
            return np.empty((len(texts), 0), np.float32), scorer.score(texts)
        if isinstance(scorer, SpatialScorer):
            return scorer.examine(texts)
    raise PassError(f"{reading.model.uri}: a {type(scorer).__name__} has no vectors; expected a model of an encoder")


@cache
def _bundled() -> Encoder:
    return Encoder(BUNDLED, TOKENS).freeze()


@dataclass(frozen=True, slots=True)
class _Finding:
    """The documents to look up, and the passes to look them up in."""

    scores: tuple[Folder, ...]
    ids: pa.Array


def _probabilities(corpus: Corpus, scores: Sequence[Folder], ids: Sequence[str], names: Sequence[str]) -> Floats:
    """Return the (c, n, k) probabilities of n documents in c passes."""
    wanted = {f"{number}/{part.name}": number for number in range(len(scores)) for part in corpus.ranges}
    job = _Finding(tuple(scores), pa.array(ids, pa.string()))
    tables: list[list[pa.Table]] = [[] for _ in scores]
    for name, table in _mapped(list(wanted), _find, job, TASKS):
        tables[wanted[name]].append(table)
    return np.stack([from_likeliest(pa.concat_tables(one), job.ids, names) for one in tables])


def likeliest(
    corpus: Corpus, scores: Folder, ids: Sequence[str], drawn: Mapping[str, str]
) -> dict[str, list[tuple[str, float]]]:
    """Return the likeliest labels of documents in a finished pass with their probabilities, the likeliest first.

    Documents that the pass could not score have none. The shortlist of the pass holds what is chosen to be asked
    about, so the scores themselves are seldom read; and small ones in this process, since to start workers takes
    longer.

    Args:
        drawn: the ranges of documents that were drawn from the whole corpus, by id.

    Raises:
        PassError: if the work fails, or its workers die repeatedly.
    """
    every = [part.name for part in corpus.ranges]
    listed, sampled = [id for id in ids if id not in drawn], [id for id in ids if id in drawn]
    places = sorted({drawn[id] for id in sampled})
    found = _listed(_read_here(scores / SHORTLIST, every if listed else [], listed))
    found |= _listed(_read_here(scores, places, sampled))
    if lost := [id for id in ids if id not in found]:
        size = sum(entry.size for entry in scores.entries() if entry.path in set(every))
        found |= _listed((_read_here if size <= READ_HERE else _read_there)(scores, every, lost))
    return found


def _read_here(scores: Folder, names: Sequence[str], ids: Sequence[str]) -> Iterator[pa.Table]:
    job = _Finding((scores,), pa.array(ids, pa.string()))
    yield from side_by_side(lambda name: _find(f"0/{name}", job), names)


def _read_there(scores: Folder, names: Sequence[str], ids: Sequence[str]) -> Iterator[pa.Table]:
    job = _Finding((scores,), pa.array(ids, pa.string()))
    yield from (table for _, table in _mapped([f"0/{name}" for name in names], _find, job, TASKS))


def _listed(tables: Iterable[pa.Table]) -> dict[str, list[tuple[str, float]]]:
    return {
        row["id"]: list(zip(row["top_labels"] or (), row["top_probabilities"] or (), strict=True))
        for table in tables
        for row in table.to_pylist()
    }


def _find(name: str, job: _Finding) -> pa.Table:
    """Return the rows of the wanted documents in one range of one pass. Runs in the worker."""
    number, _, part = name.partition("/")
    table = job.scores[int(number)].read_table(part, ["id", "top_labels", "top_probabilities"])
    found = table.filter(pc.is_in(table.column("id"), value_set=job.ids))
    plain = [("id", pa.string()), ("top_labels", pa.list_(pa.string())), ("top_probabilities", pa.list_(pa.float32()))]
    return found.cast(pa.schema(plain))


def from_likeliest(found: pa.Table, ids: pa.Array, names: Sequence[str]) -> Floats:
    """Turn the stored likeliest classes of n documents into (n, k) probabilities; uniform where none are stored."""
    rows = pc.index_in(ids, value_set=found.column("id"))
    taken = found.take(rows)
    labels, values = taken.column("top_labels").combine_chunks(), taken.column("top_probabilities").combine_chunks()
    counts = pc.fill_null(pc.list_value_length(labels), 0).to_numpy()
    at = np.repeat(np.arange(len(ids)), counts)
    columns = pc.index_in(labels.flatten(), value_set=pa.array(names, pa.string())).to_numpy()
    proba = np.full((len(ids), len(names)), np.nan, np.float32)
    proba[at, columns] = values.flatten().to_numpy()
    others = np.isnan(proba)
    rest = np.maximum(1 - np.nansum(proba, axis=1), 0) / np.maximum(others.sum(axis=1), 1)
    proba = np.where(others, rest[:, None], proba).astype(np.float32)
    normal: Floats = proba / proba.sum(axis=1, keepdims=True)
    return normal


def _mapped(names: Sequence[str], work: Callable[[str, J], T], job: J, workers: Workers) -> Iterator[tuple[str, T]]:
    """Yield each name with the result of its work."""
    make_room(workers, len(names))
    for result in map_all_ranges(names, work, job, workers, what="parts of the shortlist", committed=False):
        yield result.name, result.value
