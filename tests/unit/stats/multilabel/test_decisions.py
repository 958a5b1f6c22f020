"""Which labels apply."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from laud_ray.stats.multilabel.decisions import decide, exclusive_columns


def test_a_label_applies_from_its_threshold_on() -> None:
    proba = np.array([[0.5, 0.2, 0.9], [0.4, 0.3, 0.1]])
    assert decide(proba, np.array([0.5, 0.3, 0.95])).tolist() == [[True, False, False], [False, True, False]]


def test_of_exclusive_labels_the_one_that_exceeds_its_threshold_by_most_applies() -> None:
    proba, thresholds = np.array([[0.9, 0.8, 0.6], [0.1, 0.1, 0.6]]), np.array([0.85, 0.5, 0.5])
    expected = [[False, True, True], [False, False, True]]
    assert decide(proba, thresholds, exclusive=[(0, 1)]).tolist() == expected


def test_at_most_so_many_labels_apply_and_of_equal_ones_the_first() -> None:
    proba = np.array([[0.9, 0.9, 0.6], [0.1, 0.1, 0.6]])
    assert decide(proba, np.full(3, 0.5), at_most=1).tolist() == [[True, False, False], [False, False, True]]


@given(arrays(np.float64, (5, 4), elements=st.floats(0, 1)), st.integers(1, 4))
def test_limits_only_take_labels_away(proba: np.ndarray, most: int) -> None:
    thresholds = np.array([0.2, 0.4, 0.6, 0.8])
    limited = decide(proba, thresholds, at_most=most, exclusive=[(0, 2)])
    assert not (limited & ~decide(proba, thresholds)).any()
    assert limited.sum(axis=1).max() <= most
    assert not (limited[:, 0] & limited[:, 2]).any()


def test_groups_are_known_by_their_columns() -> None:
    assert exclusive_columns([("B", "A"), ("C", "X")], ["A", "B", "C"]) == ((1, 0), (2,))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(n, k\) and \(k,\)"):
        decide(np.zeros((2, 3)), np.zeros(2))
