"""The accuracy of an oracle against the estimators of `laud_ray.stats`, and its coverage."""

import numpy as np
import pytest

from laud_ray.quality.oracles.accuracy import Accuracy, accuracy, powered
from laud_ray.stats import PoweredSample, Sample, estimate_accuracy, powered_figures
from laud_ray.types import Indices


def answers(rng: np.random.Generator, n: int, k: int, *shares: float) -> list[Indices]:
    """True labels, and those of voices that are right with these shares."""
    true = rng.integers(0, k, n)
    return [true, *(np.where(rng.random(n) < share, true, (true + rng.integers(1, k, n)) % k) for share in shares)]


def subsample(rng: np.random.Generator, true: Indices, m: int) -> Indices:
    trusted = np.full(len(true), -1)
    chosen = rng.permutation(len(true))[:m]
    trusted[chosen] = true[chosen]
    return trusted


def test_labels_with_a_trusted_one_alone_are_a_plain_sample() -> None:
    rng = np.random.default_rng(1)
    true, given = answers(rng, 200, 5, 0.8)
    given[::7] = -1
    strata, sizes = np.arange(200) % 2, {0: 5000, 1: 900}
    trusted = subsample(rng, true, 120)
    both = (given >= 0) & (trusted >= 0)
    sample = Sample(trusted[both], given[both], np.ones(both.sum()), strata[both], sizes)
    found = accuracy(given, trusted, strata, sizes)
    assert found == Accuracy(estimate_accuracy(sample), int(both.sum()), powered=False)
    # With a trusted answer for every label, predictions add nothing.
    assert accuracy(np.where(both, given, -1), trusted, strata, sizes, true) == found


def test_more_labels_than_trusted_ones_are_prediction_powered() -> None:
    """It is the accuracy of a model, with the oracle in the model's place and the model in the cheap oracle's."""
    rng = np.random.default_rng(2)
    true, given, predicted = answers(rng, 300, 4, 0.85, 0.9)
    trusted, strata, sizes = subsample(rng, true, 90), np.arange(300) % 3, {0: 800, 1: 9000, 2: 400}
    found = accuracy(given, trusted, strata, sizes, predicted)
    expected = powered_figures(
        PoweredSample(predicted, trusted, given, np.ones(300), strata, sizes), "abcd", seed=0, replicates=1
    )
    assert found is not None
    assert found.powered
    assert (found.estimate.value, found.estimate.low, found.estimate.high) == pytest.approx(
        (expected.accuracy.value, expected.accuracy.low, expected.accuracy.high)
    )
    assert (found.estimate.n, found.trusted) == (300, 90)


def test_all_right_is_all_right() -> None:
    rng = np.random.default_rng(3)
    true, predicted = answers(rng, 300, 4, 0.6)
    found = powered(true, subsample(rng, true, 60), predicted, np.zeros(300, np.int64), {0: 10_000})
    assert found.value == found.high == 1
    assert 0.9 < found.low < 1


def test_intervals_cover_and_are_narrower_than_without_predictions() -> None:
    rng, hit, narrower = np.random.default_rng(4), 0, []
    strata, sizes = np.zeros(300, np.int64), {0: 100_000}
    for _ in range(400):
        true, given, predicted = answers(rng, 300, 10, 0.85, 0.9)
        given[rng.random(300) < 0.1] = -1
        trusted = subsample(rng, true, 60)
        found, plain = (accuracy(given, trusted, strata, sizes, one) for one in (predicted, None))
        assert found is not None
        assert plain is not None
        hit += found.estimate.low <= 0.85 <= found.estimate.high
        narrower.append((found.estimate.high - found.estimate.low) / (plain.estimate.high - plain.estimate.low))
    assert hit / 400 >= 0.93
    assert np.mean(narrower) < 0.9


def test_no_label_of_both_is_no_accuracy() -> None:
    none, some = np.full(4, -1), np.array([0, 1, -1, -1])
    assert accuracy(none, some, np.zeros(4, np.int64), {0: 4}) is None
