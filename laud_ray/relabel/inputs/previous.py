"""Join the labels of an earlier output to the rows of the catalog by id, in bounded memory.

Ids that consist of file and row denote other texts as soon as a row is inserted or removed. If both outputs have
hashes of their texts, a row takes the label of its id only if the text is the same, and otherwise the label of its
text.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from laud_ray.compare.label_lists import texts_of
from laud_ray.compare.outputs import Output, open_output
from laud_ray.data.cleaning import clean
from laud_ray.data.formats.cells import as_texts
from laud_ray.data.text_hashes import COLUMN, text_hashes
from laud_ray.errors import RunError
from laud_ray.relabel.inputs import tables
from laud_ray.relabel.inputs.catalog import Catalog
from laud_ray.relabel.inputs.reading import ids_of, read
from laud_ray.storage.checksums import dump_json, parse_json
from laud_ray.storage.folder import Folder
from laud_ray.texts import normalise_text

FOLDER, DONE = "previous", "done.json"
BATCH = 100_000
_SCHEMA = pa.schema([("range", pa.int32()), ("place", pa.int32()), ("id", pa.string()), ("text", pa.int64())])
_OLD = pa.schema([("id", pa.string()), ("label", pa.string()), ("text", pa.int64())])
_BY_ID = """
SELECT new.range AS range, any_value(old.label) AS label, false AS other, false AS by_text
FROM new LEFT JOIN old ON old.id = new.id GROUP BY new.range, new.place ORDER BY new.range, new.place
"""
_BY_TEXT = """
SELECT new.range AS range, bool_or(old.id IS NOT NULL AND old.text IS DISTINCT FROM new.text) AS other,
       bool_or(old.id IS NULL OR old.text IS DISTINCT FROM new.text) AND any_value(texts.label) IS NOT NULL AS by_text,
       any_value(CASE WHEN old.id IS NOT NULL AND old.text IS NOT DISTINCT FROM new.text THEN old.label
                      ELSE texts.label END) AS label
FROM new LEFT JOIN old_rows AS old ON old.id = new.id
LEFT JOIN (SELECT text, min(label) AS label FROM old_rows WHERE text IS NOT NULL
           GROUP BY text HAVING min(label) = max(label)) AS texts ON texts.text = new.text
