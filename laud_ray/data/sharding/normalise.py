"""Turn source files into a corpus: documents with stable ids, sorted by a hash of their text, in Parquet ranges.

The sort has three advantages at any size. Equal texts are adjacent, so duplicates are found within a range. Every
range is a random sample of the corpus. And the order does not depend on the order of the input.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from laud_ray.config import CorpusConfig
from laud_ray.data import sources
from laud_ray.data.corpus import MANIFEST, Corpus, corpus_of, labels_name
from laud_ray.data.formats import files, jsonl
from laud_ray.data.formats.cells import SetColumn
from laud_ray.data.formats.text_files import Piece
from laud_ray.data.generations.files import KEY, recorded
from laud_ray.data.generations.manifest import FIRST, Generation, dump, manifest_name, range_prefix
from laud_ray.data.label_counts import ColumnLabels
from laud_ray.data.seen import Seen
from laud_ray.data.sharding.fingerprint import fingerprint
from laud_ray.data.sharding.mapping import Mapped, here, over_cluster
from laud_ray.data.sharding.ordering import (
    HASHED,
    SEALED,
    Changed,
    Ordered,
    OrderJob,
    Range,
    Sieve,
    order_group,
    plan_groups,
    range_size,
    repeated_id,
)
from laud_ray.data.sharding.partition import Sharded, ShardJob, shard_unit, together
from laud_ray.data.sharding.units import CountJob, Unit, count_unit, numbered, plan_units
from laud_ray.data.sql import as_file
from laud_ray.errors import CorpusError
from laud_ray.labels import Known
from laud_ray.printable import quoted
from laud_ray.storage.credentials import masked
from laud_ray.storage.folder import Entry, Folder
from laud_ray.storage.text_reading import Reading

SCRATCH = "unsorted"
# Bytes of input above which starting the cluster's workers is worth its time.
LARGE = 64_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Intake:
    """A source on its way into a corpus.

    Attributes:
        config: the source as a file, and how it is read.
        folder: the corpus's folder.
        scratch: a folder for bucket files.
        entries: the files that are read.
        mapped: runs the parts, here or on the cluster's workers.
        seen: collects facts and remarks about the files.
        sealed: a column of labels that is stored separately, by id.
        labels: the task's labels, whose names replace other spellings in the sealed column.
    """

    config: CorpusConfig
    folder: Folder
    scratch: Folder
    entries: Sequence[Entry]
    mapped: Mapped
    seen: Seen
    sealed: str | None
    labels: Known | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the text, of the id if there is one, and of the sealed labels if there are any."""
        return columns_of(self.config, self.sealed, self.labels)


@dataclass(frozen=True, slots=True, eq=False)
class Arranged:
    """The documents of an intake as ranges.

    Attributes:
        ranges: the ranges, which are written.
        counts: documents, unique, duplicates, errors, truncated, and a count for each error.
        fingerprint: a hash of all ids and texts in order.
        labels: counts of the sealed column, if there is one.
        skipped: numbers of rows that are in no range, by reason.
        changed: some rows whose id is known with another text.
    """

    ranges: tuple[Range, ...]
    counts: dict[str, int]
    fingerprint: str
    labels: ColumnLabels | None
    skipped: Counter[str]
    changed: tuple[Changed, ...]


def normalise(
    config: CorpusConfig, folder: Folder, *, sealed: str | None = None, labels: Known | None = None
) -> Corpus:
    """Read the source and write its ranges. The manifest is written last and marks the corpus as complete.

    Texts are converted to Unicode NFC, runs of white space become one space, and texts longer than
    config.max_chars characters are truncated. Ids come from the id column, or else are a hash of the text; repeated
    texts then get "-2", "-3" and so on. The cluster's workers normalise a large source.

    Args:
        config: the source and how it is read.
        folder: the corpus's folder.
        sealed: a column of labels that is stored separately, by id, for the oracle alone.
        labels: the task's labels, whose names replace other spellings in the sealed column.

    Raises:
        CorpusError: if a file or column is missing, an id occurs twice, or there are no documents.
    """
    scratch = folder.absolute() / SCRATCH
    scratch.remove()  # left by an interrupted attempt
    try:
        with as_file(config, columns_of(config, sealed, labels), scratch) as source:
            entries = sources.inputs(source.path, seen := Seen())
            intake = Intake(source, folder, scratch, entries, mapping_for(entries), seen, sealed, labels)
            sharded = shard(intake)
            if not sharded.documents:
                raise CorpusError(f"{source.path}: holds no documents; expected at least one row")
            if config.query is not None:
                seen.rename(source.path, masked(config.path))
            return corpus_of(folder, [commit(config, intake, order(intake, sharded))])
    finally:
        scratch.remove()


def columns_of(config: CorpusConfig, sealed: str | None, labels: Known | None) -> tuple[str, ...]:
    """Return the columns of the text, of the id if there is one, and of the sealed labels if there are any."""
    column = label_column(sealed, labels) if sealed else None
    return (config.text, *([config.id] if config.id else []), *([column] if column else []))


def label_column(column: str, labels: Known | None) -> str:
    """Return the name of a column of labels, marked as one of sets for a multilabel task."""
    return SetColumn(column) if labels is not None and labels.task.multilabel else column


def mapping_for(entries: Sequence[Entry]) -> Mapped:
    """Return how files are read: in this process, or by the cluster's workers if they are large."""
    return here if sum(entry.size for entry in entries) < LARGE else over_cluster


