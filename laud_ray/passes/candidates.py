"""Embed texts in workers, and build the Space of a round: its candidates and the documents asked about so far.

n texts, m candidates, a annotated documents, c models, k classes, d dimensions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from laud_ray.cluster.ranges import Workers
from laud_ray.data.corpus import Corpus
from laud_ray.errors import PassError
from laud_ray.models.encoder.encoding import BUNDLED, Encoder
from laud_ray.models.faults import chunk, engine_errors
from laud_ray.passes.scoring import load_scorer, open_model
from laud_ray.passes.stored import mapped, stored_probabilities
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Answered
from laud_ray.taxonomy.groups import Groups
from laud_ray.types import Candidates, Document, Floats, Indices, Scorer, Space, SpatialScorer

CHUNK = 2000  # texts per call: a few seconds on one core
TOKENS = 64  # tokens of a text that the bundled encoder reads
TASKS = Workers()

Progress = Callable[[int, int], None]
Embedded = tuple[Floats, Floats]  # (n, d) vectors and (n, k) probabilities


def embed(
    texts: Sequence[str], model: Folder | None, workers: Workers, progress: Progress = lambda done, total: None
) -> Floats:
    """Return the (n, d) unit vectors of texts, which workers compute in chunks.

    Args:
        texts: at least one text.
        model: where texts have vectors: the folder of a SpatialScorer; None is the bundled encoder.
        workers: resources of the workers.
        progress: called with the texts done and the texts in all.

    Raises:
        PassError: if the model has no vectors, the work fails, or its workers die repeatedly.
    """
    ((vectors, _),) = _read([_Reading(tuple(texts), model, open_model)], workers, progress)
    return vectors


def examine(texts: Sequence[str], model: Folder | None, load: Callable[[str], Scorer] = open_model) -> Embedded:
    """Embed and score n texts, in the worker; the bundled encoder, which is None, has no classes.

    Raises:
        PassError: if the model has no vectors.
        EngineError: if the engine is at fault. The worker's process must then end.
    """
    with engine_errors():
        if model is None:
            return _bundled().embed(texts), np.empty((len(texts), 0), np.float32)
        scorer = load_scorer(model, load)
        if isinstance(scorer, SpatialScorer):
            return scorer.examine(texts)
    raise PassError(f"{model.uri}: a {type(scorer).__name__} has no vectors; expected a model of an encoder")


def known(asked: Sequence[Answered], groups: Groups) -> tuple[list[Document], Indices]:
    """Return the a answered documents outside the evaluation sample, and their (a,) groups; -1 for an abstention.

    A document whose answer is a node above several groups is left out. The answers of a multilabel task, which are sets
    of labels, all have the group 0: their documents are known, and that is all that its strategies use.
    """
    answered = [
        one
        for one in asked
        if one.answered
        and one.purpose != "evaluation"
        and (one.label is None or groups.independent or one.label in groups.places)
    ]
    labels = [-1 if one.label is None else 0 if groups.independent else groups.places[one.label] for one in answered]
    return [one.query.document for one in answered], np.asarray(labels, np.int64)


def survey(
    pool: Candidates,
    asked: Sequence[Document],
    labels: Indices,
    groups: Groups,
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
        labels: (a,) the groups of `asked`.
        groups: the classes in groups, which are the columns of the probabilities.
        models: folders of the last rounds' models, the newest last; each is a SpatialScorer.
        votes: whether to return the committee's probabilities.
        load: opens a model in a worker.
        progress: called with the texts done and the texts in all.

    Raises:
        PassError: if the work fails, or its workers die repeatedly.
    """
    candidates = tuple(pool.texts)
    every = (*candidates, *(document.text for document in asked))
    jobs = [_Reading(every, one, load, groups) for one in models[-1:]]
    jobs += [_Reading(candidates, one, load, groups) for one in models[-2::-1]]
    # The workers still hold the round's model from the score pass, so it comes first; the others are then loaded.
    (vectors, proba), *earlier = _read(jobs, workers, progress)
    m = len(candidates)
    committee = np.stack([*(one for _, one in reversed(earlier)), proba[:m]]) if votes else None
    return Space(vectors[:m], proba[:m], vectors[m:], proba[m:], labels, committee)


def survey_scored(
    pool: Candidates,
    asked: Sequence[Document],
    labels: Indices,
    groups: Groups,
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
        labels: (a,) the groups of `asked`.
        groups: the classes in groups, which are the columns of the probabilities.
        corpus: the corpus that was scored.
        scores: finished passes of the last rounds' models, the newest last.
        votes: whether to return the committee's probabilities.
        progress: called with the texts done and the texts in all.

    Raises:
        PassError: if the work fails, or its workers die repeatedly.
    """
    ids = [*pool.ids, *(document.id for document in asked)]
    every = (*pool.texts, *(document.text for document in asked))
    vectors = embed(every, None, TASKS, progress)
    proba = stored_probabilities(corpus, scores, ids, groups)
    m = len(pool)
    return Space(vectors[:m], proba[-1, :m], vectors[m:], proba[-1, m:], labels, proba[:, :m] if votes else None)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Texts, the model that embeds and scores them as in `examine`, and the groups whose probabilities are wanted."""

    texts: tuple[str, ...]
    model: Folder | None
    load: Callable[[str], Scorer]
    groups: Groups | None = None

    @property
    def step(self) -> int:
        """Texts per call."""
        return CHUNK if self.groups is None else chunk(self.groups.classes, CHUNK)

    def sums(self, proba: Floats) -> Floats:
        """Map (n, k) probabilities to those of the groups, or to none: no more than these leave the worker."""
        return proba[:, :0] if self.groups is None else self.groups.sums(proba)


def _read(readings: Sequence[_Reading], workers: Workers, progress: Progress) -> list[Embedded]:
    """Return (n, d) vectors and (n, k) probabilities for each reading, computed in chunks of CHUNK texts."""
    sizes = {
        f"texts {start} to {min(start + one.step, len(one.texts))} of reading {number}": (number, start)
        for number, one in enumerate(readings)
        for start in range(0, len(one.texts), one.step)
    }
    found: list[Embedded | None] = [None] * len(readings)
    total, done = sum(len(one.texts) for one in readings), 0
    for name, (vectors, proba) in mapped(list(sizes), _read_chunk, (sizes, tuple(readings)), workers):
        number, start = sizes[name]
        n = len(readings[number].texts)
        if (whole := found[number]) is None:
            whole = np.empty((n, vectors.shape[1]), np.float32), np.empty((n, proba.shape[1]), np.float32)
            found[number] = whole
        rows = slice(start, start + len(vectors))
        whole[0][rows], whole[1][rows] = vectors, proba
        done += len(vectors)
        progress(done, total)
    return [one for one in found if one is not None]


def _read_chunk(name: str, job: tuple[Mapping[str, tuple[int, int]], Sequence[_Reading]]) -> Embedded:
    """Embed and score a chunk, in the worker; all readings but the first return vectors of no dimensions."""
    number, start = job[0][name]
    reading = job[1][number]
    texts = reading.texts[start : start + reading.step]
    with engine_errors():
        if number and reading.model is not None:
            proba = load_scorer(reading.model, reading.load).score(texts)
            vectors: Floats = np.empty((len(texts), 0), np.float32)
        else:
            vectors, proba = examine(texts, reading.model, reading.load)
        return vectors, reading.sums(proba)


@cache
def _bundled() -> Encoder:
    return Encoder(BUNDLED, TOKENS).freeze()
