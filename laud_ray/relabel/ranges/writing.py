"""Write the rows of a range to one file, or to one file for each value of a partition's column."""

from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.errors import PassError
from laud_ray.relabel.plan import LONGEST_NAME
from laud_ray.relabel.ranges.records import Written, checksum
from laud_ray.relabel.ranges.rows import Job
from laud_ray.storage.folder import Folder
from laud_ray.types import Bools

# Columns whose values hardly repeat. Dictionary encoding took 3 times as long to write them, and 1.5 times the space.
DISTINCT = ("id", "confidence", "confidences", "margin", "top_probabilities", "source_row", "text_hash")
LEAVES = {
    "top_labels": "top_labels.list.element",
    "path": "path.list.element",
    "labels": "labels.list.element",
    "previous_labels": "previous_labels.list.element",
}  # what Parquet calls the values of a list
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def write(job: Job, name: str, table: pa.Table) -> Iterator[Written]:
    if job.partition is None:
        yield _write_file(job.out, f"{name}.parquet", table)
        return
    rest = table.drop_columns([job.partition])
    for folder, rows in _folders(job, table[job.partition].combine_chunks()).items():
        yield _write_file(job.out, f"{folder}/{name}.parquet", rest.filter(pa.array(rows)))


def _folders(job: Job, values: pa.Array) -> dict[str, Bools]:
    """Return folder -> (n,) whether each row belongs in it. Folders have Hive-style names, such as label=Milk.

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
                f"--partition {job.partition}: the value {str(value)[:40]!r}... needs {len(folder.encode())} bytes as "
                f"the name of a folder; expected at most {LONGEST_NAME}"
            )
        found[folder] = found.get(folder, np.zeros(len(codes), np.bool_)) | (codes == code)
    return found


def _write_file(out: Folder, name: str, table: pa.Table) -> Written:
    data = out.write_table(
        name, table, dictionary=[LEAVES.get(one, one) for one in table.column_names if one not in DISTINCT]
    )
    return Written(name, len(data), table.num_rows, checksum(data))
