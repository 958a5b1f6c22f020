"""Sources -> normalised ranges: documents with stable ids, sorted by a hash of their text, in Parquet.

The sort makes three things cheap at any size: equal texts lie side by side, so duplicates are found within
a range; every range is a random sample of the corpus; and the order does not depend on that of the input.
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from laud_ray import sources
from laud_ray.checksums import count, dump_json, parse_json, texts
from laud_ray.checksums import text as text_of
from laud_ray.cleaning import clean
from laud_ray.config import CorpusConfig
from laud_ray.data.label_counts import ColumnLabels, SortedLabels, load_labels
from laud_ray.data.seen import Seen
from laud_ray.errors import CorpusError
from laud_ray.labels import Known
from laud_ray.printable import quoted
from laud_ray.sorting import IdBuckets, Row, RowBuckets, digest_of, identify, parts
from laud_ray.sources import Cell
from laud_ray.storage import Folder
from laud_ray.texts import normalise_text

MANIFEST = "corpus.json"
SEALED, SEALED_LABELS = "sealed", "labels.json"
RANGE_SCHEMA = pa.schema(
    [("id", pa.string()), ("text", pa.string()), ("error", pa.string()), ("duplicate_of", pa.string())]
)
SEALED_SCHEMA = pa.schema([("id", pa.string()), ("value", pa.string())])


@dataclass(frozen=True, slots=True)
class Range:
    """A part of the corpus that is scored and committed as one: a file and its number of rows."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents, normalised once.

    Each range has the columns id, text, error and duplicate_of. A document that cannot be scored has
    no text and an error that says why; duplicate_of is the id of the first document with that text.

    Attributes:
        counts: documents, unique, duplicates, errors, truncated, and a count for each error.
        fingerprint: changes when any id or text does.
        notes: what a person should know of how the source was read.
    """

    folder: Folder
    ranges: tuple[Range, ...]
    counts: Mapping[str, int]
    fingerprint: str
    notes: tuple[str, ...] = ()

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Return a range's rows, always in the same order."""
        return self.folder.read_table(name, columns)

    def some_texts(self, n: int) -> tuple[str, ...]:
        """Return at most n distinct texts, always the same: a random sample, since ranges are sorted by hash."""
        texts: dict[str, None] = {}
        for one in self.ranges:
            table = self.read(one.name, ["text"])
            texts |= dict.fromkeys(text for text in table.column("text").to_pylist() if text is not None)
            if len(texts) >= n:
                break
        return tuple(texts)[:n]

    @property
    def pool_size(self) -> int:
        """How many documents can be asked about: those with a text, equal texts once."""
        return self.counts["unique"]


def open_corpus(folder: Folder) -> Corpus | None:
    """Return the corpus in the folder, or None if it has not been finished.

    Raises:
        DamageError: if its description is not what was written.
    """
    if not folder.exists(MANIFEST):
        return None

    def read(found: Mapping[str, Any]) -> Corpus:
        ranges = tuple(Range(text_of(one["name"]), count(one["rows"])) for one in found["ranges"])
        counts = {name: count(number) for name, number in found["counts"].items()}
        return Corpus(folder, ranges, counts, text_of(found["fingerprint"]), texts(found.get("notes", [])))

    return parse_json(folder.read(MANIFEST), f"{folder.uri}/{MANIFEST}", read)


def normalise(
    config: CorpusConfig, folder: Folder, *, sealed: str | None = None, labels: Known | None = None
) -> Corpus:
    """Read the source in a stream and write its ranges; the manifest comes last and makes it whole.

    Texts are put into Unicode NFC, white space runs become one space, and what is longer than
    config.max_chars characters is cut. Ids are the given column's, or the hash of the text; equal
    texts then get "-2", "-3" and so on.

    Args:
        sealed: a column of labels that is kept apart, under the ids, for the one who may look at it.
        labels: the task's, whose names stand there in place of their other spellings.

    Raises:
        CorpusError: if a file or column is missing, an id occurs twice, or there are no documents.
    """
    columns = [config.text] + ([config.id] if config.id else []) + ([sealed] if sealed else [])
    counts: Counter[str] = Counter(documents=0, unique=0, duplicates=0, errors=0, truncated=0)
    seen = Seen()
    local = folder.local
    if local is not None:
        local.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=local, prefix=".spill-") as scratch:
        rows, ids = RowBuckets(Path(scratch)), IdBuckets(Path(scratch))
        for part in sources.parts(config.path, columns, config.reading, seen):
            names: list[str] | list[None] = [None] * part.batch.num_rows
            if config.id:
                names = [_id(part, i, key) for i, key in enumerate(part.batch.column(1).to_pylist())]
                ids.add(part.file, part.first, names)
            values = part.batch.column(len(columns) - 1) if sealed else None
            for row in _rows(part.batch.column(0), names, values, labels, config, counts):
                rows.add(row)
        if not counts["documents"]:
            raise CorpusError(f"{config.path}: holds no documents; expected at least one row")
        _refuse_duplicate_ids(ids, config)
        class_of = (lambda label: labels.find_class(label) or label) if labels is not None else str
        return _write(rows, folder, counts, seen, SortedLabels(class_of) if sealed else None)


