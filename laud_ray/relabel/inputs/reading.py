"""Read the rows of a range, and name them."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from laud_ray.data.formats.cells import as_texts
from laud_ray.errors import CorpusError
from laud_ray.relabel.inputs.catalog import Catalog, Columns, Range
from laud_ray.storage.folder import filesystem

# A row group of up to this size, uncompressed, stays in a worker's memory for its next range.
HELD_BYTES = 256 * 2**20


def read(columns: Columns, part: Range) -> pa.Table:
    """Return a range's rows of the columns that are asked for.

    Raises:
        CorpusError: if the file has changed its shape since it was cut.
    """
    fs, path = filesystem(part.path)
    with fs.open_input_file(path) as opened:
        file = pq.ParquetFile(opened)
        wanted, before, skipped = [], 0, None
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if before + rows > part.offset and before < part.offset + part.rows:
                skipped = before if skipped is None else skipped
                wanted.append(group)
            before += rows
        if _is_shared(file, wanted, part, columns):
            now = fs.get_file_info(path)
            table = _hold_group(part.path, (now.size, now.mtime_ns), wanted[0], tuple(columns.all))
        else:
            table = file.read_row_groups(wanted, columns=columns.all, use_threads=False)
    table = table.slice(part.offset - (skipped or 0), part.rows)
    if table.num_rows != part.rows:
        raise CorpusError(f"{part.path}: has {before} rows now; expected those that it had when it was cut into ranges")
    return table


def _is_shared(file: pq.ParquetFile, wanted: Sequence[int], part: Range, columns: Columns) -> bool:
    """Whether a range is a piece of one row group that may be held in memory."""
    if len(wanted) != 1:
        return False
    group = file.metadata.row_group(wanted[0])
    chunks = [group.column(i) for i in range(group.num_columns)]
    size = sum(one.total_uncompressed_size for one in chunks if one.path_in_schema.split(".")[0] in columns.all)
    return bool(group.num_rows > part.rows and size <= HELD_BYTES)


@lru_cache(maxsize=1)
def _hold_group(path: str, state: tuple[int, int | None], group: int, columns: tuple[str, ...]) -> pa.Table:  # noqa: ARG001
    """Read a row group that holds several ranges, and keep it: a worker's next range is likely to be in it too.

    Parquet cannot be read from the middle of a row group. `state` changes when the file does.
    """
    fs, inner = filesystem(path)
    with fs.open_input_file(inner) as opened:
        return pq.ParquetFile(opened).read_row_group(group, columns=list(columns), use_threads=False)


def ids_of(catalog: Catalog, part: Range, table: pa.Table) -> pa.Array:
    """The ids of a range's rows as strings: their own, or the input's name and the number of the row."""
    name = catalog.columns.id
    if name is not None:
        return as_texts(part.path, name, table[name].combine_chunks()).cast(pa.string())
    numbers = pa.array(np.arange(part.first, part.first + part.rows)).cast(pa.string())
    return pc.binary_join_element_wise(catalog.names[part.input], numbers, "#")
