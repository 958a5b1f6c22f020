"""Finish a relabel: read all output files again, check and count them, then mark the output as complete."""

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
from laud_ray.relabel.ranges.records import AT_LEAF, RANGES, UNANSWERED, Record, checksum, read_record, record_name
from laud_ray.stats.legibility import Legibility
from laud_ray.storage.checksums import dump_json, parse_json
from laud_ray.storage.folder import Folder

# Up to HERE rows, checking in this process is faster than starting Ray. It reads READERS files at a time.
HERE, READERS = 10_000_000, 8
logger = logging.getLogger(__name__)

MANIFEST, SUCCESS = "_manifest.json", "_SUCCESS"
_OURS = re.compile(r"([^/]+=[^/]*/)?part-\d{5,}\.parquet")


@dataclass(frozen=True, slots=True)
class Totals:
    """The counts of a finished relabel. Attributes that are not listed are sums of those in Record.

    Attributes:
        ranges: number of ranges.
        scored: texts that were scored; a text that occurs in several rows counts once.
        by_student: texts of `scored` that the cascade's student answered.
        other_texts: rows whose id had another text in the previous output.
        found_by_text: rows that took their previous label from the same text under another id.
        legibility: counts of tokens that the model's tokenizer does not know; empty if nothing was counted.
        answered: of a taxonomy, the rows by the place of their answer: "leaf", the levels that answers back off to from
            the deepest up, and "none". Empty for other tasks.
        carried: rows whose scores were carried over from an earlier output.
        sizes: of a multilabel task, the rows by their number of labels, from "0". Empty for other tasks.
        in_audience: rows in the audience of a rule.
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
    answered: dict[str, int] = field(default_factory=dict)
    carried: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    in_audience: int = 0


def finish(plan: Plan, out: Folder, progress: Callable[[int, int], None]) -> Totals:
    """Check the output against the plan, write the manifest, and mark the output as complete.

    Raises:
        PassError: if a file is damaged, rows are missing, or an id is repeated. The record of a range with a damaged
            file is deleted, so that the same command labels it again.
    """
    from laud_ray.relabel.inputs import previous, tables
    from laud_ray.relabel.ranges import repeats  # imports DuckDB, which a complete output does not need

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
            raise PassError(f"{part.name}: has {records[part.name].rows} output rows; expected {part.rows}")
    files = [f"{out.uri}/{one.name}" for record in records.values() for one in record.files]
    ids = tables.count_ids(files, "id")
    if ids.rows != plan.catalog.rows or ids.distinct != ids.rows:
        raise PassError(
            f"{out.uri}: has {ids.rows:,} rows with {ids.distinct:,} distinct ids; "
            f"expected {plan.catalog.rows:,} of both"
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
    """Delete output files that no record lists. They remain if a retry of a range wrote other partitions."""
    for entry in out.entries(recursive=True):
        if _OURS.fullmatch(entry.path) and entry.path not in written:
            out.delete(entry.path)


def _checked(names: list[str], out: Folder, *, here: bool) -> Iterator[tuple[str, Record | str]]:
    """Yield each range with its record or with what is wrong; check in this process or on the cluster's workers."""
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
    """Read the files of a range again; return its record, or a text that says what is wrong."""
    try:
        record = read_record(out, name)
    except (FileNotFoundError, DamageError):
        return f"{out.uri}/{RANGES}/{name}.json: is missing or damaged"
    for file in record.files:
        try:
            data = out.read(file.name)
        except FileNotFoundError:
            return f"{out.uri}/{file.name}: is missing"
        if checksum(data) != file.checksum:
            return f"{out.uri}/{file.name}: was changed or is damaged: its checksum differs"
        if (rows := pq.read_metadata(pa.BufferReader(data)).num_rows) != file.rows:
            return f"{out.uri}/{file.name}: has {rows} rows; expected {file.rows}"
    if (rows := sum(file.rows for file in record.files)) != record.rows:
        return f"{name}: its files have {rows} rows; expected {record.rows}"
    return record


def finished(plan: Plan, out: Folder) -> Totals | None:
    """Return the totals of a complete output; None if it is unfinished or damaged.

    The records of damaged ranges are deleted, so that these ranges are labelled again.
    """
    if not out.exists(SUCCESS):
        return None
    names = [part.name for part in plan.catalog.ranges]
    wrong = [name for name, found in _checked(names, out, here=plan.catalog.rows <= HERE) if isinstance(found, str)]
    if not wrong:
        return parse_json(out.read(MANIFEST), f"{out.uri}/{MANIFEST}", lambda found: Totals(**found["totals"]))
    logger.warning(
        "%s: %d of %d ranges were changed or are damaged; they are labelled again", out.uri, len(wrong), len(names)
    )
    out.delete(SUCCESS)
    for name in wrong:
        (out / RANGES).delete(record_name(name))
    return None


def _sum(records: list[Record], scored: int, by_student: int) -> Totals:
    """Add up the records, and the counts of repeated texts, which were scored separately."""

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
        answered=_answered(records),
        carried=total("carried"),
        sizes=_sizes(records),
        in_audience=total("in_audience"),
    )


def _answered(records: list[Record]) -> dict[str, int]:
    """Add up the places of answers: the leaf, the levels from the deepest up, no answer."""
    counted = sum((Counter(record.answered) for record in records), Counter[str]())
    levels = sorted((place for place in counted if place.isdigit()), key=int, reverse=True)
    return {place: counted[place] for place in (AT_LEAF, *levels, UNANSWERED)} if counted else {}


def _sizes(records: list[Record]) -> dict[str, int]:
    """Add up the rows by their number of labels."""
    counted = sum((Counter(record.sizes) for record in records), Counter[str]())
    return {size: counted[size] for size in sorted(counted, key=int)}


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