GROUP BY new.range, new.place ORDER BY new.range, new.place
"""


def require(previous: str, *, sets: bool = False) -> None:
    """Raise RunError unless a folder is a finished output of the same kind of task.

    Args:
        previous: the folder.
        sets: whether rows have lists of labels, as in a multilabel task.
    """
    if not Folder(previous).exists("_SUCCESS"):
        raise RunError(
            f"--previous {previous}: is not finished or not an output (no _SUCCESS); expected a finished output of "
            "`laud relabel`"
        )
    has, expected = ("one label a row", "lists of labels") if sets else ("lists of labels", "one label a row")
    if (open_output(previous).lists is not None) != sets:
        raise RunError(f"--previous {previous}: has {has}; expected an output with {expected}, as the model gives them")


def align(catalog: Catalog, previous: str, to: Folder, max_chars: int | None = None) -> None:
    """Write the earlier labels of each range's rows, in their order; null where there is none.

    Of lists of labels, the texts of their label sets are written. If the result exists already, nothing happens.

    Args:
        catalog: the catalog.
        previous: the earlier output.
        to: folder of the result, with a file for each range.
        max_chars: texts are truncated to this length before they are compared; None compares ids only.
    """
    if to.exists(DONE):
        return
    output = open_output(previous)
    compared = max_chars is not None and COLUMN in output.columns
    counts = {"other_texts": 0, "found_by_text": 0}
    with tables.database() as connection:
        connection.register("old", _labels(output, compared))
        connection.register("new", rows_of(catalog, max_chars if compared else None))
        if compared:  # the query reads it twice
            connection.execute("CREATE TABLE old_rows AS SELECT * FROM old")
        found = connection.sql(_BY_TEXT if compared else _BY_ID)
        assert found is not None
        held: list[pa.RecordBatch] = []
        at = 0
        for batch in found.to_arrow_reader(BATCH):
            held.append(batch)
            while at < len(catalog.ranges) and sum(one.num_rows for one in held) >= catalog.ranges[at].rows:
                table = pa.Table.from_batches(held)
                part = catalog.ranges[at]
                mine = table.slice(0, part.rows)
                to.write_table(f"{part.name}.parquet", mine.select(["label"]))
                counts["other_texts"] += int(pc.sum(mine["other"]).as_py() or 0)
                counts["found_by_text"] += int(pc.sum(mine["by_text"]).as_py() or 0)
                held = table.slice(part.rows).to_batches()
                at += 1
    to.write(DONE, dump_json({"compared": compared, **counts}))


def read_counts(to: Folder) -> tuple[int, int]:
    """Return how many ids denoted another text, and how many rows took the label of their text from another id."""
    done = _done(to)
    return done.get("other_texts", 0), done.get("found_by_text", 0)


def _done(to: Folder) -> dict[str, int]:
    """Return the counts of a finished join; empty if there is none, or an earlier version made it."""
    return parse_json(to.read(DONE), f"{to.uri}/{DONE}", dict) if to.exists(DONE) else {}


def remarks(to: Folder, previous: str, *, by_row: bool) -> Iterator[str]:
    """Yield warnings about ids that do not match the earlier output.

    Args:
        to: folder of the finished join.
        previous: the earlier output.
        by_row: whether ids of this output consist of file and row.
    """
    done = _done(to)
    if other := done.get("other_texts"):
        yield f"{other:,} ids have another text than in {previous}: rows were inserted, removed or moved"
    if by_text := done.get("found_by_text"):
        yield f"{by_text:,} rows took their previous label from the same text under another id in {previous}"
    if by_row and not done.get("compared"):
        yield (
            f"ids consist of file and row, and {previous} has no column {COLUMN}: if rows were inserted or removed, "
            "previous_label belongs to another text; expected --id, or an output of this version"
        )


def _labels(output: Output, texts: bool) -> pa.RecordBatchReader:
    label = ds.field("label").cast(pa.string()) if output.lists is None else ds.field(output.lists)
    columns = {"id": ds.field("id").cast(pa.string()), "label": label}
    if texts:
        columns[COLUMN] = ds.field(COLUMN).cast(pa.int64())

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in output.dataset.scanner(columns).to_batches():
            text = batch.column(COLUMN) if texts else pa.nulls(batch.num_rows, pa.int64())
            labels = batch.column("label")
            labels = _normal(labels) if output.lists is None else texts_of(labels).cast(pa.string())
            yield pa.record_batch([batch.column("id"), labels, text], schema=_OLD)

    return pa.RecordBatchReader.from_batches(_OLD, batches())


def _normal(labels: pa.Array) -> pa.Array:
    """Return normalised labels, as this version writes them."""
    coded = labels.dictionary_encode()
    names = [normalise_text(name) or None for name in coded.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(coded.indices)


def rows_of(catalog: Catalog, max_chars: int | None) -> pa.RecordBatchReader:
    """Stream range, place in it, id and hash of the text of every row.

    Args:
        catalog: the catalog.
        max_chars: texts are truncated to this length before they are hashed; None leaves the hashes null.
    """

    def batches() -> Iterator[pa.RecordBatch]:
        for number, part in enumerate(catalog.ranges):
            table = read(catalog.columns, part)
            names, text = ids_of(catalog, part, table), pa.nulls(table.num_rows, pa.int64())
            if max_chars is not None:
                column = catalog.columns.text
                text = text_hashes(clean(as_texts(part.path, column, table[column].combine_chunks()), max_chars).texts)
            places = pa.array(range(len(names)), pa.int32())
            yield pa.record_batch([pa.array([number] * len(names), pa.int32()), places, names, text], schema=_SCHEMA)

    return pa.RecordBatchReader.from_batches(_SCHEMA, batches())
