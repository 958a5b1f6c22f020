"""The largest audience whose precision is shown."""

import numpy as np
import pytest

from laud_ray.stats.bounds import lower_bound, tail
from laud_ray.stats.selection import bound, effective, needed, select
from laud_ray.types import Bools, Floats

THRESHOLDS = np.linspace(0.95, 0.0, 20)
REACH = 1 - THRESHOLDS  # of scores that are uniform


def draw(n: int, precision: Floats, rng: np.random.Generator) -> tuple[Floats, Bools]:
    """Draw documents; one whose score lies between two thresholds is right with the probability of its step."""
    scores = rng.random(n)
    step = np.searchsorted(-THRESHOLDS, -scores, side="left")
    return scores, rng.random(n) < precision[step]


def above(precision: Floats) -> Floats:
    """The precision of the audience at each threshold: the mean over its steps, which have the same size."""
    return np.asarray(np.cumsum(precision) / np.arange(1, len(precision) + 1))


def test_a_right_sample_reaches_everything() -> None:
    scores = np.linspace(0.01, 0.99, 100)
    found = select(scores, np.ones(100, np.bool_), np.ones(100), THRESHOLDS, REACH, np.full(20, 0.99), 0.95)
    assert found.place == 19
    assert found.low == pytest.approx(lower_bound(100, 100))


def test_fifty_nine_show_ninety_five_percent_and_fifty_eight_do_not() -> None:
    assert needed(0.95) == 59
    for n, place in ((59, 0), (58, None)):
        every = np.ones(n, np.bool_)
        found = select(np.ones(n), every, np.ones(n), np.array([0.0]), np.array([1.0]), np.array([0.99]), 0.95)
        assert found.place == place
        assert found.low == pytest.approx(lower_bound(n, n))


def test_wrong_names_below_a_confidence_are_left_out() -> None:
    rng = np.random.default_rng(0)
    precision = np.where(THRESHOLDS >= 0.45, 1.0, 0.5)
    scores, right = draw(600, precision, rng)
    found = select(scores, right, np.ones(600), THRESHOLDS, REACH, above(precision), 0.95)
    assert found.place is not None
    assert 0.35 <= THRESHOLDS[found.place] <= 0.45


@pytest.mark.parametrize("overconfident", [False, True])
def test_a_precision_that_does_not_hold_is_shown_in_five_percent_at_most(overconfident: bool) -> None:
    """The precision falls slowly below 90 %, where a test is the likeliest to be fooled, whatever the model expects."""
    rng = np.random.default_rng(1)
    precision = np.linspace(0.93, 0.80, 20)
    true = above(precision)
    expected = np.full(20, 0.99) if overconfident else true
    wrong = 0
    for _ in range(1000):
        scores, right = draw(150, precision, rng)
        place = select(scores, right, np.ones(150), THRESHOLDS, REACH, expected, 0.9).place
        wrong += place is not None and true[place] < 0.9
    assert wrong / 1000 <= 0.05 + 2 * (0.05 * 0.95 / 1000) ** 0.5


def test_weights_count_as_fewer_documents() -> None:
    assert effective(np.ones(40)) == pytest.approx(40)
    assert effective(np.array([3.0, 1.0])) == pytest.approx(1.6)
    assert effective(np.ones(0)) == 0
    weights = np.where(np.arange(200) % 2, 9.0, 1.0)
    every = np.ones(200, np.bool_)
    found = select(np.ones(200), every, weights, np.array([0.0]), np.array([1.0]), np.array([0.99]), 0.95)
    assert found.n == pytest.approx(1000**2 / 8200)
    assert found.low == pytest.approx(bound(found.n, found.n))
    assert bound(0, 10) == 0
    assert tail(0, 10, 0.5) == 1


def test_without_documents_nothing_is_shown() -> None:
    none = np.ones(0)
    found = select(none, none.astype(np.bool_), none, THRESHOLDS, REACH, np.full(20, 0.9), 0.9)
    assert (found.place, found.low, found.n) == (None, 0.0, 0.0)


def test_wrong_arguments_are_refused() -> None:
    ones, every = np.ones(3), np.ones(3, np.bool_)
    with pytest.raises(ValueError, match="equal lengths"):
        select(ones, every[:2], ones, THRESHOLDS, REACH, REACH, 0.9)
    with pytest.raises(ValueError, match="falling thresholds"):
        select(ones, every, ones, THRESHOLDS[::-1], REACH, REACH, 0.9)
    for target in (0.0, 1.0):
        with pytest.raises(ValueError, match="above 0 and below 1"):
            select(ones, every, ones, THRESHOLDS, REACH, REACH, target)
