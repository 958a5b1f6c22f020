"""Look up what finished passes have stored about some documents.

n documents, c passes, k classes, g groups of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.cluster.ranges import Workers, map_all_ranges
from laud_ray.data.corpus import Corpus, occurs_once
from laud_ray.data.range_files import side_by_side
from laud_ray.models.language.warm import make_room
from laud_ray.passes.shortlists import SHORTLIST
from laud_ray.stats.betting import Batch, Reference
from laud_ray.storage.folder import Folder
from laud_ray.taxonomy.groups import Groups
from laud_ray.types import Floats, Indices

TASKS = Workers()
# Bytes of scores that are read in this process.
READ_HERE = 64 << 20
_FOUND = pa.schema(
    [("id", pa.string()), ("top_labels", pa.list_(pa.string())), ("top_probabilities", pa.list_(pa.float32()))]
)

T = TypeVar("T")
J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class _Finding:
    """The documents to look up, and the passes to look them up in."""

    scores: tuple[Folder, ...]
    ids: pa.Array


def stored_probabilities(corpus: Corpus, scores: Sequence[Folder], ids: Sequence[str], groups: Groups) -> Floats:
    """Return the (c, n, g) probabilities of the groups for n documents in c passes, the newest last.

    An earlier pass has no scores of documents that were appended after it. These get the probabilities of the next
    pass that has some, so that the earlier model has no opinion of its own on them.
    """
    there = [one.names() for one in scores]
    there[-1:] = [{part.name for part in corpus.ranges}]  # where files of the newest pass are missing, that is an error
    wanted = {f"{i}/{part.name}": i for i, names in enumerate(there) for part in corpus.ranges if part.name in names}
    job = _Finding(tuple(scores), pa.array(ids, pa.string()))
    tables: list[list[pa.Table]] = [[] for _ in scores]
    for name, table in mapped(list(wanted), _find, job, TASKS):
        tables[wanted[name]].append(table)
    passes: list[Floats] = []
    for one in reversed(tables):
        found = pa.concat_tables([_FOUND.empty_table(), *one])
        proba = from_likeliest(found, job.ids, groups)
        if passes:
            unknown = ~np.asarray(pc.is_in(job.ids, value_set=found.column("id")))
            proba[unknown] = passes[-1][unknown]
        passes.append(proba)
    return np.stack(passes[::-1])


def likeliest(
    corpus: Corpus, scores: Folder, ids: Sequence[str], drawn: Mapping[str, str]
) -> dict[str, list[tuple[str, float]]]:
    """Return the likeliest labels of documents in a finished pass with their probabilities, the likeliest first.

    Documents that the pass could not score have none, as have those that were appended after it. The shortlist of the
    pass holds what is chosen to be asked about, so the scores themselves are seldom read; and small ones in this
    process, since to start workers takes longer.

    Args:
        drawn: the ranges of documents that were drawn from the whole corpus, by id.

    Raises:
        PassError: if the work fails, or its workers die repeatedly.
    """
    there = scores.names()
    every = [part.name for part in corpus.ranges if part.name in there]
    listed, sampled = [id for id in ids if id not in drawn], [id for id in ids if id in drawn]
    places = sorted({drawn[id] for id in sampled} & there)
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
    yield from (table for _, table in mapped([f"0/{name}" for name in names], _find, job, TASKS))


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
    return found.cast(_FOUND)


def from_likeliest(found: pa.Table, ids: pa.Array, groups: Groups) -> Floats:
    """Turn the stored likeliest classes of n documents into (n, g) probabilities of g groups of classes.

    The other classes share the rest of 1 equally: all do where none are stored. Where classes are independent, the
    others have the probability 0.
    """
    rows = pc.index_in(ids, value_set=found.column("id"))
    taken = found.take(rows)
    labels, values = taken.column("top_labels").combine_chunks(), taken.column("top_probabilities").combine_chunks()
    counts = pc.fill_null(pc.list_value_length(labels), 0).to_numpy()
    at = np.repeat(np.arange(len(ids)), counts)
    columns = np.asarray([groups.places[label] for label in labels.flatten().to_pylist()], np.int64)
    listed = np.zeros((len(ids), len(groups.names)), np.float32)
    proba, others = np.zeros_like(listed), groups.classes - counts
    np.add.at(listed, (at, columns), 1)
    np.add.at(proba, (at, columns), values.flatten().to_numpy())
    if groups.independent:
        return proba
    rest = np.maximum(1 - proba.sum(axis=1), 0) / np.maximum(others, 1)
    proba += rest[:, None].astype(np.float32) * (groups.sizes - listed)
    normal: Floats = proba / proba.sum(axis=1, keepdims=True)
    return normal


def mapped(names: Sequence[str], work: Callable[[str, J], T], job: J, workers: Workers) -> Iterator[tuple[str, T]]:
    """Yield each name with the result of its work."""
    make_room(workers, len(names))
    for result in map_all_ranges(names, work, job, workers, what="parts of the shortlist", committed=False):
        yield result.name, result.value


def batch_of(
    table: pa.Table, names: Sequence[str], thresholds: Sequence[float] | None = None, groups: Indices | None = None
) -> Batch:
    """Return documents of a stored pass as a batch of the tests.

    Documents without a label do not count, and neither do those whose label the model lacks.

    Args:
        table: columns label and confidence, and novelty if there are thresholds.
        names: of the k labels of the model.
        thresholds: the novelties of laud_ray.stats.betting.FAR, ascending; None: novelty was not measured.
        groups: (k,) the group of each label, which counts in its place; None: each label counts.
    """
    best = pc.index_in(table.column("label").cast(pa.string()), value_set=pa.array(names, pa.string()))
    table = table.append_column("best", best).filter(pc.is_valid(best))
    confidence = np.clip(table.column("confidence").to_numpy().astype(np.float64), 0, 1)
    far = None if thresholds is None else np.searchsorted(thresholds, np.nan_to_num(table.column("novelty").to_numpy()))
    labels = table.column("best").to_numpy().astype(np.int64)
    return Batch(labels if groups is None else groups[labels], confidence, far)


def reference(
    scores: Folder,
    ranges: Sequence[str],
    names: Sequence[str],
    trained: Sequence[str],
    most: int | None = None,
    groups: Indices | None = None,
    *,
    once: Corpus | None = None,
) -> Reference:
    """Return what a model found in the documents of a pass, as a reference that later ones are compared with.

    Those that the model was trained on are counted apart: they were chosen because the model was unsure of them, so
    that without them the others look surer than new documents are, and with them too.

    Args:
        scores: the pass.
        ranges: which are read, in order.
        names: of the k labels of the model.
        trained: ids of the documents that it was trained on.
        most: no further range is read after this many documents; None: all are read.
        groups: as in `batch_of`.
        once: the corpus, if only texts count that no other document of their generation has: those that are as the new
            texts of an append are, which leaves out the texts that the corpus has. None: every document counts.
    """

    def read(name: str) -> pa.Table:
        table = scores.read_table(name, ["id", "label", "confidence"])
        return table if once is None else table.filter(occurs_once(once.read(name, ["id", "duplicate_of"])))

    k = len(names) if groups is None else int(groups.max()) + 1
    found, apart = Reference.of([], k), pa.array(trained, pa.string())
    for table in side_by_side(read, ranges):
        known = pc.is_in(table.column("id"), value_set=apart)
        others = Reference.of([batch_of(table.filter(pc.invert(known)), names, None, groups)], k)
        found += replace(others, trained=len(batch_of(table.filter(known), names)))
        if most is not None and found.n >= most:
            break
    return found
