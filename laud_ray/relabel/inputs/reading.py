"""Read the rows of a range, and their ids."""

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

# A row group of at most this size, uncompressed, is kept in a worker's memory for its next range.
HELD_BYTES = 256 * 2**20


def read(columns: Columns, part: Range) -> pa.Table:
    """Return the rows of a range.

    Raises:
        CorpusError: if the file's number of rows has changed since it was divided into ranges.
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
        raise CorpusError(f"{part.path}: has {before} rows now; expected the file as it was when the relabel began")
    return table


def _is_shared(file: pq.ParquetFile, wanted: Sequence[int], part: Range, columns: Columns) -> bool:
    """Whether a range is a part of one row group that is small enough to keep in memory."""
    if len(wanted) != 1:
        return False
    group = file.metadata.row_group(wanted[0])
    chunks = [group.column(i) for i in range(group.num_columns)]
    size = sum(one.total_uncompressed_size for one in chunks if one.path_in_schema.split(".")[0] in columns.all)
    return bool(group.num_rows > part.rows and size <= HELD_BYTES)


@lru_cache(maxsize=1)
def _hold_group(path: str, state: tuple[int, int | None], group: int, columns: tuple[str, ...]) -> pa.Table:  # noqa: ARG001
    """Read a row group that contains several ranges, and keep it in memory.

    Parquet cannot be read from the middle of a row group, and a worker's next range is probably in the same one.
    `state` is part of the cache key, and changes with the file.
    """
    fs, inner = filesystem(path)
    with fs.open_input_file(inner) as opened:
        return pq.ParquetFile(opened).read_row_group(group, columns=list(columns), use_threads=False)


def ids_of(catalog: Catalog, part: Range, table: pa.Table) -> pa.Array:
    """Return the ids of a range's rows as strings: from the id column, or else such as "a/b.parquet#17"."""
    name = catalog.columns.id
    if name is not None:
        return as_texts(part.path, name, table[name].combine_chunks()).cast(pa.string())
    numbers = pa.array(np.arange(part.first, part.first + part.rows)).cast(pa.string())
    return pc.binary_join_element_wise(catalog.names[part.input], numbers, "#")
