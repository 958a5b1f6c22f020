"""Open labelled Parquet, such as `laud relabel` writes, and stream ids and labels out of it in bounded memory."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.fs as pafs

from laud_ray.compare.codes import WITHOUT_LABEL, Codes
from laud_ray.compare.label_lists import is_lists
from laud_ray.data.cleaning import clean
from laud_ray.data.text_hashes import text_hashes
from laud_ray.errors import CorpusError
from laud_ray.printable import first_line
from laud_ray.storage.folder import Folder, filesystem
from laud_ray.storage.listing import find_files

# Rows of a batch, and how many batches and files are read ahead. Together they bound the memory.
BATCH_ROWS, BATCHES_AHEAD, FILES_AHEAD = 65_536, 4, 2
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.int32()),
        ("confidence", pa.float32()),
        ("abstained", pa.int8()),
        ("text", pa.int64()),
    ]
)
_ENDINGS = (".parquet", ".pq")
_EXPECTED = "expected a folder that `laud relabel` wrote, or Parquet files with the columns id and label (or labels)"


@dataclass(slots=True)
class Counts:
    """Counts of the rows that have been streamed, and the names of the models in them."""

    rows: int = 0
    without_id: int = 0
    without_label: int = 0
    abstained: int = 0
    models: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """Labelled Parquet files, at least one.

    Attributes:
        uri: as the user gave it.
        columns: names of the columns, those from folder names such as label=Milk/ included.
        dataset: the files as a pyarrow dataset.
        row_ids: whether an id consists of file and row number; None if unknown.
        lists: the column that holds lists of labels, of a multilabel task; None if there is one label a row.
    """

    uri: str
    columns: frozenset[str]
    dataset: Any
    row_ids: bool | None = None
    lists: str | None = None

    def has_texts(self, column: str) -> bool:
        """Whether a column exists and holds strings."""
        kind = self.dataset.schema.field(column).type if column in self.columns else pa.null()
        return kind in (pa.string(), pa.large_string(), pa.string_view())

    def batches(self, codes: Codes, counts: Counts, text: str | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows that have an id, with SCHEMA.

        Args:
            codes: gives labels their numbers.
            counts: is updated while rows are yielded, and complete at the end.
            text: the column of texts, or of their hashes; None leaves the column `text` null.

        Raises:
            CorpusError: if a file cannot be read or a column has the wrong type.
        """
        wanted = ("id", self.lists or "label", "confidence", "abstained", "model", text)
        asked = [name for name in dict.fromkeys(wanted) if name in self.columns]
        try:
            scanner = self.dataset.scanner(
                columns=asked,
                batch_size=BATCH_ROWS,
                batch_readahead=BATCHES_AHEAD,
                fragment_readahead=FILES_AHEAD,
            )
            for batch in scanner.to_batches():
                yield _normal(batch, codes, counts, text, self.lists)
        except (pa.ArrowException, OSError) as error:
            raise CorpusError(f"{self.uri}: cannot be read: {first_line(error)}") from None

    def texts(self, column: str, ids: Sequence[str]) -> dict[str, str]:
        """Return a column's values by id, for these ids; an id without a value is left out."""
        key, text = pc.field("id").cast(pa.string()), pc.field(column).cast(pa.string())
        try:
            scanner = self.dataset.scanner(
                columns={"id": key, "text": text},
                filter=key.isin(pa.array(ids, pa.string())),
                batch_size=BATCH_ROWS,
                batch_readahead=BATCHES_AHEAD,
                fragment_readahead=FILES_AHEAD,
            )
            found = scanner.to_table()
        except (pa.ArrowException, OSError) as error:
            raise CorpusError(f"{self.uri}: column {column!r} cannot be read: {first_line(error)}") from None
        pairs = zip(found["id"].to_pylist(), found["text"].to_pylist(), strict=True)
        return {one: value for one, value in pairs if value is not None}


def open_output(uri: str) -> Output:
    """Open an output of `laud relabel`, or any Parquet file, folder or glob with the columns id and label.

    Raises:
        CorpusError: if there is no Parquet file, the relabel is unfinished, a file is broken, or a column is missing.
    """
    try:
        _require_finished(uri)
        found = list(find_files(uri))
        files = [name for _, name in found if name.lower().endswith(_ENDINGS)]
        if not files:
            raise CorpusError(f"{uri}: {'has no Parquet file' if found else 'does not exist'}; {_EXPECTED}")
        columns, dataset = _dataset(found[0][0], files)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorpusError(f"{uri}: cannot be opened: {first_line(error)}") from None
    column = "label" if "label" in columns else "labels"
    lists = column if column in columns and is_lists(dataset.schema.field(column).type) else None
    missing = [name for name in ("id", lists or "label") if name not in columns]
    if missing:
        raise CorpusError(f"{uri}: no column {' and no column '.join(missing)} in {', '.join(columns)}; {_EXPECTED}")
    return Output(uri, frozenset(columns), dataset, _row_ids(uri), lists)


