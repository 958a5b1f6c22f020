"""Choose one output type for each kept column, so that any reader can read the output's files as one table.

If the types of a column differ between files, the output type is one that holds all their values, or else text. Types
that cannot be converted to text are an error.
"""

import base64
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import pyarrow as pa
import pyarrow.parquet as pq

from laud_ray.errors import CorpusError
from laud_ray.printable import quoted
from laud_ray.storage.folder import filesystem

# The largest whole number up to which a double is exact.
_EXACT = 2**53
_READERS = 16
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
_WRITTEN = (
    *_TEXTS,
    *(pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_date),
    *(pa.types.is_timestamp, pa.types.is_decimal, pa.types.is_null),
)


def unify(files: Sequence[str | None], keep: Sequence[str]) -> tuple[dict[str, pa.DataType], list[str]]:
    """Choose the output types of kept columns whose type differs between files.

    Args:
        files: the Parquet files; None for a file whose columns are texts, such as CSV.
        keep: the kept columns.

    Returns:
        Output types by column, for columns that must be cast; and a note on each of them.

    Raises:
        CorpusError: if no type holds the values of all files of a column.
    """
    if len(files) < 2 or not keep:
        return {}, []
    with ThreadPoolExecutor(_READERS) as pool:
        schemas = list(pool.map(lambda file: None if file is None else _schema(file), files))
    casts: dict[str, pa.DataType] = {}
    notes: list[str] = []
    for name in keep:
        kinds = [pa.string() if schema is None else _plain(schema.field(name).type) for schema in schemas]
        if len(set(kinds)) == 1:
            if len({None if schema is None else schema.field(name).type for schema in schemas}) > 1:
                casts[name] = kinds[0]  # the same values in different representations, such as dictionaries
            continue
        found = reduce(lambda one, other: None if one is None else common(one, other), dict.fromkeys(kinds))
        if found == pa.float64() and not _exact([file for file in files if file is not None], name):
            found = None
        casts[name] = found if found is not None else _as_text(name, kinds, files)
        shown = ", ".join(str(kind) for kind in dict.fromkeys(kinds))
        notes.append(f"--keep {name}: its type differs between files ({shown}); it is written as {casts[name]}")
    return casts, notes


def common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return a type that holds every value of two types; None if there is none.

    It is double for integers and floats, although a double does not hold all integers above 2 ** 53.
    """
    numbers = (pa.types.is_integer, pa.types.is_floating)
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if all(pa.types.is_integer(kind) for kind in (one, other)):
        if all(pa.types.is_unsigned_integer(kind) for kind in (one, other)):
            return pa.uint64()
        return None if pa.uint64() in (one, other) else pa.int64()
    if all(any(test(kind) for test in numbers) for kind in (one, other)):
        return pa.float64()
    if all(pa.types.is_date(kind) for kind in (one, other)):
        return pa.date32()
    if all(pa.types.is_timestamp(kind) for kind in (one, other)) and one.tz == other.tz:
        return None if "ns" in (one.unit, other.unit) else pa.timestamp("us", one.tz)
    if all(any(test(kind) for test in (*_TEXTS, *_BYTES)) for kind in (one, other)):
        return pa.binary()
    return None


def to_json(casts: Mapping[str, pa.DataType]) -> str | None:
    """Return the types as text; None if there are none."""
    if not casts:
        return None
    return base64.b64encode(pa.schema(list(casts.items())).serialize().to_pybytes()).decode()


def from_json(data: object) -> dict[str, pa.DataType]:
    if not isinstance(data, str):
        return {}
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(data)))
    return {field.name: field.type for field in schema}


def _as_text(name: str, kinds: Sequence[pa.DataType], files: Sequence[str | None]) -> pa.DataType:
    bad = next((at for at, kind in enumerate(kinds) if not any(test(kind) for test in _WRITTEN)), None)
    if bad is None:
        return pa.string()
    other = next(at for at, kind in enumerate(kinds) if kind != kinds[bad])
    raise CorpusError(
        f"--keep {quoted(name)}: has type {kinds[bad]} in {files[bad]} and {kinds[other]} in "
        f"{files[other] or 'another file'}; expected one type in all files"
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column's values, independent of their representation."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if any(test(kind) for test in _TEXTS):
        return pa.string()
    return pa.binary() if any(test(kind) for test in _BYTES) else kind


def _schema(file: str) -> pa.Schema:
    fs, path = filesystem(file)
    return pq.read_schema(path, filesystem=fs)


def _exact(files: Sequence[str], name: str) -> bool:
    """Whether all integers of a column are small enough for a double, according to the files' statistics."""
    return all(_small(file, name) for file in files)


def _small(file: str, name: str) -> bool:
    fs, path = filesystem(file)
    with fs.open_input_file(path) as opened:
        table = pq.ParquetFile(opened)
        kind = table.schema_arrow.field(name).type
        if not pa.types.is_integer(kind) or kind.bit_width <= 32:
            return True
        place = next(i for i in range(len(table.schema)) if table.schema.column(i).path == name)
        for group in range(table.num_row_groups):
            found = table.metadata.row_group(group).column(place).statistics
            if found is None or not found.has_min_max or max(abs(found.min), abs(found.max)) > _EXACT:
                return False
    return True
