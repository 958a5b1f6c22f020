"""The end of a relabel: everything is read again and counted, and only then the output is called a success."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from laud_ray.cluster.workers import Workers
from laud_ray.errors import DamageError, PassError
from laud_ray.relabel.plan import Plan, read_plan, work_folder
from laud_ray.relabel.ranges.records import RANGES, Record, checksum, read_record, record_name
from laud_ray.stats.legibility import Legibility
from laud_ray.storage.checksums import dump_json, parse_json
from laud_ray.storage.folder import Folder

# Up to so many rows are checked sooner here than Ray and its workers start; READERS files at a time.
HERE, READERS = 10_000_000, 8
logger = logging.getLogger(__name__)

MANIFEST, SUCCESS = "_manifest.json", "_SUCCESS"
_OURS = re.compile(r"([^/]+=[^/]*/)?part-\d{5,}\.parquet")


@dataclass(frozen=True, slots=True)
class Totals:
    """What a finished relabel did; see Record for the words.

    Attributes:
        scored, by_student: texts, those that stand in several rows counted once.
        other_texts: rows whose id stood for another text in the previous output.
        found_by_text: rows whose previous label is that of their text, which stands under another id in that output.
        legibility: counts of what the model's tokenizer does not know; empty where nothing was counted.
    """

    rows: int
    ranges: int
    errors: int
    abstained: int
    scored: int
    by_student: int
    looked_up: int
    compared: int
    changed: int
    labels: dict[str, int]
    other_texts: int = 0
    found_by_text: int = 0
    legibility: dict[str, int] = field(default_factory=dict)


def finish(plan: Plan, out: Folder, progress: Callable[[int, int], None]) -> Totals:
    """Check the output against the plan, write the manifest, and mark the output as whole.

    Raises:
        PassError: if a file is not what was written, rows are missing, or an id stands twice. A range whose files
            are not right is taken back, so that the same command makes it again.
    """
    from laud_ray.relabel.inputs import previous, tables
    from laud_ray.relabel.ranges import repeats  # with DuckDB, which an output that is whole does without

    names = [part.name for part in plan.catalog.ranges]
    records: dict[str, Record] = {}
    done = 0
    for name, found in _checked(names, out, here=plan.catalog.rows <= HERE):
        if isinstance(found, str):
            (out / RANGES).delete(record_name(name))
            raise PassError(f"{found}. Run the same command again to label it again.")
        records[name] = found
        done += found.rows
        progress(done, plan.catalog.rows)
    for part in plan.catalog.ranges:
        if records[part.name].rows != part.rows:
            raise PassError(f"{part.name}: {records[part.name].rows} rows out of {part.rows} in")
    files = [f"{out.uri}/{one.name}" for record in records.values() for one in record.files]
    ids = tables.count_ids(files, "id")
    if ids.rows != plan.catalog.rows or ids.distinct != ids.rows:
        raise PassError(
            f"{out.uri}: {ids.rows:,} rows with {ids.distinct:,} distinct ids; expected {plan.catalog.rows:,} of both"
        )
    _clear(out, {file.name for record in records.values() for file in record.files})
    repeated = repeats.read_counts(work_folder(plan, out) / repeats.REPEATS)
    shifted = previous.read_counts(work_folder(plan, out) / previous.FOLDER)
    summed = _sum([records[name] for name in names], *repeated)
    totals = replace(summed, other_texts=shifted[0], found_by_text=shifted[1])
    out.write(MANIFEST, dump_json(_manifest(plan, out, totals, records)))
    out.write(SUCCESS, b"")
    return totals


def _clear(out: Folder, written: set[str]) -> None:
    """Delete files of ours that no record names: a range that was begun again may have had other values before."""
    for entry in out.entries(recursive=True):
        if _OURS.fullmatch(entry.path) and entry.path not in written:
            out.delete(entry.path)


def _checked(names: list[str], out: Folder, *, here: bool) -> Iterator[tuple[str, Record | str]]:
    """Check ranges here, or with workers."""
    if here:
        with ThreadPoolExecutor(READERS) as pool:
            yield from zip(names, pool.map(lambda name: check_range(name, out), names), strict=True)
        return
    from laud_ray.cluster.connect import connect  # with Ray, the same
    from laud_ray.cluster.ranges import map_all_ranges

    connect()
    for result in map_all_ranges(names, check_range, out, Workers(), committed=False):
        yield result.name, result.value


def check_range(name: str, out: Folder) -> Record | str:
    """Read a range's files again; return its record, or what is wrong."""
    try:
        record = read_record(out, name)
    except (FileNotFoundError, DamageError):
        return f"{out.uri}/{RANGES}/{name}.json: is missing or no record of a range"
    for file in record.files:
        try:
            data = out.read(file.name)
        except FileNotFoundError:
            return f"{out.uri}/{file.name}: is missing"
        if checksum(data) != file.checksum:
            return f"{out.uri}/{file.name}: is not what was written: another checksum"
        if pq.read_metadata(pa.BufferReader(data)).num_rows != file.rows:
            return f"{out.uri}/{file.name}: does not have {file.rows} rows"
    if sum(file.rows for file in record.files) != record.rows:
        return f"{name}: its files do not have its {record.rows} rows"
    return record


def finished(plan: Plan, out: Folder) -> Totals | None:
    """Return the totals of an output that is whole; None if it is not, or not any more.

    A range whose files are not what was written is taken back then, so that it is made again.
    """
    if not out.exists(SUCCESS):
        return None
    names = [part.name for part in plan.catalog.ranges]
    wrong = [name for name, found in _checked(names, out, here=plan.catalog.rows <= HERE) if isinstance(found, str)]
    if not wrong:
        return parse_json(out.read(MANIFEST), f"{out.uri}/{MANIFEST}", lambda found: Totals(**found["totals"]))
    logger.warning(
        "%s: %d of %d ranges are not as they were written: they are made again", out.uri, len(wrong), len(names)
    )
    out.delete(SUCCESS)
    for name in wrong:
        (out / RANGES).delete(record_name(name))
    return None


def _sum(records: list[Record], scored: int, by_student: int) -> Totals:
    """Add up the ranges, and the texts that were scored beside them."""

    def total(key: str) -> int:
        return sum(getattr(record, key) for record in records)

    labels = sum((Counter(record.labels) for record in records), Counter[str]())
    return Totals(
        rows=total("rows"),
        ranges=len(records),
        errors=total("errors"),
        abstained=total("abstained"),
        scored=scored + total("scored"),
        by_student=by_student + total("by_student"),
        looked_up=total("looked_up"),
        compared=total("compared"),
        changed=total("changed"),
        labels=dict(labels.most_common()),
        legibility=_legibility(records),
    )


def _legibility(records: list[Record]) -> dict[str, int]:
    counted = (Legibility.of(record.health) for record in records)
    whole = sum((one for one in counted if one is not None), Legibility())
    return asdict(whole) if whole.texts else {}


def _manifest(plan: Plan, out: Folder, totals: Totals, records: dict[str, Record]) -> dict[str, Any]:
    return {
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "totals": asdict(totals),
        **{key: value for key, value in read_plan(out).items() if key != "ranges"},
        "ranges": [
            {**asdict(part), "files": [asdict(one) for one in records[part.name].files]} for part in plan.catalog.ranges
        ],
    }
