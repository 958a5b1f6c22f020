"""What a worker does with a range: read, clean, score what is not known, write, commit."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from urllib.parse import quote, unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from laud_ray.cleaning import clean
from laud_ray.errors import PassError
from laud_ray.relabel import catalog, repeats
from laud_ray.relabel.catalog import Catalog, Range
from laud_ray.scoring import TOP, distinct, likeliest, load_scorer, score_texts
from laud_ray.sources import as_bytes
from laud_ray.storage import Folder
from laud_ray.types import Bools, Floats, Scorer

# What a table writes of its own; a kept column must not have one of these names.
COLUMNS = (
    "id",
    "label",
    "confidence",
    "margin",
    "top_labels",
    "top_probabilities",
    "abstained",
    "model",
    "source",
    "source_row",
    "error",
    "previous_label",
)
RANGES = "_laud/ranges"
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker needs to know beside the name of its range.

    Attributes:
        repeats: where the repeated texts and their answers are; None: each range scores all of its own texts.
        previous: an earlier output over the same ranges.
        load: opens the model, once per process.
    """

    catalog: Catalog
    model: Folder
    name: str
    out: Folder
    max_chars: int
    threshold: float
    partition: str | None
    repeats: Folder | None
    previous: Folder | None
    load: Callable[[str], Scorer]

    def range(self, name: str) -> Range:
        return self.catalog.ranges[int(name.removeprefix("part-"))]


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the output."""

    name: str
    bytes: int
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Record:
    """What came of a range; its file is the commit.

    Attributes:
        scored: texts that this range's worker scored itself.
        looked_up: rows whose answer came from the repeated texts.
        changed: rows with another label than the previous one, of `compared`.
        health: what the scorer measured of itself, if it does.
    """

    name: str
    rows: int
    errors: int
    abstained: int
    scored: int
    looked_up: int
    compared: int
    changed: int
    labels: dict[str, int]
    files: tuple[Written, ...]
    health: dict[str, float] = field(default_factory=dict)


def read_record(out: Folder, name: str) -> Record:
    data = json.loads((out / RANGES).read(f"{name}.json"))
    return Record(**{**data, "files": tuple(Written(**one) for one in data["files"])})


def label_range(name: str, job: Job) -> Record:
    """Label one range and commit it: its files first, its record last."""
    part = job.range(name)
    rows = label(catalog.read(job.catalog.columns, part), part, job)
    files = tuple(_write(job, name, rows.table))
    record = Record(
        name,
        rows.table.num_rows,
        int(pc.sum(rows.table["label"].is_null()).as_py()),
        int(pc.sum(rows.table["abstained"]).as_py() or 0),
        rows.scored,
        rows.looked_up,
        *_compare(rows.table),
        _count(rows.table["label"]),
        files,
        rows.health,
    )
    (job.out / RANGES).write(f"{name}.json", json.dumps(asdict(record)).encode())
    return record


def score_repeats(name: str, job: Job) -> int:
    """Score a file of repeated texts, and commit their answers; return how many texts it holds."""
    assert job.repeats is not None
    answers, to = job.repeats / repeats.ANSWERS, repeats.answer_name(name)
    cells = job.repeats.read_table(name)["text"].combine_chunks().cast(pa.large_binary())
    texts, errors = clean(cells, job.max_chars)
    answered = _score(load_scorer(job.model, job.load), texts, errors, np.ones(len(texts), np.bool_))
    rows = np.flatnonzero(answered.usable)
    found = repeats.keys(cells.to_pylist())[rows]
    repeats.write_answers(answers, to, found, answered.top[rows], answered.probability[rows])
    return len(texts)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The output rows, and how they came about."""

    table: pa.Table
    scored: int
    looked_up: int
    health: dict[str, float]


def label(table: pa.Table, part: Range, job: Job) -> Labelled:
    """Make the output rows of a range's input rows."""
    columns = job.catalog.columns
    cells = _bytes(table, part.path, columns.text)
    texts, errors = clean(cells, job.max_chars)
    scorer = load_scorer(job.model, job.load)
    top = min(TOP, len(scorer.labels))
    known = np.zeros(len(cells), np.bool_)
    if job.repeats is not None:
        answers = repeats.open_answers(job.repeats / repeats.ANSWERS)
        usable = np.asarray(texts.is_valid())
        keys = repeats.keys([cell or b"" for cell in cells.to_pylist()])
        file, row = answers.look_up(keys)
        known = (row >= 0) & usable
    answered = _score(scorer, texts, errors, ~known)
    if known.any():
        answered.top[known], answered.probability[known] = answers.take(file[known], row[known], top)
        answered.usable[known] = True
    if not answered.usable.any() and answered.failure:
        raise PassError(f"the scorer failed on every document: {answered.failure}")
    ids = _ids(table, part, job)
    made = _table(ids, answered, scorer.labels, job, part)
    for name in columns.keep:
        values = table[name].combine_chunks()
        if pa.types.is_large_binary(values.type):  # from a copy of a CSV or JSONL file
            values = pa.array([None if v is None else v.decode(errors="replace") for v in values.to_pylist()])
        made = made.append_column(name, values)
    if job.previous is not None:
        made = made.append_column("previous_label", _previous(ids, part.name, job.previous))
    health = {key: float(value) for key, value in dict(getattr(scorer, "health", {})).items()}
    return Labelled(made, answered.scored, int(known.sum()), health)


@dataclass(frozen=True, slots=True)
class _Answered:
    """n rows: (n, t) labels and probabilities, likeliest first; (n,) usable; (n,) errors of the others."""

    top: npt.NDArray[np.int32]
    probability: Floats
    usable: Bools
    errors: pa.Array
    scored: int
    failure: str | None


