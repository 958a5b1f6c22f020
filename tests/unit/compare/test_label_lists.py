"""Columns of lists of labels, and the texts of their sets."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.compare.label_lists import is_lists, lists_of, texts_of
from laud_ray.label_sets import LabelSet

NAMES = st.sampled_from(["Tea", "Coffee", "Milk; fresh", "Crème", '"x"'])
CODED = pa.list_(pa.dictionary(pa.int32(), pa.string()))


@settings(deadline=None)
@given(st.lists(st.none() | st.lists(NAMES, max_size=4), max_size=20), st.sampled_from([pa.list_(pa.string()), CODED]))
def test_lists_become_sets_and_sets_lists(rows: list[list[str] | None], kind: pa.DataType) -> None:
    texts = texts_of(pa.array(rows, pa.list_(pa.string())).cast(kind))
    assert texts.to_pylist() == [None if row is None else LabelSet.of(row).text for row in rows]
    assert lists_of(texts).to_pylist() == [None if row is None else sorted(set(row)) for row in rows]


def test_names_are_normalised_and_those_without_letters_left_out() -> None:
    rows = [["Green  tea", None], ["Green tea"], [""], None, []]
    column = pa.chunked_array([pa.array(rows[:2], pa.list_(pa.string())), pa.array(rows[2:], pa.list_(pa.string()))])
    assert texts_of(column).to_pylist() == ['["Green tea"]', '["Green tea"]', "[]", None, "[]"]
    assert len(texts_of(column).dictionary) == 2


def test_a_slice_is_read_from_its_own_rows() -> None:
    column = pa.array([["a"], ["b", "a"], None, ["c"]], pa.list_(pa.string()))
    assert texts_of(column[1:]).to_pylist() == ['["a","b"]', None, '["c"]']


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.list_(pa.string()), True),
        (pa.large_list(pa.large_string()), True),
        (CODED, True),
        (pa.list_(pa.float32()), False),
        (pa.string(), False),
    ],
)
def test_lists_of_strings_are_lists_of_labels(kind: pa.DataType, expected: bool) -> None:
    assert is_lists(kind) == expected
