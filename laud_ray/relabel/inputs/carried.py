"""Carry over the scores that an earlier output of the same model has for the same id and text, in bounded memory.

So a relabel of a catalog that has grown scores what is new. Reading, joining and writing still take all rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from laud_ray.compare.outputs import Output, open_output
from laud_ray.data.formats.cells import as_texts
from laud_ray.data.text_hashes import COLUMN
from laud_ray.relabel.inputs import tables
from laud_ray.relabel.inputs.catalog import Catalog
from laud_ray.relabel.inputs.previous import rows_of
from laud_ray.relabel.inputs.reading import read
from laud_ray.relabel.sets import Sets
from laud_ray.storage.checksums import count, dump_json, parse_json
from laud_ray.storage.folder import Folder
from laud_ray.types import Floats, Indices

FOLDER, DONE = "carried", "done.json"
BATCH = 100_000
_LISTS = [("top", pa.list_(pa.int32())), ("probability", pa.list_(pa.float32())), ("path", pa.list_(pa.float32()))]
# Of a multilabel task, `path` has the probabilities of the set.
_SETS = [("set", pa.list_(pa.int32())), ("confidence", pa.float32()), ("margin", pa.float32())]
_OLD = pa.schema([("id", pa.string()), ("text", pa.int64()), *_LISTS, *_SETS])
_FOUND = f"""
SELECT new.range AS range, new.place AS place, {", ".join(f'old."{name}"' for name, _ in (*_LISTS, *_SETS))}
FROM new JOIN old ON old.id = new.id AND old.text = new.text ORDER BY new.range, new.place
"""


def obstacle(earlier: str, checksum: str) -> str | None:
    """Return why no score of an earlier output can be carried over; None if scores can be.

    Args:
        earlier: a finished output.
        checksum: of the model.

    Raises:
        DamageError: if the output's manifest is damaged.
    """
    folder = Folder(earlier)
    if not folder.exists("_manifest.json"):
        return "it has no _manifest.json, which names its model"
    place = f"{folder.uri}/_manifest.json"
    identity = parse_json(folder.read("_manifest.json"), place, lambda found: dict(found["identity"]))
    if identity["model"]["checksum"] != checksum:
        return f"it was labelled by another model, {identity['model']['name']}"
    if identity["options"].get("cascade") is not None:
        return "a student answered in it (--cascade)"
    if COLUMN not in open_output(earlier).columns:
        return f"it has no column {COLUMN}, by which an unchanged text is recognised; outputs of --changed have it"
    return None


def carry(catalog: Catalog, earlier: str, to: Folder, max_chars: int, labels: Sequence[str]) -> int:
    """Write the earlier scores of each range's rows, unless that is done already; return the number of these rows.

    Args:
        catalog: the catalog.
        earlier: the earlier output, in which there is no obstacle.
        to: folder of the result, with a file for each range that has such rows.
        max_chars: texts are truncated to this length, as those of the earlier output were.
        labels: the model's k labels.
    """
    if not to.exists(DONE):
        rows = 0
        with tables.database() as connection:
            connection.register("old", _scores(open_output(earlier), labels))
            connection.register("new", rows_of(catalog, max_chars))
            found = connection.sql(_FOUND)
            assert found is not None
            for number, table in _by_range(found.to_arrow_reader(BATCH)):
                to.write_table(f"{catalog.ranges[number].name}.parquet", table.drop_columns(["range"]))
                rows += table.num_rows
        to.write(DONE, dump_json({"rows": rows}))
    return parse_json(to.read(DONE), f"{to.uri}/{DONE}", lambda found: count(found["rows"]))


@dataclass(frozen=True, slots=True)
class Kept:
    """The scores that are carried over to m rows.

    Attributes:
        rows: (m,) which rows.
        top: (m, t) their likeliest labels, as indices.
        probability: (m, t) the probabilities of these labels.
        confidences: (m, D) of a taxonomy of D levels, the probabilities on the path of the likeliest leaf.
        sets: of a multilabel task, the sets of labels.
    """

    rows: Indices
    top: npt.NDArray[np.int32]
    probability: Floats
    confidences: Floats
    sets: Sets | None = None


def take(to: Folder | None, name: str, rows: Indices, top: int, levels: int, size: int = 0) -> Kept:
    """Return the scores that are carried over to some rows of a range.

    Args:
        to: folder of the result of `carry`; None carries nothing over.
        name: of the range.
        rows: (n,) increasing places of the rows in the range; `Kept.rows` are indices into them.
        top: t, the number of likeliest labels that the model gives.
        levels: D; 0 for other tasks.
        size: the most labels of a set in a multilabel task; 0 for other tasks.
    """
    if to is None or not to.exists(f"{name}.parquet"):
        none = np.zeros((0, top), np.float32)
        return Kept(np.zeros(0, np.int64), none.astype(np.int32), none, np.zeros((0, levels), np.float32))
    table = to.read_table(f"{name}.parquet")
    places = table["place"].to_numpy().astype(np.int64)
    use = np.isin(places, rows) & (np.asarray(pc.list_value_length(table["top"])) == top)
    table, places = table.filter(pa.array(use)), places[use]
    labels, probability = (table[name].combine_chunks().flatten().to_numpy() for name in ("top", "probability"))
    confidences = np.full((len(places), levels), np.nan, np.float32)
    if levels:
        _fill(confidences, table["path"])
    sets = Sets.empty(len(places), size) if size else None
    if sets is not None:
        _fill(sets.labels, table["set"])
        _fill(sets.probability, table["path"])
        sets.confidence[:], sets.margin[:] = table["confidence"].to_numpy(), table["margin"].to_numpy()
    return Kept(np.searchsorted(rows, places), labels.reshape(-1, top), probability.reshape(-1, top), confidences, sets)


def _fill(to: npt.NDArray[Any], lists: pa.ChunkedArray) -> None:
    """Enter n lists of at most s values into (n, s) places, from the left."""
    lists = lists.combine_chunks()
    lengths = np.asarray(pc.list_value_length(lists))
    to[np.arange(to.shape[1]) < lengths[:, None]] = lists.flatten().to_numpy()


def new_texts(catalog: Catalog, to: Folder) -> pa.RecordBatchReader:
    """Stream the texts, as bytes, of the rows to which no score is carried over; see `tables.column`."""
    column, there = catalog.columns.text, to.names()

    def batches() -> Iterator[pa.RecordBatch]:
        for part in catalog.ranges:
            cells = as_texts(part.path, column, read(catalog.columns, part)[column].combine_chunks())
            new = np.ones(len(cells), np.bool_)
            if (name := f"{part.name}.parquet") in there:
                new[to.read_table(name, ["place"])["place"].to_numpy()] = False
            yield pa.record_batch([cells.filter(pa.array(new)).cast(pa.large_binary())], names=["value"])

    return pa.RecordBatchReader.from_batches(pa.schema([("value", pa.large_binary())]), batches())


def _scores(output: Output, labels: Sequence[str]) -> pa.RecordBatchReader:
    """Stream id, hash and scores of the rows that have a label. Labels become indices."""
    known = pa.array(list(labels), pa.string())
    strings, floats = pa.list_(pa.string()), pa.list_(pa.float32())
    columns = {
        "id": ds.field("id").cast(pa.string()),
        "text": ds.field(COLUMN).cast(pa.int64()),
        "top": ds.field("top_labels").cast(strings),
        "probability": ds.field("top_probabilities").cast(floats),
    }
    if "confidences" in output.columns:
        columns["path"] = ds.field("confidences").cast(floats)
    if output.lists is not None:
        columns["set"] = ds.field(output.lists).cast(strings)
        columns |= {name: ds.field(name).cast(pa.float32()) for name in ("confidence", "margin")}

    def coded(lists: pa.Array) -> pa.Array:
        places = pc.index_in(lists.flatten(), value_set=known).cast(pa.int32())
        sizes = np.concatenate([[0], np.cumsum(np.asarray(pc.list_value_length(lists)))]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(sizes), places)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in output.dataset.scanner(columns).to_batches():
            batch = batch.filter(pc.greater(pc.list_value_length(batch.column("top")), 0))
            made = {name: batch.column(name) for name in columns}
            made |= {name: coded(made[name]) for name in ("top", "set") if name in made}
            rows = batch.num_rows
            yield pa.record_batch([made.get(field.name, pa.nulls(rows, field.type)) for field in _OLD], schema=_OLD)

    return pa.RecordBatchReader.from_batches(_OLD, batches())


def _by_range(batches: pa.RecordBatchReader) -> Iterator[tuple[int, pa.Table]]:
    """Join batches that are sorted by range, and yield the number and the rows of each range."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        if not batch.num_rows:
            continue
        numbers = batch.column("range").to_numpy()
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for start, end in pairwise(cuts):
            if held and _range_of(held[0]) != numbers[start]:
                yield _range_of(held[0]), pa.Table.from_batches(held)
                held = []
            held.append(batch.slice(start, end - start))
    if held:
        yield _range_of(held[0]), pa.Table.from_batches(held)


def _range_of(batch: pa.RecordBatch) -> int:
    return int(batch.column("range")[0].as_py())
