"""Bounds against SciPy, and what a verified cascade claims against simulated truth."""

import numpy as np
import pytest
from scipy.stats import betabinom

from laud_ray.models.student.threshold import (
    Verification,
    fit_threshold,
    predicted_at_most,
    verify,
    verify_or_raise,
)
from laud_ray.stats.bounds import lower_bound
from laud_ray.types import Floats, Indices


@pytest.mark.parametrize(("most", "n", "seen", "of"), [(0, 300, 0, 300), (29, 4000, 20, 4000), (60, 5000, 3, 900)])
def test_predictions_are_scipys(most: int, n: int, seen: int, of: int) -> None:
    expected = betabinom.cdf(most, n, seen + 0.5, of - seen + 0.5)
    assert predicted_at_most(most, n, seen, of) == pytest.approx(expected, rel=1e-6)


def drawn(n: int, rng: np.random.Generator) -> tuple[Floats, Indices]:
    """A student of four labels that is right less often than it thinks, the more so the less sure it is."""
    top = rng.uniform(0.3, 1, n)
    proba = np.repeat(((1 - top) / 3)[:, None], 4, axis=1)
    student = rng.integers(4, size=n)
    proba[np.arange(n), student] = top
    wrong = rng.random(n) < wrong_at(top)
    return proba, np.where(wrong, (student + 1) % 4, student)


def wrong_at(top: Floats) -> Floats:
    share: Floats = 0.6 * (1 - top) ** 1.5
    return share


def truth(threshold: float) -> float:
    """The agreement over all rows, by integration over the confidences above the threshold."""
    tops = np.linspace(0.3, 1, 200_001)
    return float(1 - np.mean(wrong_at(tops) * (tops >= threshold)))


@pytest.mark.parametrize("chosen", ["fitted", "too low"])
def test_what_is_verified_is_true_in_95_of_100_samples(chosen: str) -> None:
    """A claim of 95 %, whether the threshold was fitted on rows of its own or is hopeless and has to be raised."""
    rng = np.random.default_rng(0)
    trials, false_claims, misses, passed = 600, 0, 0, 0
    for _ in range(trials):
        threshold = fit_threshold(*drawn(1000, rng), agreement=0.97) if chosen == "fitted" else 0.31
        found = verify_or_raise(*drawn(1000, rng), threshold, agreement=0.97)
        real = truth(found.threshold)
        passed += found.passed
        false_claims += found.passed and real < 0.97
        misses += found.passed and found.raised_from is None and real < found.low
    # Binomial(600, 0.05) is above 47 once in a thousand.
    assert passed > 0.8 * trials
    assert false_claims <= 47
    assert misses <= 47


def test_the_bound_covers_the_truth_of_a_given_threshold() -> None:
    rng = np.random.default_rng(1)
    real = truth(0.8)
    covered = sum(verify(*drawn(500, rng), 0.8).low <= real for _ in range(600))
    assert covered >= 553


def test_half_of_the_fitted_thresholds_pass() -> None:
    rng = np.random.default_rng(2)
    passed = [verify(*drawn(2000, rng), fit_threshold(*drawn(2000, rng), agreement=0.98), agreement=0.98).passed
              for _ in range(200)]  # fmt: skip
    assert 70 <= sum(passed) <= 130  # four standard deviations around 100


def test_a_student_that_is_always_right_answers_all() -> None:
    proba = np.tile([0.6, 0.4], (1000, 1))
    threshold = fit_threshold(proba, np.zeros(1000, np.int64))
    assert threshold == 0
    found = verify(proba, np.zeros(1000, np.int64), threshold)
    assert (found.coverage, found.agreement, found.passed) == (1, 1, True)


def test_the_threshold_is_just_above_the_last_error_that_is_too_many() -> None:
    """5 errors of 1000 at known confidences; for a target that allows none, only what is surer is answered."""
    tops = np.linspace(0.5, 0.999, 1000, dtype=np.float32)
    proba = np.stack([tops, 1 - tops], 1)
    taught = np.zeros(1000, np.int64)
    taught[[100, 300, 500]] = 1
    raised = verify_or_raise(proba, taught, 0.0, agreement=lower_bound(999, 1000))
    assert raised.threshold == np.nextafter(tops[300], np.float32(1))
    assert raised.raised_from == 0
    assert raised.agreement == 0.999
    assert raised.coverage == pytest.approx(0.699)


def test_too_few_rows_for_the_target_leave_everything_to_the_teacher() -> None:
    proba, taught = np.tile([0.9, 0.1], (100, 1)), np.zeros(100, np.int64)
    assert fit_threshold(proba, taught, agreement=0.99) == np.inf
    found = verify_or_raise(proba, taught, np.inf, agreement=0.99)
    assert (found.passed, found.coverage) == (False, 0)


def test_a_failure_says_so() -> None:
    shown = str(Verification(threshold=0.5, target=0.99, coverage=0.8, agreement=0.99, low=0.985, n=1000))
    assert "80.0% of rows; 99.00% of all rows agree" in shown
    assert shown.endswith("lower bound 98.50%), below the required 99.00%")


def test_errors_name_the_value() -> None:
    proba = np.full((2, 2), 0.5)
    with pytest.raises(ValueError, match="agreement is 1.0; expected a share above 0 and below 1"):
        fit_threshold(proba, np.zeros(2, np.int64), agreement=1.0)
    with pytest.raises(ValueError, match="got 2 rows of the student and 3 of the teacher"):
        verify(proba, np.zeros(3, np.int64), 0.5)
