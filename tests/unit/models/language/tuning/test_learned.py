"""A model that names one class for everything has learned nothing, whatever the class's frequency."""

import math

import numpy as np
import pytest

from laud_ray.models.language.tuning.learned import Answers, next_rate

LABELS = ("Tea", "Coffee", "Juice")


def answers(named: list[int], true: list[int], loss: float = 1.0) -> Answers:
    given, truth = np.asarray(named), np.asarray(true)
    counts = (np.bincount(part, minlength=3) for part in (given, truth[given == truth], truth))
    return Answers(loss, *counts)


def test_one_class_for_everything_is_no_learning() -> None:
    collapsed = answers([1] * 20, [0] * 4 + [1] * 10 + [2] * 6)
    assert collapsed.accuracy == collapsed.base_rate == 0.5
    assert not collapsed.learned
    # Rare positives, all of them missed: 95 % right, and nothing learned. Three of five found is enough.
    rare = [0] * 5 + [1] * 95
    assert not answers([1] * 100, rare).learned
    assert answers([0] * 3 + [1] * 97, rare).learned


def test_learning_is_a_tenth_of_the_way_from_the_base_rate() -> None:
    true = [0] * 50 + [1] * 50
    assert not answers([0] * 50 + [0] * 46 + [1] * 4, true).learned
    assert answers([0] * 50 + [0] * 45 + [1] * 5, true).learned
    assert not answers(true, true, loss=math.nan).learned


def test_examples_of_one_class_cannot_fail() -> None:
    assert answers([0] * 5, [0] * 5).learned


def test_a_failure_names_figures_and_what_to_do() -> None:
    line = answers([1] * 19 + [0], [0] * 4 + [1] * 10 + [2] * 6).failure(LABELS, [1e-3, 4e-3, 2.5e-4])
    assert "\n" not in line
    assert "names 'Coffee' for 95% of its 20 training examples" in line
    assert "most frequent label alone has 50%" in line
    assert "1.0e-03, 4.0e-03, 2.5e-04" in line
    assert line.endswith("another learner.learning_rate, or learner.kind encoder")


@pytest.mark.parametrize(("diverged", "rates"), [(False, [4e-3, 2.5e-4, None]), (True, [2.5e-4, 4e-3, None])])
def test_rates_on_both_sides_are_tried_the_likelier_first(diverged: bool, rates: list[float | None]) -> None:
    assert [next_rate(1e-3, attempt, diverged=diverged) for attempt in (1, 2, 3)] == pytest.approx(rates)
