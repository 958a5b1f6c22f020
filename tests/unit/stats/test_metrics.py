"""Metrics against hand-computed values and scikit-learn."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from laud_ray.stats.metrics import (
    accuracy,
    calibration_error,
    cohen_kappa,
    confusion,
    delta_f,
    macro_f1,
    precision_recall_f1,
    stability_index,
)
from laud_ray.types import Floats, Indices

TRUE = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 0])
WEIGHTS = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


def labels(seed: int, n: int = 200, k: int = 7) -> tuple[Indices, Indices, Floats]:
    """Return true labels, predictions that are right about half of the time, and weights."""
    rng = np.random.default_rng(seed)
    true = rng.integers(k, size=n)
    return true, np.where(rng.random(n) < 0.5, true, rng.integers(k, size=n)), rng.random(n) + 0.1


def test_accuracy_is_the_share_of_equal_labels() -> None:
    assert accuracy(TRUE, PREDICTED) == pytest.approx(3 / 6)


def test_accuracy_weighs_documents() -> None:
    assert accuracy(TRUE, PREDICTED, WEIGHTS) == pytest.approx((1 + 2 + 4) / 21)


def test_confusion_has_truth_in_rows() -> None:
    assert confusion(TRUE, PREDICTED, 4).tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert confusion(TRUE, PREDICTED, 3, WEIGHTS).tolist() == [[3, 3, 0], [5, 4, 0], [6, 0, 0]]


def test_confusion_of_narrow_integers_does_not_overflow() -> None:
    narrow: Any = np.array([100], np.int8)
    assert confusion(narrow, narrow, 101)[100, 100] == 1


def test_precision_recall_f1_by_hand() -> None:
    precision, recall, f1 = precision_recall_f1(confusion(TRUE, PREDICTED, 4))
    assert precision == pytest.approx([2 / 4, 1 / 2, 0, 0])
    assert recall == pytest.approx([2 / 3, 1 / 2, 0, 0])
    assert f1 == pytest.approx([4 / 7, 1 / 2, 0, 0])


def test_macro_f1_leaves_out_only_classes_that_occur_nowhere() -> None:
    assert macro_f1(confusion(TRUE, PREDICTED, 4)) == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed: int) -> None:
    true, predicted, weights = labels(seed)
    matrix = confusion(true, predicted, 7, weights)
    expected = reference.precision_recall_fscore_support(
        true, predicted, labels=range(7), sample_weight=weights, zero_division=0
    )
    assert matrix == pytest.approx(reference.confusion_matrix(true, predicted, sample_weight=weights))
    assert np.array(precision_recall_f1(matrix)) == pytest.approx(np.array(expected[:3]))
    assert accuracy(true, predicted, weights) == pytest.approx(
        reference.accuracy_score(true, predicted, sample_weight=weights)
    )
    assert cohen_kappa(true, predicted, 7) == pytest.approx(reference.cohen_kappa_score(true, predicted))


@pytest.mark.parametrize("seed", range(5))
def test_macro_f1_agrees_with_scikit_learn_where_classes_are_missing(seed: int) -> None:
    true, predicted, _ = labels(seed, n=12, k=30)
    expected = reference.f1_score(true, predicted, average="macro", zero_division=0)
    assert macro_f1(confusion(true, predicted, 30)) == pytest.approx(expected)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.9, 0.2, 0.8, 0.4])
    correct = np.array([True, False, False, True])
    # Two bins of two documents: confidences (0.2, 0.4) with accuracy 1/2, and (0.8, 0.9) with accuracy 1/2.
    assert calibration_error(confidence, correct, bins=2) == pytest.approx(0.5 * 0.2 + 0.5 * 0.35)


def test_calibration_bins_hold_equal_weight() -> None:
    confidence = np.array([0.2, 0.5, 0.6, 0.9])
    correct = np.array([True, False, True, True])
    weights = np.array([3.0, 1.0, 1.0, 1.0])
    # The first document is half of the weight, so it has a bin of its own.
    assert calibration_error(confidence, correct, weights, bins=2) == pytest.approx(
        (3 * 0.8 + abs(-0.5 + 0.4 + 0.1)) / 6
    )


def test_integer_weights_are_repetitions() -> None:
    true, predicted, _ = labels(0)
    rng = np.random.default_rng(0)
    times, confidence, correct = rng.integers(1, 4, len(true)), rng.random(len(true)), true == predicted
    repeated = calibration_error(np.repeat(confidence, times), np.repeat(correct, times))
    assert calibration_error(confidence, correct, times.astype(float)) == pytest.approx(repeated)
    assert accuracy(true, predicted, times.astype(float)) == pytest.approx(
        accuracy(np.repeat(true, times), np.repeat(predicted, times))
    )


def test_calibration_error_tells_a_calibrated_model_from_a_boastful_one() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 0.7, 20_000)
    correct = rng.random(20_000) < confidence
    assert calibration_error(confidence, correct) < 0.015
    assert calibration_error(confidence + 0.25, correct) == pytest.approx(0.25, abs=0.015)


def test_kappa_by_hand() -> None:
    a, b = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert cohen_kappa(a, b, 2) == pytest.approx((0.75 - 0.5) / (1 - 0.5))


def test_kappa_of_constants() -> None:
    zeros, ones = np.zeros(5, int), np.ones(5, int)
    assert cohen_kappa(zeros, zeros, 2) == 1.0
    assert cohen_kappa(zeros, ones, 2) == 0.0


def test_delta_f_counts_both_positive() -> None:
    a, b = np.array([1, 1, 1, 0, 0]), np.array([1, 1, 0, 1, 0])
    assert delta_f(a, b, positive=1) == pytest.approx(1 - 4 / 6)
    assert delta_f(a, b, positive=0) == pytest.approx(1 - 2 / 4)
    assert delta_f(a, b, positive=2) == 0.0
    assert delta_f(a, a, positive=1) == 0.0
    assert delta_f(a, 1 - a, positive=1) == 1.0


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 60))
def test_the_order_of_documents_does_not_matter(seed: int, n: int) -> None:
    true, predicted, weights = labels(seed, n)
    rng = np.random.default_rng(seed)
    confidence = rng.integers(0, 11, n) / 10  # with ties
    order = rng.permutation(n)
    shuffled, guessed, mass = true[order], predicted[order], weights[order]
    assert accuracy(shuffled, guessed, mass) == pytest.approx(accuracy(true, predicted, weights))
    assert confusion(shuffled, guessed, 7, mass) == pytest.approx(confusion(true, predicted, 7, weights))
    assert cohen_kappa(shuffled, guessed, 7) == cohen_kappa(true, predicted, 7)
    assert delta_f(shuffled, guessed, 0) == delta_f(true, predicted, 0)
    assert calibration_error(confidence[order], (true == predicted)[order]) == pytest.approx(
        calibration_error(confidence, true == predicted)
    )


def test_errors_name_the_value_and_the_bound() -> None:
    none = np.array([], int)
    with pytest.raises(ValueError, match="true has 6, predicted has 5 documents; expected the same number"):
        accuracy(TRUE, PREDICTED[:5])
    with pytest.raises(ValueError, match="at least 1"):
        accuracy(none, none)
    with pytest.raises(ValueError, match=r"label 2 is outside \[0, 2\)"):
        confusion(TRUE, PREDICTED, 2)
    with pytest.raises(ValueError, match=r"label -1 is outside \[0, 3\)"):
        cohen_kappa(TRUE, PREDICTED - 1, 3)
    with pytest.raises(ValueError, match=r"the weights have minimum -1.0, sum .*; expected >= 0"):
        accuracy(TRUE, PREDICTED, WEIGHTS - 2)
    with pytest.raises(ValueError, match="got 5 weights for 6 documents"):
        confusion(TRUE, PREDICTED, 3, WEIGHTS[:5])
    with pytest.raises(ValueError, match=r"confidence ranges from 0.5 to 1.5; expected \[0, 1\]"):
        calibration_error(np.array([0.5, 1.5]), np.array([True, False]))
    with pytest.raises(ValueError, match="bins is 0; expected at least 1"):
        calibration_error(np.array([0.5]), np.array([True]), bins=0)
    with pytest.raises(ValueError, match="the confusion matrix is empty"):
        macro_f1(np.zeros((2, 2)))


def test_stability_index_by_hand() -> None:
    # Smoothed by half an observation a bin: 50.5 and 50.5 of 101 expected, 80.5 and 20.5 of 101 seen.
    by_hand = (80.5 - 50.5) / 101 * np.log(80.5 / 50.5) + (20.5 - 50.5) / 101 * np.log(20.5 / 50.5)
    found = stability_index(np.array([0.5, 0.5]), np.array([80, 20]), 100)
    assert found == pytest.approx(by_hand - 1 * (1 / 100 + 1 / 100))
    assert stability_index(np.array([0.5, 0.5]), np.array([50, 50]), 100) == 0.0
    assert np.isfinite(stability_index(np.array([1.0, 0.0]), np.array([0, 10]), 10))


@pytest.mark.parametrize("bins", [2, 10, 50])
def test_stability_index_is_zero_on_average_when_nothing_drifts_and_large_when_something_does(bins: int) -> None:
    rng = np.random.default_rng(bins)
    base = np.sort(rng.dirichlet(np.full(bins, 3.0))) if bins > 2 else np.array([0.2, 0.8])
    moved = base[::-1]
    still, drifted = [], []
    for _ in range(200):
        sampled = rng.multinomial(300, base) / 300
        still.append(stability_index(sampled, rng.multinomial(500, base), 300))
        drifted.append(stability_index(sampled, rng.multinomial(500, moved), 300))
    assert np.mean(np.array(still) < 0.1) > 0.95
    assert np.mean(np.array(drifted) > 0.2) > 0.95


def test_stability_index_refuses_what_is_no_distribution() -> None:
    half = np.array([0.5, 0.5])
    with pytest.raises(ValueError, match="got 2 expected shares for 3 counts"):
        stability_index(half, np.array([1, 2, 3]), 10)
    with pytest.raises(ValueError, match=r"expected shares sum to 0.6"):
        stability_index(np.array([0.5, 0.1]), np.array([1, 2]), 10)
    with pytest.raises(ValueError, match="0 observations are compared with a sample of 10; expected at least 1 each"):
        stability_index(half, np.array([0, 0]), 10)
    with pytest.raises(ValueError, match="3 observations are compared with a sample of 0"):
        stability_index(half, np.array([1, 2]), 0)
