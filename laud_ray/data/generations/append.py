"""Append new data to a corpus, as a further generation; what the corpus has already is counted and left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow.compute as pc

from laud_ray.config import CorpusConfig
from laud_ray.data import sources
from laud_ray.data.corpus import SEALED_LABELS, Corpus, corpus_of, labels_name
from laud_ray.data.generations.files import Files, compare, remember
from laud_ray.data.generations.index import INDEX, build_index
from laud_ray.data.generations.known import CHANGED, EXAMPLES, ID_ROWS, SEEN_ID, SEEN_TEXT, IdJob, Known, known_ids
from laud_ray.data.generations.manifest import manifest_name, range_prefix
from laud_ray.data.generations.words import words
from laud_ray.data.seen import Seen
from laud_ray.data.sharding.normalise import SCRATCH, Arranged, Intake, columns_of, commit, mapping_for, order, shard
from laud_ray.data.sharding.ordering import SEALED, OrderJob, Sieve, plan_groups
from laud_ray.data.sharding.ordering import Changed as Changed
from laud_ray.data.sharding.partition import Sharded
from laud_ray.data.sql import as_file
from laud_ray.labels import Known as KnownLabels
from laud_ray.storage.credentials import masked
from laud_ray.storage.folder import Folder


@dataclass(frozen=True, slots=True)
class Change:
    """A document whose id now comes with another text; None is a text that is not valid."""

    id: str
    before: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did.

    Attributes:
        number: the number of the new generation; None if nothing was new.
        corpus: the corpus with all generations.
        documents: rows that were read.
        new: rows that are in the new generation.
        seen_by_id: rows whose id the corpus has, with the same text.
        seen_by_text: rows whose text the corpus has, with another id or without ids.
        changed: rows whose id the corpus has with another text; they are left out.
        changes: up to three examples of these.
        files_unchanged: files that were not read, because they are as they were when they were read.
        files_changed: files that were read before and differ now, in size or time.
        files_gone: files that were read before from this source and are not there now. Their documents stay.
        notes: remarks for people, in whole sentences.
    """

    number: int | None
    corpus: Corpus
    documents: int
    new: int
    seen_by_id: int
    seen_by_text: int
    changed: int
    changes: tuple[Change, ...]
    files_unchanged: int
    files_changed: tuple[str, ...]
    files_gone: tuple[str, ...]
    notes: tuple[str, ...]


def append(
    config: CorpusConfig,
    folder: Folder,
    corpus: Corpus,
    *,
    sealed: str | None = None,
    labels: KnownLabels | None = None,
) -> Appended:
    """Read new data and add the documents that are new to a corpus, as its next generation.

    The manifest of the generation is written last; before that, its files are not part of the corpus. A call that was
    interrupted is repeated as a whole. After the manifest is written, the same call finds nothing new.

    Only one process at a time may append; the lock of a run sees to that.

    Args:
        config: the new data, and how it is read.
        folder: the corpus's folder.
        corpus: the corpus with all its generations, as `open_corpus` returns it.
        sealed: a column of labels that is stored separately, by id, for the oracle alone.
        labels: the task's labels, whose names replace other spellings in the sealed column.

    Raises:
        CorpusError: if there are no files, a column is missing, a row is not valid, or an id occurs twice.
        ValueError: if the corpus is not all that is in the folder, or lacks the sealed column of its other generations.
    """
    number = corpus.generations[-1].number + 1
    if folder.exists(manifest_name(number)):
        raise ValueError(f"{folder.uri}: has a generation {number}; expected the corpus as open_corpus returns it")
    if sealed is None and (folder / SEALED).exists(SEALED_LABELS):
        raise ValueError("sealed: None is not valid; expected the column whose values the corpus has")
    scratch = folder.absolute() / SCRATCH
    scratch.remove()  # left by an interrupted attempt
    _clear(folder, number)
    try:
        with as_file(config, columns := columns_of(config, sealed, labels), scratch) as data:
            entries = sources.inputs(data.path, seen := Seen())
            files = compare(folder, number - 1, config, columns, entries)
            fresh = files.fresh
            intake = Intake(data, folder, scratch, fresh, mapping_for(fresh), seen, sealed, labels)
            sharded = shard(intake) if fresh else None
            found = None if sharded is None or not sharded.documents else _arrange(intake, sharded, corpus, number)
            if config.query is not None:
                seen.rename(data.path, masked(config.path))
            return _finish(config, intake, corpus, number, files, found)
    finally:
        scratch.remove()


def _arrange(intake: Intake, sharded: Sharded, corpus: Corpus, number: int) -> Arranged:
    """Write the ranges of what is new."""
    index = build_index(corpus, ids=intake.config.id is not None)

    def sieve(job: OrderJob) -> Sieve:
        groups = {one.name: one for one in plan_groups(sharded.rows, job.size, ID_ROWS)} if index.ids else {}
        found = intake.mapped(list(groups), known_ids, IdJob(groups, job.files, job.scratch, index)) if groups else {}
        return Known(index, job.scratch, tuple(name for name in found.values() if name is not None))

    return order(intake, sharded, generation=number, known=sieve)


def _finish(
    config: CorpusConfig, intake: Intake, corpus: Corpus, number: int, files: Files, found: Arranged | None
) -> Appended:
    """Commit the generation, if there is one, and describe what was done."""
    folder, generations = intake.folder, corpus.generations
    new = 0 if found is None else found.counts["documents"]
    skipped = {key: 0 if found is None else found.skipped[key] for key in (SEEN_ID, SEEN_TEXT, CHANGED)}
    if found is not None and new:
        added = datetime.now(UTC).isoformat(timespec="seconds")
        generations = (*generations, commit(config, intake, found, number=number, added=added, skipped=skipped))
    else:
        remember(folder, config, intake.columns, intake.entries)
    changes = () if found is None else tuple(_change(corpus, row) for row in found.changed[:EXAMPLES])
    by_id, by_text, changed = skipped.values()
    said = words(masked(config.path), files, changed, [(one.id, one.before, one.now) for one in changes])
    return Appended(
        number if new else None,
        corpus_of(folder, generations),
        new + by_id + by_text + changed,
        new,
        by_id,
        by_text,
        changed,
        changes,
        files.unchanged,
        files.changed,
        files.gone,
        (*intake.seen.notes, *said),
    )


def _change(corpus: Corpus, row: Changed) -> Change:
    """Look up the text that a document has in the corpus."""
    table = corpus.read(row.range, ["id", "text"])
    before: Sequence[str | None] = table.filter(pc.equal(table.column("id"), row.id)).column("text").to_pylist()
    return Change(row.id, before[0], row.text)


def _clear(folder: Folder, number: int) -> None:
    """Delete what an interrupted append left of a generation, which may have been one of other data."""
    own = (labels_name(number), manifest_name(number))  # the manifest itself does not exist yet
    for place in (folder, folder / SEALED, folder / INDEX):
        for name in place.names():
            if name.startswith(range_prefix(number)) or name in own:
                place.delete(name)
