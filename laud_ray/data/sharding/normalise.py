"""Turn source files into a corpus: documents with stable ids, sorted by a hash of their text, in Parquet ranges.

The sort has three advantages at any size. Equal texts are adjacent, so duplicates are found within a range. Every
range is a random sample of the corpus. And the order does not depend on the order of the input.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from laud_ray.config import CorpusConfig
from laud_ray.data import sources
from laud_ray.data.corpus import MANIFEST, SEALED_LABELS, Corpus, corpus_of
from laud_ray.data.formats import files, jsonl
from laud_ray.data.formats.text_files import Piece
from laud_ray.data.generations.manifest import FIRST, Generation
from laud_ray.data.label_counts import ColumnLabels
from laud_ray.data.seen import Seen
from laud_ray.data.sharding.fingerprint import fingerprint
from laud_ray.data.sharding.mapping import Mapped, here, over_cluster
from laud_ray.data.sharding.ordering import (
    HASHED,
    SEALED,
    Ordered,
    OrderJob,
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
from laud_ray.storage.checksums import dump_json
from laud_ray.storage.credentials import masked
from laud_ray.storage.folder import Entry, Folder
from laud_ray.storage.text_reading import Reading

SCRATCH = "unsorted"
# Bytes of input above which starting the cluster's workers is worth its time.
LARGE = 64_000_000


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
        with as_file(config, _columns(config, sealed), scratch) as source:
            entries = sources.inputs(source.path, seen := Seen())
            mapped = here if sum(entry.size for entry in entries) < LARGE else over_cluster
            sharded = _shard(source, entries, scratch, mapped, seen, sealed, labels)
            if config.query is not None:
                seen.rename(source.path, masked(config.path))
            return _order(source, folder, sharded, scratch, mapped, seen, sealed, labels)
    finally:
        scratch.remove()


def _columns(config: CorpusConfig, sealed: str | None) -> tuple[str, ...]:
    return (config.text, *([config.id] if config.id else []), *([sealed] if sealed else []))


def _shard(
    config: CorpusConfig,
    entries: Sequence[Entry],
    scratch: Folder,
    mapped: Mapped,
    seen: Seen,
    sealed: str | None,
    labels: Known | None,
) -> Sharded:
    """Read and clean the source, and put its rows into buckets."""
    columns = _columns(config, sealed)
    units = _planned(entries, columns, config.reading, mapped)
    job = ShardJob(
        {unit.name: unit for unit in units},
        columns,
        config.id is not None,
        sealed is not None,
        config.reading,
        config.max_chars,
        labels,
        scratch,
    )
    found = mapped([unit.name for unit in units], shard_unit, job)
    whole = together([found[unit.name] for unit in units])
    seen.merge(whole.seen)
    for file, keys in seen.keys.items():
        if keys.missing:
            jsonl.require(file, columns, list(keys.known))
    seen.finish(config.path)
    if not whole.counts["documents"]:
        raise CorpusError(f"{config.path}: holds no documents; expected at least one row")
    return whole


def _order(
    config: CorpusConfig,
    folder: Folder,
    sharded: Sharded,
    scratch: Folder,
    mapped: Mapped,
    seen: Seen,
    sealed: str | None,
    labels: Known | None,
) -> Corpus:
    """Sort the buckets and write the ranges; write the manifest last."""
    groups = plan_groups(sharded.rows, size := range_size(sharded.counts["documents"]))
    named = {group.name: group for group in groups}
    written = tuple(one.name for one in sharded.files)
    job = OrderJob(named, written, scratch, folder.absolute(), size, config.id is not None, sealed is not None, labels)
    if config.id is not None:
        _refuse_repeated_id(config, sharded, mapped(list(named), repeated_id, job))
    found = mapped(list(named), order_group, job)
    ordered = [found[name] for name in named]
    counts = sum((one.counts for one in ordered), sharded.counts)
    ranges = tuple(part for one in ordered for part in one.ranges)
    if sealed is not None:
        (folder / SEALED).write(SEALED_LABELS, _labels_of(ordered).dump())
    found_print = fingerprint(scratch / HASHED, list(named))
    corpus = corpus_of(
        folder, [Generation(FIRST, None, None, ranges, _counts(counts), {}, found_print, tuple(seen.notes))]
    )
    manifest = {
        "ranges": [asdict(part) for part in ranges],
        "counts": corpus.counts,
        "fingerprint": corpus.fingerprint,
        "notes": list(corpus.notes),
        "read": {**seen.counts(), "readings": seen.distinct_readings()},
    }
    folder.write(MANIFEST, dump_json(manifest))
    return corpus


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
