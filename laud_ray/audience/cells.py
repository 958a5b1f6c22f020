"""Check the cells of exposures: counts are whole numbers, and names are texts. n cells of a column."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.data.formats.cells import as_texts
from laud_ray.errors import CorpusError
from laud_ray.printable import quoted

# The most of one user, so that sums of squares over users are exact in 128 bits.
MOST = 10**12
_NUMBERS = (*(pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null),)


class Codes:
    """Assigns numbers to the names in a column, in the order of their first appearance; null is a name too."""

    def __init__(self, most: int) -> None:
        self._numbers: dict[bytes | None, int] = {}
        self._most = most

    @property
    def names(self) -> list[str | None]:
        return [None if name is None else name.decode(errors="replace") for name in self._numbers]

    def of(self, place: str, column: str, cells: pa.Array) -> pa.Array:
        """Map n texts to (n,) int32 numbers.

        Raises:
            CorpusError: with more names than the most.
        """
        coded = cells.dictionary_encode(null_encoding="encode")
        known = [self._numbers.setdefault(name, len(self._numbers)) for name in coded.dictionary.to_pylist()]
        if len(self._numbers) > self._most:
            raise CorpusError(
                f"{place}: the column {quoted(column)} holds more than {self._most:,} values, such as "
                f"{quoted(self.names[-1])}; expected names of a few groups"
            )
        return pa.array(np.asarray(known, np.int32)[coded.indices.to_numpy()], pa.int32())


def optional_names(file: str, column: str, values: pa.Array, first: int | None = None) -> pa.Array:
    """Return n cells as (n,) large_binary texts; a missing or empty one is null.

    Args:
        first: the number of the first row, for errors; None names no row.

    Raises:
        CorpusError: if a cell has no single text form.
    """
    texts = as_texts(file, column, values, first)
    return pc.if_else(pc.equal(pc.binary_length(texts), 0), pa.scalar(None, texts.type), texts)


def names(file: str, column: str, values: pa.Array, first: int) -> pa.Array:
    """Return n cells as (n,) large_binary texts.

    Args:
        first: the number of the first row, for errors.

    Raises:
        CorpusError: if a cell is missing, empty, or has no single text form.
    """
    texts = optional_names(file, column, values, first)
    if texts.null_count:
        row = first + int(np.flatnonzero(np.asarray(texts.is_null()))[0])
        raise CorpusError(f"{file} row {row}: the column {quoted(column)} is empty; expected a value in each row")
    return texts


def counts(file: str, column: str, values: pa.Array, first: int, *, missing: bool = False) -> pa.Array:
    """Return n cells as (n,) int64 counts from 0 to MOST. Texts and floats are counts if their value is whole.

    Args:
        first: the number of the first row, for errors.
        missing: whether a cell may be missing or empty; it is 0 then.

    Raises:
        CorpusError: if a cell is not a count.
    """
    try:
        found = _whole(values)
    except (pa.ArrowException, OverflowError):
        found = None
    if found is None or _outside(found, missing=missing):
        _refuse(file, column, values, first, missing=missing)
    return pc.fill_null(found, 0)


def _whole(values: pa.Array) -> pa.Array:
    """Cast n cells to int64; a missing or empty cell is null.

    Raises:
        pa.ArrowException: if a cell is not a whole number.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    if pa.types.is_large_binary(kind) or pa.types.is_binary(kind):
        values = values.cast(pa.large_string())
        kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        plain = pc.utf8_trim_whitespace(values.cast(pa.large_string()))
        values = pc.if_else(pc.equal(pc.binary_length(plain), 0), pa.scalar(None, plain.type), plain)
        try:
            return values.cast(pa.int64())
        except pa.ArrowInvalid:  # 3.0, which programs write for a column of counts that lacks some
            values = values.cast(pa.float64())
    if not any(test(values.type) for test in _NUMBERS):
        raise pa.ArrowInvalid(f"{values.type} is no number")
    return values.cast(pa.int64())


def _outside(found: pa.Array, *, missing: bool) -> bool:
    if found.null_count and not missing:
        return True
    lowest, highest = (pc.min_max(found)[key].as_py() for key in ("min", "max"))
    return lowest is not None and (lowest < 0 or highest > MOST)


def _refuse(file: str, column: str, values: pa.Array, first: int, *, missing: bool) -> None:
    """Raise an error that names the first cell that is not a count."""
    low, high = 0, len(values)  # bisects for the first cell: those before `low` are counts
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _bad(values.slice(low, middle - low), missing=missing) else (middle, high)
    value = values[low].as_py()
    shown = "is empty" if value is None or not str(value).strip() else f"holds {quoted(_said(value))}"
    raise CorpusError(
        f"{file} row {first + low}: the column {quoted(column)} {shown}; expected a whole number from 0 to {MOST:,}"
    )


def _bad(values: pa.Array, *, missing: bool) -> bool:
    try:
        return _outside(_whole(values), missing=missing)
    except (pa.ArrowException, OverflowError):
        return True


def _said(value: object) -> object:
    return value if isinstance(value, bytes | int | float) else str(value)
