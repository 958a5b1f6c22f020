"""What a worker does with a range: read, clean, score what is not known, write, commit."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from laud_ray import sources
from laud_ray.cleaning import clean
from laud_ray.errors import PassError
from laud_ray.relabel import catalog, repeats
from laud_ray.relabel.catalog import Catalog, Range
from laud_ray.scoring import TOP, distinct, likeliest, load_scorer, score_texts
from laud_ray.storage import Folder
from laud_ray.types import Bools, Floats, Indices, Scorer

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
# Their values hardly repeat: written by a dictionary they took three times as long, and half as much space again.
DISTINCT = ("id", "confidence", "margin", "top_probabilities", "source_row")
LEAVES = {"top_labels": "top_labels.list.element"}  # what Parquet calls the values of a list
RANGES = "_laud/ranges"
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
LONGEST_NAME = 255  # bytes of a folder's name, on all common file systems
SUSPECT = 20  # texts


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker needs to know beside the name of its range.

    Attributes:
        repeats: where the repeated texts and their answers are; None: each range scores all of its own texts.
        previous: where the earlier labels of each range's rows are.
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
        by_student: texts of `scored` that a cascade's student answered.
        health: what the scorer measured of itself, if it does.
    """

    name: str
    rows: int
    errors: int
    abstained: int
    scored: int
    by_student: int
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
        rows.answered.scored,
        rows.by_student,
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
    """The output rows, and how they came about: n texts, null where there was none, and (n, k) probabilities."""

    table: pa.Table
    texts: pa.Array
    answered: "_Answered"
    by_student: int
    looked_up: int
    health: dict[str, float]

    @property
    def probabilities(self) -> Floats:
        """(n, k); rows that the scorer was not asked for hold anything."""
        return self.answered.proba[self.answered.inverse]


def label(table: pa.Table, part: Range, job: Job, *, only: Bools | None = None) -> Labelled:
    """Make the output rows of a range's input rows; of those that are wanted, where `only` says which."""
    columns = job.catalog.columns
    rows = np.arange(table.num_rows) if only is None else np.flatnonzero(only)
    ids = catalog.ids(job.catalog, part, table)
    if only is not None:
        ids, table = ids.take(pa.array(rows)), table.take(pa.array(rows))
    cells = sources.as_bytes(part.path, columns.text, table[columns.text].combine_chunks())
    texts, errors = clean(cells, job.max_chars)
    scorer = load_scorer(job.model, job.load)
    known = np.zeros(len(cells), np.bool_)
    if job.repeats is not None:
        answers = repeats.open_answers(job.repeats / repeats.ANSWERS)
        file, row = answers.look_up(repeats.keys([cell or b"" for cell in cells.to_pylist()]))
        known = (row >= 0) & np.asarray(texts.is_valid())
    before = getattr(scorer, "answered", 0)
    answered = _score(scorer, texts, errors, ~known)
    by_student = getattr(scorer, "answered", 0) - before
    if known.any():
        top = answered.top.shape[1]
        answered.top[known], answered.probability[known] = answers.take(file[known], row[known], top)
        answered.usable[known] = True
    # A few poisonous texts can be all of a small range or sample; a broken scorer fails on more than that.
    many = answered.scored >= SUSPECT or (only is None and part.rows == job.catalog.rows)
    if many and not answered.usable.any() and answered.failure:
        raise PassError(f"the scorer failed on every document: {answered.failure}")
    made = _table(ids, rows, answered, scorer.labels, job, part)
    copied = part.path != job.catalog.inputs[part.input].path
    for name in dict.fromkeys(columns.keep):
        values = table[name].combine_chunks()
        made = made.append_column(name, _as_text(values) if copied else values)
    if job.previous is not None:
        old = job.previous.read_table(f"{part.name}.parquet")["label"].cast(pa.string()).combine_chunks()
        made = made.append_column("previous_label", old.take(pa.array(rows)).dictionary_encode())
    health = {key: float(value) for key, value in dict(getattr(scorer, "health", {})).items()}
    return Labelled(made, texts, answered, by_student, int(known.sum()), health)