def shard(intake: Intake) -> Sharded:
    """Read and clean the source, and put its rows into buckets.

    Raises:
        CorpusError: if a column is missing, or a row is not valid.
    """
    config, seen = intake.config, intake.seen
    units = _planned(intake.entries, intake.columns, config.reading, intake.mapped)
    job = ShardJob(
        {unit.name: unit for unit in units},
        intake.columns,
        config.id is not None,
        intake.sealed is not None,
        config.reading,
        config.max_chars,
        intake.labels,
        intake.scratch,
    )
    found = intake.mapped([unit.name for unit in units], shard_unit, job)
    whole = together([found[unit.name] for unit in units])
    seen.merge(whole.seen)
    for file, keys in seen.keys.items():
        if keys.missing:
            jsonl.require(file, intake.columns, list(keys.known))
    seen.finish(config.path)
    return whole


def order(
    intake: Intake, sharded: Sharded, *, generation: int = FIRST, known: Callable[[OrderJob], Sieve] | None = None
) -> Arranged:
    """Sort the buckets and write the ranges, and the sealed labels beside them.

    Args:
        intake: the source.
        sharded: its buckets.
        generation: the number of the generation, which the names of the ranges contain.
        known: makes the sieve that leaves out what the corpus has already, once ids are checked; None keeps all rows.

    Raises:
        CorpusError: if an id occurs twice.
    """
    config, scratch, mapped = intake.config, intake.scratch, intake.mapped
    groups = plan_groups(sharded.rows, size := range_size(sharded.documents))
    named = {group.name: group for group in groups}
    job = OrderJob(
        named,
        tuple(one.name for one in sharded.files),
        scratch,
        intake.folder.absolute(),
        size,
        config.id is not None,
        intake.sealed is not None,
        intake.labels,
        range_prefix(generation),
    )
    if config.id is not None:
        _refuse_repeated_id(config, sharded, mapped(list(named), repeated_id, job))
    if known is not None:
        job = replace(job, sieve=known(job))
    found = mapped(list(named), order_group, job)
    ordered = [found[name] for name in named]
    return Arranged(
        tuple(part for one in ordered for part in one.ranges),
        _counts(sum((one.counts for one in ordered), Counter())),
        fingerprint(scratch / HASHED, list(named)),
        None if intake.sealed is None else _labels_of(ordered),
        sum((one.skipped for one in ordered), Counter()),
        tuple(row for one in ordered for row in one.changed),
    )


def commit(
    config: CorpusConfig,
    intake: Intake,
    found: Arranged,
    *,
    number: int = FIRST,
    added: str | None = None,
    skipped: Mapping[str, int] | None = None,
) -> Generation:
    """Write the counts of a generation's sealed labels, and then its manifest, which makes it a part of the corpus.

    Args:
        config: the source as the user names it.
        intake: the source as it was read.
        found: its documents, whose ranges are written.
        number: the number of the generation.
        added: the time, of a later generation.
        skipped: of a later generation, the numbers of rows that were read and are not in it, by reason.
    """
    folder, seen = intake.folder, intake.seen
    if found.labels is not None:
        (folder / SEALED).write(labels_name(number), found.labels.dump())
    source, notes = masked(config.path), tuple(seen.notes)
    made = Generation(number, source, added, found.ranges, found.counts, skipped or {}, found.fingerprint, notes)
    read = {**seen.counts(), "readings": seen.distinct_readings()}
    manifest = dump(made, {"read": read, KEY: recorded(config, intake.columns, intake.entries)})
    folder.write(MANIFEST if number == FIRST else manifest_name(number), manifest)
    return made


def _planned(entries: Sequence[Entry], columns: tuple[str, ...], reading: Reading, mapped: Mapped) -> tuple[Unit, ...]:
    """Split the input into units, and count the rows of the pieces of large text files."""
    units = plan_units(entries, columns, reading)
    cut = {unit.name: unit for unit in units if isinstance(unit.part, Piece)}
    return numbered(units, mapped(list(cut), count_unit, CountJob(cut, reading)) if cut else {})


def _counts(counts: Counter[str]) -> dict[str, int]:
    first = ("documents", "unique", "duplicates", "errors", "truncated")
    return {key: counts[key] for key in (*first, *sorted(key for key in counts if key not in first))}


def _labels_of(ordered: Sequence[Ordered]) -> ColumnLabels:
    whole, *others = (one.labels for one in ordered)
    assert whole is not None
    for one in others:
        assert one is not None
        whole.merge(one)
    return whole.found()


def _refuse_repeated_id(
    config: CorpusConfig,
    sharded: Sharded,
    found: Mapping[str, tuple[tuple[int, int], tuple[int, int]] | None],
) -> None:
    """Report the first repeated id.

    Raises:
        CorpusError: if an id is repeated.
    """
    places = min((place for place in found.values() if place is not None), default=None)
    if places is None:
        return
    (again, second), (file, row) = ((sharded.files[number].file, row) for number, row in places)
    at = 1
    for batch in files.batches(again, [str(config.id)], config.reading):
        if second < at + batch.num_rows:
            break
        at += batch.num_rows
    name = batch.column(0)[second - at].as_py().decode()
    raise CorpusError(
        f"{again} row {second}: the id {quoted(name)} is already in {file} row {row}; expected distinct ids"
    )
