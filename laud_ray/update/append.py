"""Append new data to the corpus of a run, and record the generation that they form."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from laud_ray import oracles
from laud_ray.data.corpus import Corpus
from laud_ray.data.generations.append import Appended
from laud_ray.data.generations.append import append as append_to
from laud_ray.labels import known_labels
from laud_ray.steps.work import Work
from laud_ray.storage.credentials import masked
from laud_ray.storage.text_reading import AS_FOUND, Reading
from laud_ray.store.updates.generations import record, updated


@dataclass(frozen=True, slots=True)
class Added:
    """What a call appended.

    Attributes:
        documents: the number of documents.
        skipped: rows that were read and not appended, by reason.
        words: a line about each.
    """

    documents: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    words: tuple[str, ...] = ()


def append(work: Work, source: str | None, reading: Reading = AS_FOUND) -> tuple[Work, Added]:
    """Append new data, if there are any, and record each generation that is not in the database yet.

    Args:
        work: the run.
        source: the new data; None: nothing is appended.
        reading: how text files are written, where that is stated; else as the run's configuration states it.

    Returns:
        The work with the corpus of all generations, and what was appended.

    Raises:
        CorpusError: if the data cannot be read, a column is missing or an id occurs twice.
    """
    corpus, added = work.corpus, Added()
    if source is not None:
        with work.step("append", 0):
            done = _append(work, source, reading)
        corpus, added = done.corpus, _added(source, done)
        for note in done.notes:
            work.note("append", 0, note)
    _record(work, corpus)
    return replace(work, corpus=corpus), added


def _append(work: Work, source: str, reading: Reading) -> Appended:
    config = work.config
    column = oracles.sealed_column(config.asked_oracles())
    stated = {"delimiter": reading.delimiter, "quote": reading.quote, "encoding": reading.encoding}
    used = {key: value for key, value in stated.items() if value is not None}
    read = config.corpus.model_copy(update={"path": source, **used})
    # A taxonomy may change: later versions read the labels of the data as they are.
    labels = known_labels(work.task) if work.task.taxonomy is None else None
    return append_to(read, work.run.corpus, work.corpus, sealed=column, labels=labels)


def _record(work: Work, corpus: Corpus) -> None:
    """Record the committed generations. The process may have ended between the commit of one and its record."""
    known = {one.number for one in updated(work.store.engine)}
    for one in corpus.generations[1:]:
        if one.number not in known:
            at = datetime.now(UTC) if one.added is None else datetime.fromisoformat(one.added)
            record(work.store.engine, one.number, one.source or "", at, one.counts["documents"])


def _added(source: str, done: Appended) -> Added:
    skipped = {"seen by id": done.seen_by_id, "seen by text": done.seen_by_text, "changed": done.changed}
    said = [f"{n:,} {reason}" for reason, n in skipped.items() if n]
    if n := done.files_unchanged:
        said.append("1 file as before, which was not read" if n == 1 else f"{n:,} files as before, which were not read")
    which = "" if done.number is None else f", which are generation {done.number}"
    if done.number is not None and (faulty := done.corpus.generations[-1].counts["errors"]):
        which += f", {faulty:,} of them without a valid text"
    left = f" ({'; '.join(said)})" if said else ""
    return Added(done.new, skipped, (f"{masked(source)}: {done.new:,} new documents{which}{left}",))
