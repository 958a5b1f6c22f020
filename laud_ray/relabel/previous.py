"""The labels of an earlier output, put beside the rows of the catalog by id, in bounded memory."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.dataset as ds

from laud_ray.errors import RunError
from laud_ray.outputs import open_output
from laud_ray.relabel import tables
from laud_ray.relabel.catalog import Catalog
from laud_ray.relabel.reading import ids_of, read
from laud_ray.storage import Folder

DONE = "done.json"
BATCH = 100_000
_SCHEMA = pa.schema([("range", pa.int32()), ("place", pa.int32()), ("id", pa.string())])


def require(previous: str) -> None:
    """Raise RunError unless a folder holds a finished output."""
    if not Folder(previous).exists("_SUCCESS"):
        raise RunError(
            f"--previous {previous}: no finished output is here (no _SUCCESS); expected one of `laud relabel`"
        )


def align(catalog: Catalog, previous: str, to: Folder) -> None:
    """Write, for each range, the earlier labels of its rows, in their order; null where there was none. Once done, it
    stays.
    """
    if to.exists(DONE):
        return
    with tables.database() as connection:
        connection.register("old", _labels(previous))
        connection.register("new", pa.RecordBatchReader.from_batches(_SCHEMA, _rows(catalog)))
        found = connection.sql(
            "SELECT new.range AS range, any_value(old.label) AS label FROM new LEFT JOIN old ON old.id = new.id "
            "GROUP BY new.range, new.place ORDER BY new.range, new.place"
        )
        assert found is not None
        held: list[pa.RecordBatch] = []
        at = 0
        for batch in found.to_arrow_reader(BATCH):
            held.append(batch)
            while at < len(catalog.ranges) and sum(one.num_rows for one in held) >= catalog.ranges[at].rows:
                table = pa.Table.from_batches(held)
                part = catalog.ranges[at]
                to.write_table(f"{part.name}.parquet", table.slice(0, part.rows).select(["label"]))
                held = table.slice(part.rows).to_batches()
                at += 1
    to.write(DONE, b"{}")


def _labels(previous: str) -> pa.RecordBatchReader:
    columns = {"id": ds.field("id").cast(pa.string()), "label": ds.field("label").cast(pa.string())}
    return open_output(previous).dataset.scanner(columns).to_reader()


def _rows(catalog: Catalog) -> Iterator[pa.RecordBatch]:
    for number, part in enumerate(catalog.ranges):
        names = ids_of(catalog, part, read(catalog.columns, part))
        yield pa.record_batch(
            [pa.array([number] * len(names), pa.int32()), pa.array(range(len(names)), pa.int32()), names],
            schema=_SCHEMA,
        )
