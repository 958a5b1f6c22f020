"""Drift: silent when what is served is like the evaluation sample, loud when it is not."""

import numpy as np
import pytest

from laud_ray.stats.drift import Baseline
from laud_ray.types import Floats
from serve.drift import LEAST, THRESHOLD, Drift, baseline


def answers(n: int, shares: list[float], sharpness: float, seed: int) -> Floats:
    """(n, k) probabilities whose likeliest labels follow the shares."""
    rng = np.random.default_rng(seed)
    k = len(shares)
    best = rng.choice(k, n, p=shares)
    confidence = rng.beta(sharpness, 2, n) * (1 - 1 / k) + 1 / k
    proba = np.full((n, k), 0.0)
    proba += ((1 - confidence) / (k - 1))[:, None]
    proba[np.arange(n), best] = confidence
    return proba


def of(proba: Floats, weights: Floats) -> Baseline | None:
    return baseline(proba.argmax(1), proba.max(1), weights, k=proba.shape[1])


def served(proba: Floats, sample: Floats) -> tuple[float, float] | None:
    expected = of(sample, np.ones(len(sample)))
    assert expected is not None
    drift = Drift(expected)
    drift.add(proba.argmax(1).tolist(), proba.max(1).tolist())
    return drift.indices()


SHARES = [0.4, 0.3, 0.2, 0.04, 0.03, 0.03]


def test_the_same_kind_of_texts_is_no_drift() -> None:
    found = [served(answers(1000, SHARES, 5, seed), answers(300, SHARES, 5, 100 + seed)) for seed in range(20)]
    both = np.asarray(found)
    assert (both < THRESHOLD).all()
    assert (both.mean(0) < 0.03).all()


def test_other_labels_and_other_confidences_are_told_apart() -> None:
    sample = answers(300, SHARES, 5, 1)
    labels, confidences = served(answers(1000, SHARES[::-1], 5, 2), sample) or (0, 0)
    assert labels > 5 * THRESHOLD
    assert confidences < THRESHOLD
    labels, confidences = served(answers(1000, SHARES, 1.2, 3), sample) or (0, 0)
    assert labels < THRESHOLD
    assert confidences > THRESHOLD


def test_a_stratified_sample_counts_by_its_weights() -> None:
    sample = np.eye(2)[[0] * 100 + [1] * 100] * 0.8 + 0.1
    expected = of(sample, np.asarray([9.0] * 100 + [1.0] * 100))
    assert expected is not None
    assert expected.labels.tolist() == pytest.approx([0.9, 0.1, 0.0])


def test_little_says_nothing() -> None:
    assert of(answers(20, SHARES, 5, 0), np.ones(20)) is None
    assert served(answers(LEAST - 1, SHARES, 5, 0), answers(300, SHARES, 5, 1)) is None
