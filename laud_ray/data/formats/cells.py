"""Convert Arrow columns of any type to texts, as large_binary. A value without a single obvious text form is an error.

The result is bytes rather than strings: Arrow does not check whether strings in a Parquet file are UTF-8, and an
invalid one must only make its own row an error.
"""

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from laud_ray.errors import CorpusError
from laud_ray.printable import quoted

_PLAIN = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.string_view(), pa.binary_view())
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


class SetColumn(str):
    """The name of a column whose cells may be lists. Such a cell is read as a JSON list of texts.

    A cell that is no list is read as in other columns. `laud_ray.label_cells` reads both.
    """


class _NoTextError(Exception):
    """A type that cannot be converted (place None), or the index of a value that cannot."""

    def __init__(self, place: int | None = None) -> None:
        self.place = place


def as_texts(where: str, column: str, values: pa.Array, first: int | None = None) -> pa.Array:
    """Return n values as (n,) large_binary texts; missing values and NaN are null.

    Integers, booleans, floats and decimals with whole values, dates and UUIDs become their usual text form. A list of
    one value becomes that value, and a categorical its category. In a `SetColumn` a list becomes a JSON list.

    Args:
        where: the file, for errors.
        column: the column's name.
        values: (n,) of any type.
        first: the number of the first row, for errors; None names no row.

    Raises:
        CorpusError: if the type cannot be converted, or a value has no single text form, such as 0.5.
    """
    try:
        return _sets(values) if isinstance(column, SetColumn) and _holds_lists(values.type) else _texts(values)
    except _NoTextError as error:
        if error.place is None or first is None:
            kind = str(values.type)
            raise CorpusError(f"{where}: the column {quoted(column)} has type {kind[:80]}; expected texts") from None
        value = values[error.place].as_py()
        place = f"{where} row {first + error.place}: the column {quoted(column)}"
        if (found := set_found(column, value)) is not None:
            raise CorpusError(f"{place} holds {found}") from None
        raise CorpusError(
            f"{place} of type {str(values.type)[:80]} holds {quoted(str(value))}; expected texts, or values with a "
            "single text form, such as whole numbers"
        ) from None


def set_found(column: str, value: object) -> str | None:
    """Return the end of a message about a list of none or several values where one text is expected.

    None: the value is something else, or the column may hold lists.
    """
    if not isinstance(value, list) or len(value) == 1 or isinstance(column, SetColumn):
        return None
    holds = f"a list of {len(value):,} values" if value else "an empty list"
    return f"{holds}; expected one text; lists of labels need task.kind: multilabel"


def is_text(kind: pa.DataType) -> bool:
    """Whether every value of a type can be converted; False if it depends on the value."""
    while pa.types.is_dictionary(kind):
        kind = kind.value_type
    return not (pa.types.is_floating(kind) or pa.types.is_decimal(kind) or _holds_lists(kind))


def check_type(where: str, column: str, kind: pa.DataType) -> None:
    """Raise CorpusError if no value of a type can be converted to a text."""
    while pa.types.is_dictionary(kind):
        kind = kind.value_type
    as_texts(where, column, pa.nulls(0, kind))


def _texts(values: pa.Array) -> pa.Array:
    kind = values.type
    if kind in _PLAIN or pa.types.is_fixed_size_binary(kind):
        return _bytes(values)
    if pa.types.is_null(kind):
        return pa.nulls(len(values), pa.large_binary())
    if pa.types.is_dictionary(kind):
        return _categories(values)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_date(kind):
        return _bytes(values.cast(pa.string()))
    if pa.types.is_floating(kind):
        return _floats(values)
    if pa.types.is_decimal(kind):
        return _decimals(values)
    if _holds_lists(kind):
        return _lists(values)
    if pa.types.is_run_end_encoded(kind):
        return _texts(pc.run_end_decode(values))
    if isinstance(kind, pa.BaseExtensionType):
        return _extension(values)
    raise _NoTextError


def _categories(values: pa.Array) -> pa.Array:
    try:
        return _texts(values.dictionary).take(values.indices)
    except _NoTextError as error:
        if error.place is not None:  # a category, which may be unused: convert the rows instead
            return _texts(values.dictionary_decode())
        raise


