"""Thresholds against a search over all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.stats.multilabel.thresholds import (
    LEAST,
    UNFITTED,
    best_threshold,
    expected_thresholds,
    fit_thresholds,
    untrained_threshold,
)


def f1(proba: np.ndarray, applies: np.ndarray, threshold: float) -> float:
    predicted = proba >= threshold
    return float(2 * (predicted & (applies == 1)).sum() / max(predicted.sum() + (applies == 1).sum(), 1))


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_no_threshold_has_a_larger_f1(m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    proba = rng.random(m).round(1)  # with ties
    applies = (rng.random(m) < proba).astype(np.int8)
    found = best_threshold(proba, applies)
    if not applies.any():
        assert found == UNFITTED
        return
    assert 0 <= found <= 1
    assert f1(proba, applies, found) == pytest.approx(max(f1(proba, applies, t) for t in np.unique(proba)))


def test_the_threshold_lies_between_two_probabilities() -> None:
    assert best_threshold(np.array([0.9, 0.4, 0.2]), np.array([1, 1, 0], np.int8)) == pytest.approx(0.3)
    assert best_threshold(np.array([0.9, 0.4]), np.array([1, 1], np.int8)) == pytest.approx(0.2)


def test_labels_move_from_the_common_threshold_by_their_positives() -> None:
    rng = np.random.default_rng(0)
    # The second label is always right from 0.6 on; of the third only a few answers are known.
    proba = rng.random((2000, 3))
    mask = (rng.random((2000, 3)) < proba**3).astype(np.int8)
    mask[:, 1] = proba[:, 1] > 0.6
    mask[:, 2] = np.where(np.cumsum(mask[:, 2] == 1) < LEAST, mask[:, 2], -1)
    first, second, third = fit_thresholds(proba, mask).tolist()
    asked = mask >= 0
    common = best_threshold(proba[asked], mask[asked])
    assert third == common
    assert min(common, 0.6) <= second <= max(common, 0.6)
    assert abs(second - 0.6) < abs(common - 0.6)
    assert first != common
    with pytest.raises(ValueError, match="expected the same"):
        fit_thresholds(proba, mask[:, :2])


def test_without_answers_the_threshold_is_that_of_the_largest_expected_f1() -> None:
    rng = np.random.default_rng(0)
    proba = rng.beta(0.5, 3, (3000, 4))
    mask = (rng.random(proba.shape) < proba).astype(np.int8)
    found, fitted = expected_thresholds(proba, np.zeros(4, np.int64)), best_threshold(proba.ravel(), mask.ravel())
    assert len(set(found.tolist())) == 1
    assert f1(proba, mask, found[0]) == pytest.approx(f1(proba, mask, fitted), abs=0.005)
    many = expected_thresholds(proba * [1, 1, 1, 0.5], np.array([0, 9, 10_000, 10_000]))
    assert many[0] == many[1] != many[2]
    assert many[3] < many[2]


def test_the_threshold_of_an_untrained_model_falls_with_the_number_of_labels() -> None:
    assert [untrained_threshold(k) for k in (2, 12, 20, 30, 500)] == pytest.approx([0.25, 0.25, 0.15, 0.1, 0.1])
