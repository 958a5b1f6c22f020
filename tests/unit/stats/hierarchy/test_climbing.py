"""Climbing by hand, and chains of thresholds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.stats.hierarchy import climb, fit_chain
from tests.unit.stats.hierarchy.climbed import DISTORTED, paths, shortened


def test_climbing_by_hand() -> None:
    masses = np.array([[0.5, 0.7, 0.95], [0.6, 0.6, 0.6], [0.1, 0.2, 0.3], [0.3, 0.9, np.nan], [np.nan] * 3])
    assert climb(masses, np.array([0.6, 0.8, 0.8])).tolist() == [2, 0, 3, 1, 3]
    assert climb(masses, np.full(3, np.inf)).tolist() == [3] * 5
    assert climb(masses, np.zeros(3)).tolist() == [0, 0, 0, 0, 3]
    assert climb(masses[:0], np.zeros(3)).tolist() == []


def test_masses_and_thresholds_of_other_numbers_of_steps_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"masses have the shape \(2, 3\), thresholds \(2,\); expected \(n, d\), \(d,\)"
    ):
        climb(np.ones((2, 3)), np.ones(2))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(DISTORTED), st.integers(1, 300), st.booleans())
def test_each_set_answers_as_deep_as_the_one_before(seed: int, kind: str, n: int, uneven: bool) -> None:
    rng = np.random.default_rng(seed)
    masses, right = paths(n, rng, kind)
    if uneven:
        masses, right = shortened(masses, right, rng)
    chain = fit_chain(masses, right, verified_on=3 * n)
    fresh = paths(200, rng)[0]
    steps = np.stack([climb(fresh, one) for one in chain.thresholds])
    assert (np.diff(steps, axis=0) <= 0).all()
    assert chain.fitted_on == n


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_documents_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masses, right = shortened(*paths(100, rng), rng)
    order = rng.permutation(100)
    one, other = fit_chain(masses, right, verified_on=300), fit_chain(masses[order], right[order], verified_on=300)
    assert one.thresholds == pytest.approx(other.thresholds, abs=1e-6)


def test_calibrated_masses_get_the_thresholds_of_their_errors() -> None:
    """The thresholds of an error e are 1 - e, and 1 - 2 e for the prediction itself."""
    masses, right = paths(100_000, np.random.default_rng(0))
    for leaf, *inner in fit_chain(masses, right, verified_on=100_000).thresholds:
        assert inner == pytest.approx([1 - (1 - leaf) / 2] * 3, abs=0.02)
    for leaf, *inner in fit_chain(masses, right, verified_on=100_000, leniency=1).thresholds:
        assert inner == pytest.approx([leaf] * 3, abs=0.02)


def test_distorted_masses_leave_the_same_answers() -> None:
    """The chain depends on the order of the masses at a step, and on how often they are right, not on their values."""
    straight, right = paths(20_000, np.random.default_rng(1))
    odds = 1.5 * np.log(straight / (1 - straight)) - np.array([2.0, 1, 0, -1])
    bent = 1 / (1 + np.exp(-odds))
    one, other = (fit_chain(masses, right, verified_on=20_000).thresholds for masses in (straight, bent))
    for a, b in zip(one[:-20:-1], other[:-20:-1], strict=True):  # the boldest first; the starts may differ by a set
        assert (climb(straight, a) == climb(bent, b)).mean() > 0.98


def test_a_step_without_documents_is_never_answered() -> None:
    masses, right = paths(50, np.random.default_rng(2))
    masses[:, 3], right[:, 3] = np.nan, False
    assert np.isinf(fit_chain(masses, right, verified_on=100).thresholds[:, 3]).all()
    nothing = fit_chain(np.full((5, 2), np.nan), np.zeros((5, 2), np.bool_), verified_on=10)
    assert nothing.thresholds.tolist() == [[np.inf, np.inf]]


def test_equal_masses_are_answered_together() -> None:
    chain = fit_chain(np.full((30, 2), 0.9), np.ones((30, 2), np.bool_), verified_on=90)
    assert climb(np.full((3, 2), 0.9), chain.thresholds[0]).tolist() in ([0] * 3, [1] * 3)


@pytest.mark.parametrize("always", [True, False])
def test_a_model_without_an_error_or_a_right_answer_has_a_chain(always: bool) -> None:
    masses = paths(30, np.random.default_rng(3))[0]
    chain = fit_chain(masses, np.full((30, 4), always), verified_on=90)
    assert np.isfinite(chain.thresholds).all()
    assert ((chain.thresholds >= 0) & (chain.thresholds <= 1)).all()


def test_bad_arguments_are_refused() -> None:
    masses, right = paths(5, np.random.default_rng(4))
    with pytest.raises(ValueError, match=r"masses have the shape \(5, 4\), right \(4, 4\)"):
        fit_chain(masses, right[:4], verified_on=1)
    with pytest.raises(ValueError, match=r"masses have the shape \(0, 4\)"):
        fit_chain(masses[:0], right[:0], verified_on=1)
    with pytest.raises(ValueError, match=r"verified_on = 0, leniency = 2\.0"):
        fit_chain(masses, right, verified_on=0)
    with pytest.raises(ValueError, match=r"verified_on = 9, leniency = 0\.5"):
        fit_chain(masses, right, verified_on=9, leniency=0.5)