def _as_text(values: pa.Array) -> pa.Array:
    """A column of a CSV or JSONL file, whose copy holds bytes."""
    return pa.array(
        [None if value is None else value.decode(errors="replace") for value in values.to_pylist()], pa.string()
    )


@dataclass(frozen=True, slots=True)
class _Answered:
    """n rows: (n, t) labels and probabilities, likeliest first; (n,) usable; (n,) errors of the others.

    proba is (u, k), of the texts that were scored; row i has that at inverse[i].
    """

    top: npt.NDArray[np.int32]
    probability: Floats
    usable: Bools
    errors: pa.Array
    scored: int
    failure: str | None
    proba: Floats
    inverse: Indices


def _score(scorer: Scorer, texts: pa.Array, errors: pa.Array, wanted: Bools) -> _Answered:
    """Score the wanted ones of n texts, equal ones once."""
    top = min(TOP, len(scorer.labels))
    ask = pc.if_else(pa.array(wanted), texts, pa.scalar(None, texts.type))
    unique, inverse = distinct(ask)
    proba, failures = score_texts(scorer, unique)
    if not len(unique):
        proba = np.zeros((1, len(scorer.labels)), np.float32)
    order, best, _ = likeliest(proba, top)
    usable = (inverse >= 0) & ~np.isin(inverse, list(failures))
    rows = np.where(usable, inverse, 0)
    if failures:
        said = [failures.get(int(place)) if place >= 0 else None for place in inverse]
        errors = pc.coalesce(errors, pa.array(said, pa.string()))
    failure = next(iter(failures.values())) if failures else None
    return _Answered(order[rows], best[rows], usable, errors, len(unique), failure, proba, rows)


def _table(
    ids: pa.Array, rows: Indices, answered: _Answered, labels: tuple[str, ...], job: Job, part: Range
) -> pa.Table:
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
            "source_row": pa.array(part.first + rows),
            "error": answered.errors,
        }
    )


def _write(job: Job, name: str, table: pa.Table) -> Iterator[Written]:
    if job.partition is None:
        yield _write_file(job.out, f"{name}.parquet", table)
        return
    rest = table.drop_columns([job.partition])
    for folder, rows in _folders(job, table[job.partition].combine_chunks()).items():
        yield _write_file(job.out, f"{folder}/{name}.parquet", rest.filter(pa.array(rows)))


def _folders(job: Job, values: pa.Array) -> dict[str, Bools]:
    """Return the folder of each value, as Hive names them, and (n,) which rows belong in it.

    Raises:
        PassError: if a value cannot be the name of a folder.
    """
    if pa.types.is_nested(values.type):
        raise PassError(f"--partition {job.partition}: the column has type {values.type}; expected single values")
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
    found: dict[str, Bools] = {}
    for code in np.unique(codes):
        value = None if code < 0 else coded.dictionary[int(code)].as_py()
        folder = f"{job.partition}={NO_VALUE if value is None else quote(str(value), safe=' ')}"
        if job.out.local is not None and len(folder.encode()) > LONGEST_NAME:
            raise PassError(
                f"--partition {job.partition}: a folder cannot be named after the value {str(value)[:40]!r}...: "
                f"{len(folder.encode())} bytes; expected at most {LONGEST_NAME}"
            )
        found[folder] = found.get(folder, np.zeros(len(codes), np.bool_)) | (codes == code)
    return found


def _write_file(out: Folder, name: str, table: pa.Table) -> Written:
    sink = pa.BufferOutputStream()
    repeating = [LEAVES.get(one, one) for one in table.column_names if one not in DISTINCT]
    pq.write_table(table, sink, compression="zstd", use_dictionary=repeating)
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