def document_id(text: str) -> str:
    """The id of a normalised text where the source has no id column: 32 hexadecimal digits."""
    return digest_of(text.encode()).hex()


def _id(part: sources.Part, i: int, key: Cell) -> str:
    try:
        name = key.decode() if key else None
    except UnicodeDecodeError:
        name = None
    if not name:
        shown = "missing" if not key else quoted(key)
        raise CorpusError(f"{part.file} row {part.first + i}: the id is {shown}; expected a text")
    return name


def _label(cell: Cell, labels: Known | None) -> str | None:
    """Return a label of the sealed column by its name; None where there is none."""
    text = normalise_text((cell or b"").decode(errors="replace"))
    return (labels.find(text) if labels is not None else None) or text or None


def _rows(
    cells: pa.Array,
    names: Sequence[str | None],
    values: pa.Array | None,
    labels: Known | None,
    config: CorpusConfig,
    counts: Counter[str],
) -> Iterator[Row]:
    """Normalise some documents, and count what was done to them."""
    cleaned = clean(cells, config.max_chars)
    counts["documents"] += len(cells)
    counts["truncated"] += cleaned.truncated
    errors = cleaned.errors.to_pylist()
    found = Counter(error for error in errors if error is not None)
    counts.update({"errors": found.total(), **found})
    sealed = [None] * len(cells) if values is None else [_label(cell, labels) for cell in values.to_pylist()]
    for cell, text, error, name, value in zip(
        cells.to_pylist(), cleaned.texts.to_pylist(), errors, names, sealed, strict=True
    ):
        digest = digest_of(text.encode() if text is not None else cell or b"")
        yield Row(digest, name, text, error, value)


def _refuse_duplicate_ids(ids: IdBuckets, config: CorpusConfig) -> None:
    places = ids.repeated()
    if places is None:
        return
    (file, row), (again, second) = places
    found = sources.parts(again, [config.text, str(config.id)], config.reading)
    part = next(one for one in found if one.first <= second < one.first + one.batch.num_rows)
    name = _id(part, second - part.first, part.batch.column(1)[second - part.first].as_py())
    raise CorpusError(
        f"{again} row {second}: the id {quoted(name)} stands in {file} row {row} already; expected distinct ids"
    )


def _write(rows: RowBuckets, folder: Folder, counts: Counter[str], seen: Seen, sealed: SortedLabels | None) -> Corpus:
    size = min(max(len(rows) // 64, 1024), 50_000)
    fingerprint = hashlib.blake2b(digest_size=16)
    ranges: list[Range] = []
    for number, part in enumerate(parts(identify(rows.sorted(), counts), size)):
        name = f"part-{number:05d}.parquet"
        for document in part:
            fingerprint.update(f"{document.id}\0{document.text}\0".encode())
        folder.write_table(name, _table([(d.id, d.text, d.error, d.duplicate_of) for d in part], RANGE_SCHEMA))
        if sealed is not None:
            (folder / SEALED).write_table(name, _table([(d.id, d.sealed) for d in part], SEALED_SCHEMA))
            sealed.add((d.duplicate_of is not None, d.sealed) for d in part if d.text is not None)
        ranges.append(Range(name, len(part)))
    if sealed is not None:
        (folder / SEALED).write(SEALED_LABELS, sealed.found().dump())
    corpus = Corpus(folder, tuple(ranges), dict(counts), fingerprint.hexdigest(), tuple(seen.notes))
    manifest = {
        "ranges": [asdict(r) for r in ranges],
        "counts": dict(counts),
        "fingerprint": corpus.fingerprint,
        "notes": list(corpus.notes),
        "read": {**seen.counts(), "readings": seen.distinct_readings()},
    }
    folder.write(MANIFEST, dump_json(manifest))
    return corpus


def _table(rows: Sequence[tuple[str | None, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def sealed_values(corpus: Corpus, ids: Sequence[str]) -> dict[str, str | None]:
    """Look up the sealed column for some documents. Only an oracle calls this."""
    wanted = pa.array(list(ids), pa.string())
    found: dict[str, str | None] = {}
    for part in corpus.ranges:
        table = (corpus.folder / SEALED).read_table(part.name)
        table = table.filter(pc.is_in(table.column("id"), wanted))
        found.update(zip(table.column("id").to_pylist(), table.column("value").to_pylist(), strict=True))
        if len(found) == len(ids):
            break
    return found


def sealed_labels(corpus: Corpus) -> ColumnLabels | None:
    """What the sealed column holds, over all documents with a text; None where an earlier version made the corpus."""
    sealed = corpus.folder / SEALED
    if not sealed.exists(SEALED_LABELS):
        return None
    return load_labels(sealed.read(SEALED_LABELS), f"{sealed.uri}/{SEALED_LABELS}")


def first_sealed_values(corpus: Corpus) -> set[str]:
    """The distinct sealed values of the first ranges, which are a random sample of the corpus."""
    tables = ((corpus.folder / SEALED).read_table(part.name, ["value"]) for part in corpus.ranges[:8])
    return {value for table in tables for value in table.column("value").unique().to_pylist() if value is not None}
