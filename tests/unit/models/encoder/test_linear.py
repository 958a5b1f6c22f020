"""The linear learner's word on annotations that did not teach it, and its head against labels that are wrong."""

import numpy as np

from laud_ray.models.encoder.linear import LinearLearner
from laud_ray.models.targets import Targets
from laud_ray.quality.noise import combine_answers, noise
from laud_ray.types import Floats, Indices

PRIOR = np.eye(3, 8, dtype=np.float32)


def clusters(n: int) -> tuple[Floats, Indices]:
    """n unit vectors of 8 dimensions around three directions, and which direction each is near."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    x = 6 * np.eye(3, 8)[labels] + rng.normal(size=(n, 8))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), labels.astype(np.int64)


def test_a_wrong_label_does_not_teach_its_own_judge() -> None:
    x, labels = clusters(60)
    wrong = labels.copy()
    wrong[[4, 17, 30]] = (wrong[[4, 17, 30]] + 1) % 3
    proba = LinearLearner().cross_validate(x, Targets.of_classes(wrong), PRIOR, seed=0)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert (proba.argmax(axis=1) == labels)[[4, 17, 30]].all()
    _, right = combine_answers(noise(proba, wrong), wrong[:, None].tolist())
    assert set(np.argsort(right)[:3].tolist()) == {4, 17, 30}
    np.testing.assert_array_equal(LinearLearner().cross_validate(x, Targets.of_classes(wrong), PRIOR, seed=0), proba)


def test_with_too_few_for_folds_zero_shot_judges() -> None:
    x, labels = clusters(5)
    proba = LinearLearner().cross_validate(x, Targets.of_classes(labels), 20 * PRIOR, seed=0)
    other = Targets.of_classes((labels + 1) % 3)
    np.testing.assert_array_equal(proba, LinearLearner().cross_validate(x, other, 20 * PRIOR, seed=0))
    assert (proba.argmax(axis=1) == x[:, :3].argmax(axis=1)).all()


def test_smoothing_keeps_a_head_from_learning_a_label_by_heart() -> None:
    x, labels = clusters(60)
    labels[4] = (labels[4] + 1) % 3
    targets = Targets.of_classes(labels)
    plain, smooth = (LinearLearner(smoothing=s).solve(x, targets, PRIOR, seed=0) for s in (0.0, 0.2))
    norm = [float(np.linalg.norm(head.weight - PRIOR)) for head in (plain, smooth)]
    assert norm[1] < norm[0]
    assert smooth.proba(x)[4, labels[4]] < 0.5


def test_an_inner_node_teaches_its_leaves_together() -> None:
    x, labels = clusters(60)
    starts, stops = labels.copy(), labels + 1
    inner = labels < 2  # class 0 or 1, which of them is not known
    starts[inner], stops[inner] = 0, 2
    proba = LinearLearner().solve(x, Targets(starts, stops), np.zeros_like(PRIOR), seed=0).proba(x)
    assert (proba[inner, :2].sum(axis=1) > 0.8).all()
    np.testing.assert_allclose(proba[inner, 0], proba[inner, 1], atol=0.01)