def _bytes(values: pa.Array) -> pa.Array:
    if pa.types.is_string_view(values.type) or pa.types.is_fixed_size_binary(values.type):
        values = values.cast(pa.binary())
    return values.cast(pa.large_binary())


def _floats(values: pa.Array) -> pa.Array:
    """Convert whole numbers of at most 2 ** 53, all of which a double holds exactly."""
    plain = values.cast(pa.float64())
    numbers = plain.to_numpy(zero_copy_only=False)
    missing = np.isnan(numbers)
    with np.errstate(invalid="ignore"):
        wrong = ~missing & ~((np.abs(numbers) <= 2**53) & (numbers == np.floor(numbers)))
    if wrong.any():
        raise _NoTextError(int(np.flatnonzero(wrong)[0]))
    whole = np.where(missing, 0, numbers).astype(np.int64)
    return pa.array(whole, mask=missing).cast(pa.string()).cast(pa.large_binary())


def _decimals(values: pa.Array) -> pa.Array:
    found = values.to_pylist()
    for place, value in enumerate(found):
        if value is not None and value != value.to_integral_value():
            raise _NoTextError(place)
    written = [None if value is None else f"{value.to_integral_value():f}" for value in found]
    return pa.array(written, pa.string()).cast(pa.large_binary())


def _lists(values: pa.Array) -> pa.Array:
    sizes = pc.list_value_length(values)
    wrong = np.flatnonzero(pc.fill_null(pc.not_equal(sizes, 1), False).to_numpy(zero_copy_only=False))
    if len(wrong):
        raise _NoTextError(int(wrong[0]))
    # list_element fails on an empty array.
    return _texts(pc.list_element(values, 0) if len(values) else pa.array([], values.type.value_type))


def _holds_lists(kind: pa.DataType) -> bool:
    return any(test(kind) for test in _LISTS)


def _sets(values: pa.Array) -> pa.Array:
    """Convert n lists to JSON lists of texts. Missing values in a list become null, and a missing list is null."""
    sizes = pc.list_value_length(values).to_pylist()
    parts, ends = values.flatten(), np.cumsum([size or 0 for size in sizes])
    try:
        # A byte that is not UTF-8 becomes a lone surrogate, by which the text is recognised as invalid later.
        texts = [None if one is None else one.decode(errors="surrogateescape") for one in _texts(parts).to_pylist()]
    except _NoTextError as error:
        raise _NoTextError(
            None if error.place is None else int(np.searchsorted(ends, error.place, side="right"))
        ) from None
    starts = [0, *ends.tolist()]
    cells = [
        None if size is None else set_text(texts[start : start + size])
        for size, start in zip(sizes, starts, strict=False)
    ]
    return pa.array(cells, pa.large_binary())


def set_text(values: list[str | None]) -> bytes:
    """Return texts as the bytes of a JSON list."""
    return json.dumps(values, ensure_ascii=False).encode(errors="surrogatepass")


def _extension(values: pa.Array) -> pa.Array:
    if values.type.extension_name == "arrow.bool8":
        return _texts(values.storage.cast(pa.bool_()))
    if values.type.extension_name != "arrow.uuid":
        return _texts(values.storage)
    written = [None if value is None else str(value) for value in values.to_pylist()]
    return pa.array(written, pa.string()).cast(pa.large_binary())


def cell_of(column: str, value: object) -> bytes | None:
    """Return a JSON value of a column as the bytes of a text; None if it is missing.

    Raises:
        ValueError: if it has no single text form.
    """
    if isinstance(value, list) and isinstance(column, SetColumn):
        return set_text([text_of(one) for one in value])
    text = text_of(value)
    return None if text is None else text.encode(errors="surrogatepass")


def text_of(value: object) -> str | None:
    """Return a JSON value as a text; None if it is missing.

    Raises:
        ValueError: if it has no single text form.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return str(int(value))
    if isinstance(value, list) and len(value) == 1:
        return text_of(value[0])
    raise ValueError