def _score(scorer: Scorer, texts: pa.Array, errors: pa.Array, wanted: Bools) -> _Answered:
    """Score the wanted ones of n texts, equal ones once."""
    top = min(TOP, len(scorer.labels))
    ask = pc.if_else(pa.array(wanted), texts, pa.scalar(None, texts.type))
    unique, inverse = distinct(ask)
    proba, failures = score_texts(scorer, unique)
    order, best, _ = likeliest(proba, top) if len(unique) else (np.zeros((1, top), np.int32),) * 2 + (None,)
    usable = (inverse >= 0) & ~np.isin(inverse, list(failures))
    rows = np.where(usable, inverse, 0)
    if failures:
        said = [failures.get(int(place)) if place >= 0 else None for place in inverse]
        errors = pc.coalesce(errors, pa.array(said, pa.string()))
    failure = next(iter(failures.values())) if failures else None
    return _Answered(order[rows], best[rows].astype(np.float32), usable, errors, len(unique), failure)


def _table(ids: pa.Array, answered: _Answered, labels: tuple[str, ...], job: Job, part: Range) -> pa.Table:
    n, top = answered.top.shape
    usable, names = answered.usable, pa.array(labels, pa.string())
    null = ~usable
    first = answered.probability[:, 0]
    second = answered.probability[:, 1] if top > 1 else np.zeros(n, np.float32)
    offsets = pa.array(np.concatenate([[0], np.cumsum(usable * top)]).astype(np.int32))
    listed = pa.DictionaryArray.from_arrays(pa.array(answered.top[usable].ravel().astype(np.int32)), names)

    def one(value: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value]))

    return pa.table(
        {
            "id": ids,
            "label": pa.DictionaryArray.from_arrays(pa.array(answered.top[:, 0].astype(np.int32), mask=null), names),
            "confidence": pa.array(first, pa.float32(), mask=null),
            "margin": pa.array(first - second, pa.float32(), mask=null),
            "top_labels": pa.ListArray.from_arrays(offsets, listed),
            "top_probabilities": pa.ListArray.from_arrays(offsets, pa.array(answered.probability[usable].ravel())),
            "abstained": pa.array((first < np.float32(job.threshold)) & usable),
            "model": one(job.name),
            "source": one(job.catalog.names[part.input]),
            "source_row": pa.array(np.arange(part.first, part.first + n)),
            "error": answered.errors,
        }
    )


def _ids(table: pa.Table, part: Range, job: Job) -> pa.Array:
    """The ids of the rows: their own, or the input's name and the number of the row."""
    if job.catalog.columns.id is not None:
        return _bytes(table, part.path, job.catalog.columns.id).cast(pa.string())
    numbers = pa.array(np.arange(part.first, part.first + part.rows)).cast(pa.string())
    return pc.binary_join_element_wise(job.catalog.names[part.input], numbers, "#")


def _bytes(table: pa.Table, path: str, name: str) -> pa.Array:
    return as_bytes(path, name, table[name].combine_chunks())


def _previous(ids: pa.Array, name: str, previous: Folder) -> pa.Array:
    """Return the labels that an earlier output has for the same rows.

    Raises:
        PassError: if its rows have other ids.
    """
    parts = [_from_file(previous, one.name) for one in read_record(previous, name).files]
    found = pa.concat_tables(parts).combine_chunks()
    at = pc.index_in(ids, value_set=found["id"].combine_chunks())
    if at.null_count:
        raise PassError(f"{previous.uri}: {name} lacks {at.null_count} of the ids; expected the same rows")
    return found["label"].combine_chunks().take(at).dictionary_encode()


def _from_file(previous: Folder, name: str) -> pa.Table:
    """Ids and labels of a file; where the label is the partition, it is in the file's name."""
    table = previous.read_table(name)
    if "label" in table.column_names:
        return pa.table({"id": table["id"], "label": table["label"].cast(pa.string())})
    value = unquoted(name.split("/")[0])
    return pa.table({"id": table["id"], "label": pa.array([value] * table.num_rows, pa.string())})


def unquoted(folder: str) -> str | None:
    """The value in the name of a Hive partition's folder."""
    value = folder.partition("=")[2]
    return None if value == NO_VALUE else unquote(value)


def _write(job: Job, name: str, table: pa.Table) -> Iterator[Written]:
    if job.partition is None:
        yield _write_file(job.out, f"{name}.parquet", table)
        return
    values = table[job.partition].combine_chunks()
    values = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    rest = table.drop_columns([job.partition])
    for value in values.unique():
        rows = values.is_null() if not value.is_valid else pc.fill_null(pc.equal(values, value), False)
        shown = quote(str(value.as_py()), safe=" ") if value.is_valid else NO_VALUE
        yield _write_file(job.out, f"{job.partition}={shown}/{name}.parquet", rest.filter(rows))


def _write_file(out: Folder, name: str, table: pa.Table) -> Written:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue()
    out.write(name, data)
    return Written(name, data.size, table.num_rows, checksum(data))


def checksum(data: bytes | pa.Buffer) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _compare(table: pa.Table) -> tuple[int, int]:
    """Rows that had a label before, and those of them that have another one now."""
    if "previous_label" not in table.column_names:
        return 0, 0
    old, new = table["previous_label"].cast(pa.string()), table["label"].cast(pa.string())
    had = pc.is_valid(old)
    same = pc.fill_null(pc.equal(old, new), False)
    return int(pc.sum(had).as_py()), int(pc.sum(pc.and_(had, pc.invert(same))).as_py())


def _count(labels: pa.ChunkedArray) -> dict[str, int]:
    counted = Counter[str]()
    for row in pc.value_counts(labels.cast(pa.string())).to_pylist():
        if row["values"] is not None:
            counted[row["values"]] += row["counts"]
    return dict(counted)
