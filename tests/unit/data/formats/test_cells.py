"""Values of any type become their single obvious text form, or are rejected with their type."""

import uuid
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from laud_ray.data.formats.cells import SetColumn, as_texts, cell_of, check_type, is_text
from laud_ray.errors import CorpusError

DAY = date(2026, 11, 29)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(["a", None], pa.string_view()), [b"a", None]),
        (pa.array([b"a", None], pa.binary_view()), [b"a", None]),
        (pa.array([b"abcd", None], pa.binary(4)), [b"abcd", None]),
        (pa.array([True, False, None]), [b"true", b"false", None]),
        (pa.array([3, None], pa.uint64()), [b"3", None]),
        (pa.array([3.0, float("nan"), None, -0.0, 2.0**53]), [b"3", None, None, b"0", b"9007199254740992"]),
        (pa.array([2.0], pa.float32()), [b"2"]),
        (pa.array([Decimal("3.00"), None]), [b"3", None]),
        (pa.array([DAY, None]), [b"2026-11-29", None]),
        (pa.array([["a"], None, [None]]), [b"a", None, None]),
        (pa.array([[1], [2]], pa.list_(pa.int64(), 1)), [b"1", b"2"]),
        (pa.array([["a", "b"], ["c"]]).slice(1), [b"c"]),
        (pa.array(["x", None, "x"]).dictionary_encode(), [b"x", None, b"x"]),
        (pa.array([1.0, 2.0]).dictionary_encode(), [b"1", b"2"]),
        (pc.run_end_encode(pa.array(["a", "a", "b"])), [b"a", b"a", b"b"]),
        (pa.array([uuid.UUID(int=5).bytes, None], pa.uuid()), [b"00000000-0000-0000-0000-000000000005", None]),
        (pa.array([1, None], pa.int8()).cast(pa.bool8()), [b"true", None]),
        (pa.array([None, None]), [None, None]),
    ],
)
def test_what_is_a_text_without_doubt(values: pa.Array, expected: list[bytes | None]) -> None:
    found = as_texts("a.parquet", "label", values)
    assert found.type == pa.large_binary()
    assert found.to_pylist() == expected
    check_type("a.parquet", "label", values.type)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (pa.array([1.0, 1.5]), "'1.5'"),
        (pa.array([1.0, float("inf")]), "'inf'"),
        (pa.array([1.0, 2.0**60]), "'1.152921504606847e+18'"),
        (pa.array([Decimal("1.00"), Decimal("1.50")]), "'1.50'"),
        (pa.array([1.0, 1.5]).dictionary_encode(), "'1.5'"),
    ],
)
def test_a_value_that_is_none_is_named_with_its_row(values: pa.Array, shown: str) -> None:
    assert not is_text(values.type)
    check_type("a.parquet", "label", values.type)
    with pytest.raises(CorpusError) as raised:
        as_texts("a.parquet", "label", values, 11)
    assert str(raised.value) == (
        f"a.parquet row 12: the column 'label' of type {values.type} holds {shown}; "
        "expected texts, or values with a single text form, such as whole numbers"
    )


@pytest.mark.parametrize(("row", "holds"), [(["Tea", "Milk"], "a list of 2 values"), ([], "an empty list")])
def test_a_list_of_labels_points_at_the_kind_of_task_that_has_them(row: list[str], holds: str) -> None:
    with pytest.raises(CorpusError) as raised:
        as_texts("a.parquet", "labels", pa.array([["Tea"], row], pa.list_(pa.string())), 1)
    assert str(raised.value) == (
        f"a.parquet row 2: the column 'labels' holds {holds}; expected one text; lists of labels need task.kind: "
        "multilabel"
    )


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.struct([("a", pa.int64())]), pa.map_(pa.string(), pa.string()), pa.timestamp("us"), pa.time32("s")),
        *(pa.duration("s"), pa.list_(pa.struct([("a", pa.int64())])), pa.list_view(pa.string())),
        pa.dictionary(pa.int8(), pa.timestamp("us")),
    ],
)
def test_a_type_that_is_no_text_is_refused_before_any_value_is_read(kind: pa.DataType) -> None:
    with pytest.raises(CorpusError, match="the column 'label' has type .*; expected texts"):
        check_type("a.parquet", "label", kind)


def test_a_category_that_no_row_has_is_no_fault() -> None:
    unused = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([1.0, 1.5]))
    assert as_texts("a.parquet", "label", unused).to_pylist() == [b"1"]


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        (
            pa.array([["Tea", "Milk"], [], None, ["Tea"], ["a", None]]),
            [b'["Tea", "Milk"]', b"[]", None, b'["Tea"]', b'["a", null]'],
        ),
        (pa.array([[1, 2], [3]]), [b'["1", "2"]', b'["3"]']),
        (pa.array([["x"], ["a", "b"], None], pa.large_list(pa.string()))[1:], [b'["a", "b"]', None]),
        (pa.array([["a", "b"], None], pa.list_(pa.string(), 2)), [b'["a", "b"]', None]),
        (pa.array(["Tea", "a; b", None]), [b"Tea", b"a; b", None]),
        (pa.array([], pa.list_(pa.string())), []),
    ],
)
def test_the_lists_of_a_column_of_sets_are_kept(values: pa.Array, cells: list[bytes | None]) -> None:
    assert as_texts("a.parquet", SetColumn("labels"), values).to_pylist() == cells


def test_a_list_of_values_without_a_text_form_names_its_row() -> None:
    with pytest.raises(CorpusError, match=r"a.parquet row 12: the column 'labels' of type list<.*> holds "):
        as_texts("a.parquet", SetColumn("labels"), pa.array([[1.0, 2.0], None, [1.0, 0.5]]), 10)
    with pytest.raises(CorpusError, match="a.parquet row 2: the column 'labels' holds a list of 2 values; expected"):
        as_texts("a.parquet", "labels", pa.array([["a"], ["a", "b"]]), 1)


def test_bytes_that_are_not_utf8_make_their_cell_invalid() -> None:
    (cell,) = as_texts("a.parquet", SetColumn("labels"), pa.array([[b"a", b"\xff"]])).to_pylist()
    with pytest.raises(UnicodeDecodeError):
        cell.decode()
    assert cell_of(SetColumn("labels"), ["a", 1, True]) == b'["a", "1", "true"]'
    with pytest.raises(ValueError):  # noqa: PT011
        cell_of("labels", ["a", "b"])