def require_two(old: str, new: str) -> None:
    """Refuse to compare an output with itself.

    Raises:
        CorpusError: if both name the same file, folder or URI.
    """
    if _canonical(old) == _canonical(new):
        raise CorpusError(f"{old} and {new} are the same place; expected two outputs to compare")


def require_alike(old: Output, new: Output) -> None:
    """Refuse to compare labels with lists of labels.

    Raises:
        CorpusError: if one output has one label a row, and the other one lists.
    """
    if (old.lists is None) == (new.lists is None):
        return
    one, many = (old, new) if old.lists is None else (new, old)
    raise CorpusError(
        f"{one.uri}: has one label a row, and {many.uri} has lists of labels (column {many.lists!r}); expected two "
        "outputs of the same kind of task"
    )


def _canonical(uri: str) -> str:
    return uri.rstrip("/") if "://" in uri else os.path.realpath(uri)


def _require_finished(uri: str) -> None:
    if any(mark in uri for mark in "*?["):
        return
    fs, path = filesystem(uri)
    if fs.get_file_info(path).type != pafs.FileType.Directory:
        return
    folder = Folder(uri)
    if not folder.exists("_laud/plan.json") or folder.exists("_SUCCESS"):
        return
    done = len([name for name in (folder / "_laud/ranges").names() if name.endswith(".json")])
    try:
        plan = json.loads(folder.read("_laud/plan.json"))
    except ValueError:
        plan = {}
    ranges = plan.get("ranges") if isinstance(plan, dict) else None
    of = f" of {len(ranges)}" if isinstance(ranges, list) else ""
    raise CorpusError(
        f"{uri}: the relabel is not finished: no _SUCCESS, {done}{of} ranges are committed; "
        "run the same `laud relabel` command again to finish it"
    )


def _row_ids(uri: str) -> bool | None:
    """Whether an output's ids consist of file and row number, according to its manifest; None if it has none."""
    if any(mark in uri for mark in "*?["):
        return None
    try:
        columns = json.loads(Folder(uri).read("_manifest.json"))["columns"]
        return columns["id"] is None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _dataset(fs: pafs.FileSystem, files: list[str]) -> tuple[list[str], Any]:
    """Open files as one dataset; return its columns too. Columns only in folder names (label=Milk/) are included."""
    kind = pads.ParquetFileFormat()
    columns = list(kind.inspect(files[0], fs).names)
    named = [part.partition("=")[0] for part in files[0].split("/")[:-1] if "=" in part]
    absent = [name for name in named if name not in columns]
    hive = pads.HivePartitioning(pa.schema([(name, pa.string()) for name in absent])) if absent else None
    return [*columns, *absent], pads.dataset(files, filesystem=fs, format=kind, partitioning=hive)


def _hashes(column: pa.Array) -> pa.Array:
    """Return the hashes of a column of texts; a column of integers is taken to hold hashes already."""
    if pa.types.is_integer(column.type):
        return pc.cast(column, pa.int64())
    return text_hashes(clean(pc.cast(pc.cast(column, pa.large_string()), pa.large_binary()), sys.maxsize).texts)


def _normal(batch: pa.RecordBatch, codes: Codes, counts: Counts, text: str | None, lists: str | None) -> pa.RecordBatch:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    rows = batch.num_rows
    ids = pc.cast(columns["id"], pa.string())
    labels = codes.of(columns["label"]) if lists is None else codes.of_sets(columns[lists])
    confidence = pc.cast(columns.get("confidence", pa.nulls(rows)), pa.float32())
    abstained = pc.cast(pc.cast(columns.get("abstained", pa.nulls(rows)), pa.bool_()), pa.int8())
    counts.rows += rows
    counts.without_id += ids.null_count
    counts.without_label += int(pc.sum(pc.equal(labels, WITHOUT_LABEL)).as_py() or 0)
    counts.abstained += int(pc.sum(abstained).as_py() or 0)
    if "model" in columns:
        counts.models |= {str(name) for name in pc.unique(columns["model"]).to_pylist() if name is not None}
    finite = pc.if_else(pc.is_finite(confidence), confidence, None)
    hashes = pa.nulls(rows, pa.int64()) if text is None else _hashes(columns[text])
    made = pa.RecordBatch.from_arrays([ids, labels, pc.cast(finite, pa.float32()), abstained, hashes], schema=SCHEMA)
    return made.filter(pc.is_valid(ids)) if ids.null_count else made
