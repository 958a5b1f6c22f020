"""The head of independent labels on vectors whose labels are known."""

from pathlib import Path

import numpy as np
import pytest

from laud_ray.models.multilabel.head import SetHead, described, open_head, save_head
from laud_ray.models.multilabel.linear import FEWEST, fit, offset
from laud_ray.models.multilabel.targets import Mask
from laud_ray.stats.calibration import softmax
from laud_ray.stats.multilabel.calibration import Scaling, sigmoid
from laud_ray.stats.multilabel.thresholds import UNFITTED
from laud_ray.types import Floats

PRIOR = 10 * np.eye(4, 16, dtype=np.float32)


def drawn(n: int, seed: int = 0) -> tuple[Floats, Mask]:
    """n unit vectors, and which of four directions they point into, none to three of them."""
    rng = np.random.default_rng(seed)
    mask = (rng.random((n, 4)) < 0.35).astype(np.int8)
    x = 3 * mask @ np.eye(4, 16) + rng.normal(size=(n, 16)) * 0.6
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), mask


def test_sets_are_found_and_probabilities_are_calibrated() -> None:
    (x, mask), (new, truth) = drawn(200), drawn(1000, 1)
    fitted = fit(x, mask, PRIOR, seed=0)
    proba = fitted.head.proba(new)
    assert proba.dtype == np.float32
    applies = proba >= fitted.thresholds
    f1 = 2 * (applies & (truth == 1)).sum() / (applies.sum() + (truth == 1).sum())
    assert f1 > 0.9
    assert proba.mean() == pytest.approx(truth.mean(), abs=0.03)


def test_pairs_that_were_not_asked_teach_nothing() -> None:
    (x, mask), (new, truth) = drawn(200), drawn(500, 1)
    partial = mask.copy()
    partial[70:, 0] = -1
    wrong = partial.copy()  # what an answer that was not given might have been
    proba = fit(x, partial, PRIOR, seed=0).head.proba(new)
    wrong[70:, 0] = 0
    lower = fit(x, wrong, PRIOR, seed=0).head.proba(new)
    positives = truth[:, 0] == 1
    assert proba[positives, 0].mean() > 0.8 > lower[positives, 0].mean()


def test_a_label_without_examples_is_found_by_its_name() -> None:
    (x, mask), (new, truth) = drawn(200), drawn(500, 1)
    kept = mask[:, 3] == 0
    proba = fit(x[kept], mask[kept], PRIOR, seed=0).head.proba(new)
    assert proba[truth[:, 3] == 1, 3].mean() > 2 * proba[truth[:, 3] == 0, 3].mean()


def test_without_examples_the_probabilities_of_a_text_sum_to_one() -> None:
    x, mask = drawn(5)
    fitted = fit(x[:0], mask[:0], PRIOR, seed=0)
    np.testing.assert_allclose(fitted.head.proba(x), softmax(x @ PRIOR.T), rtol=1e-5)
    assert fitted.thresholds.tolist() == [UNFITTED] * 4
    few = fit(x, mask, PRIOR, seed=0)
    assert len(x) < FEWEST
    assert few.thresholds.tolist() == [UNFITTED] * 4


def test_the_first_biases_predict_as_many_labels_as_there_are() -> None:
    x, mask = drawn(300)
    mean = sigmoid((x @ PRIOR.T + offset(x, mask, PRIOR)).astype(np.float64)).mean()
    assert mean == pytest.approx((mask.sum() + 1) / (mask.size + 2), abs=1e-3)


def test_a_head_is_read_as_it_was_saved(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    plain = SetHead(rng.normal(size=(3, 5)).astype(np.float32), rng.normal(size=3).astype(np.float32))
    scaling = Scaling(0.7, np.array([0.0, 0.2, -0.1]), 0.4, -0.3)
    head, x = plain.scaled(scaling), rng.normal(size=(4, 5)).astype(np.float32)
    assert head.proba(x) == pytest.approx(sigmoid(scaling(x @ plain.weight.T + plain.bias)), rel=1e-4)
    save_head(head, tmp_path)
    np.testing.assert_array_equal(open_head(tmp_path, dict(described(head))).proba(x), head.proba(x))


def test_answers_to_similar_texts_help_where_a_head_cannot() -> None:
    rng = np.random.default_rng(0)

    def ring(n: int) -> tuple[Floats, Mask]:
        """The first label applies in the opposite quadrants of a plane, which no linear head separates."""
        angles = rng.random(n) * 2 * np.pi
        x = np.zeros((n, 16), np.float32)
        x[:, 0], x[:, 1] = np.cos(angles), np.sin(angles)
        mask = np.zeros((n, 4), np.int8)
        mask[:, 0] = np.sin(2 * angles) > 0
        mask[:, 1] = rng.random(n) < 0.3
        return x, mask

    (x, mask), (new, truth) = ring(300), ring(500)
    fitted = fit(x, mask, PRIOR, seed=0)
    applies = truth[:, 0] == 1

    def gap(proba: Floats) -> float:
        return float(proba[applies, 0].mean() - proba[~applies, 0].mean())

    assert gap(fitted.head.proba(new)) < 0.1
    assert gap(fitted.proba(new)) > 0.2
    right = ((fitted.proba(new) >= fitted.thresholds)[:, 0] == applies).mean()
    assert right > 0.9
