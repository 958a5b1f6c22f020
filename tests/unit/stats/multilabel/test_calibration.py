"""The scaling of logits whose truth is known, and its slope against finite differences."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from laud_ray.stats.multilabel import calibration
from laud_ray.stats.multilabel.calibration import Scaling, fit_scaling, rival, set_loss, sigmoid


def drawn(true: Scaling, n: int = 4000, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and answers that are drawn with the probabilities of their true scaling."""
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 2, (n, k))
    return logits, (rng.random((n, k)) < sigmoid(true(logits))).astype(np.int8)


def test_the_true_scaling_is_found() -> None:
    logits, mask = drawn(Scaling(0.5, np.zeros(4), 0.0, -1.0))
    found = fit_scaling(logits, mask)
    assert found.factor == pytest.approx(0.5, abs=0.05)
    assert found.offset + found.own == pytest.approx([-1] * 4, abs=0.15)
    assert found.rivalry == pytest.approx(0, abs=0.1)


def test_labels_that_take_from_each_other_are_noticed() -> None:
    true = Scaling(1.0, np.zeros(4), 0.8, 0.5)
    logits, mask = drawn(true)
    found = fit_scaling(logits, mask)
    assert found.rivalry == pytest.approx(0.8, abs=0.1)
    assert np.abs(sigmoid(found(logits)) - sigmoid(true(logits))).mean() < 0.02
    assert set_loss(found(logits), mask) < set_loss(logits, mask)


def test_a_label_has_an_offset_of_its_own_only_with_enough_positives() -> None:
    logits, mask = drawn(Scaling(1.0, np.array([0.0, 0.0, 0.6, 0.6])))
    mask[:, 3] = np.where(np.cumsum(mask[:, 3] == 1) < calibration.OWN, mask[:, 3], -1)
    found = fit_scaling(logits, mask)
    assert found.own[3] == 0
    assert found.own[2] > found.own[0] + 0.2


def test_what_was_not_asked_does_not_count() -> None:
    logits, mask = drawn(Scaling(0.7, np.zeros(4), 0.0, -0.5))
    logits[::2, 0], mask[::2, 0] = 50, -1
    assert fit_scaling(logits, mask).factor == pytest.approx(0.7, abs=0.1)
    assert set_loss(np.array([[9.0, -9.0]]), np.array([[-1, 0]], np.int8)) == pytest.approx(np.log1p(np.exp(-9)))


def test_the_slope_is_that_of_the_likelihood() -> None:
    logits, mask = drawn(Scaling(0.7, np.zeros(4), 0.3, -0.5), n=20)
    mask[3, 1] = -1
    own, theta = np.array([0, 2]), np.array([0.2, 0.4, -0.3, 0.1, -0.2])
    given = (logits, mask == 1, mask >= 0, own)
    expected = approx_fprime(theta, lambda one: calibration._negative_likelihood(one, *given)[0], 1e-6)
    assert calibration._negative_likelihood(theta, *given)[1] == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_a_rivalry_of_one_is_a_softmax() -> None:
    logits = np.random.default_rng(0).normal(size=(5, 3))
    assert np.exp(rival(logits, 1.0)).sum(axis=1) == pytest.approx(np.ones(5))
    assert rival(logits, 0.0) is logits


def test_other_shapes_and_infinite_logits_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the same"):
        fit_scaling(np.zeros((3, 2)), np.zeros((3, 3), np.int8))
    with pytest.raises(ValueError, match="1 logits are not finite"):
        fit_scaling(np.array([[np.inf, 0.0]]), np.zeros((1, 2), np.int8))
