"""The canary's decision: worse models rarely pass, better ones do, and few differences prove little."""

import numpy as np
import pytest
from scipy.stats import binom

from laud_ray.stats import Sample
from laud_ray.stats.promotion import ERROR, Difference, compare, decide
from laud_ray.types import Indices


def sample(right: Indices, strata: Indices | None = None, sizes: dict[int, int] | None = None) -> Sample:
    n = len(right)
    where = np.zeros(n, np.int64) if strata is None else strata
    return Sample(np.ones(n, np.int64), right, np.full(n, 0.9), where, sizes)


def difference(gains: int, losses: int, n: int, right: int = 0) -> Difference:
    current = np.repeat([0, 1, 1, 0], [gains, losses, right, n - gains - losses - right])
    candidate = np.repeat([1, 0, 1, 0], [gains, losses, right, n - gains - losses - right])
    return compare(sample(current), sample(candidate))


def drawn(rng: np.random.Generator, loss: float, gain: float, n: int = 300) -> Difference:
    strata = np.repeat([0, 1, 2], [n // 2, n // 4, n - n // 2 - n // 4])
    sizes = {0: 80_000, 1: 15_000, 2: 5_000}
    often = np.array([0.6, 2.0, 3.2])[strata] / (0.8 * 0.6 + 0.15 * 2 + 0.05 * 3.2)
    u = rng.random(n)
    lost, gained = u < loss * often, (u >= loss * often) & (u < (loss + gain) * often)
    stays = (rng.random(n) < 0.85).astype(np.int64)
    return compare(
        sample(np.where(lost, 1, np.where(gained, 0, stays)), strata, sizes),
        sample(np.where(lost, 0, np.where(gained, 1, stays)), strata, sizes),
    )


def test_figures_of_a_comparison() -> None:
    found = difference(gains=6, losses=2, n=100, right=80)
    assert (found.current, found.candidate) == (pytest.approx(0.82), pytest.approx(0.86))
    assert (found.gains, found.losses, found.n, found.value) == (6, 2, 100, pytest.approx(0.04))
    assert found.effective == pytest.approx(100)


def test_strata_count_by_their_sizes() -> None:
    strata, sizes = np.array([0, 0, 1, 1]), {0: 900, 1: 100}
    found = compare(sample(np.array([1, 1, 0, 0]), strata, sizes), sample(np.array([1, 0, 1, 1]), strata, sizes))
    assert (found.gain_rate, found.loss_rate) == (pytest.approx(0.1), pytest.approx(0.45))


def test_without_gains_the_p_value_is_that_of_a_binomial() -> None:
    for losses in (0, 1, 2, 5):
        assert difference(0, losses, 300).p_worse(0.02) == pytest.approx(binom.cdf(losses, 300, 0.02), rel=0.02)


def test_with_many_differences_it_is_that_of_the_normal_approximation() -> None:
    # 200 gains and 200 losses of 2,000: 0.02 / sqrt(0.2 / 2,000) = 2 standard errors.
    assert difference(200, 200, 2000).p_worse(0.02) == pytest.approx(0.0228, abs=0.003)


@pytest.mark.parametrize(("loss", "gain"), [(0.021, 0.0), (0.031, 0.01), (0.08, 0.059)])
def test_a_model_that_is_worse_by_more_than_the_margin_rarely_passes(loss: float, gain: float) -> None:
    passed = [drawn(np.random.default_rng(seed), loss, gain).p_worse(0.02) <= ERROR for seed in range(400)]
    assert np.mean(passed) < 0.085  # 5 %, and three standard errors


def test_a_better_model_mostly_passes() -> None:
    passed = [drawn(np.random.default_rng(seed), 0.005, 0.03).p_worse(0.02) <= ERROR for seed in range(100)]
    assert np.mean(passed) > 0.8


def test_decisions_in_words() -> None:
    same, better = difference(3, 2, 300, 250), difference(6, 1, 50, 30)
    yes = decide(same, better)
    assert yes.promote
    assert yes.words.startswith("promote: not worse by more than 2 points on the old documents: 84.3 % against 84.0 % ")
    assert yes.words.endswith("; better on the new ones: 72.0 % against 62.0 % (n = 50, 6 corrected, 1 lost)")
    worse = decide(difference(0, 20, 300, 250), better)
    assert not worse.promote
    assert worse.words.startswith("keep: it is not shown that it is not worse by more than 2 points")
    assert not decide(same, difference(1, 1, 50, 30)).promote
    unknown = decide(same, None)
    assert not unknown.promote
    assert unknown.words.endswith("no answers about new documents")


def test_little_evidence_keeps() -> None:
    assert not decide(difference(0, 0, 50, 40), difference(5, 0, 50)).promote
    assert difference(0, 0, 1).p_worse(0.02) == pytest.approx(0.98)
    assert difference(1, 0, 1).p_worse(0.5) <= 1


def test_input_that_is_not_valid() -> None:
    with pytest.raises(ValueError, match="margin: 0 is not valid"):
        decide(difference(0, 0, 10), None, 0)
    with pytest.raises(ValueError, match="expected the same documents"):
        compare(sample(np.ones(3, np.int64)), sample(np.ones(4, np.int64)))


# Two nodes at the top with two leaves each: 0 > (1, 2), 3 > (4, 5).
PARENTS = np.array([-1, 0, 0, -1, 3, 3])


def in_a_tree(true: Indices, before: Indices, after: Indices) -> Difference:
    def sampled(predicted: Indices) -> Sample:
        return Sample(true, predicted, np.full(len(true), 0.9), np.zeros(len(true), np.int64), None)

    return compare(sampled(before), sampled(after), PARENTS)


def test_in_a_taxonomy_a_sibling_is_half_right() -> None:
    true = np.array([1, 1, 1, 6])
    found = in_a_tree(true, np.array([4, 2, 1, 4]), np.array([2, 1, 2, 1]))
    assert (found.current, found.candidate) == (pytest.approx(0.375), pytest.approx(0.5))
    assert (found.gains, found.losses) == (2, 1)
    assert (found.gain_rate, found.loss_rate) == (pytest.approx(0.25), pytest.approx(0.125))
    assert "hierarchical F1 50.0 % against 37.5 % (n = 4, 2 better, 1 worse)" in decide(found, None).words


def test_a_worse_model_of_a_taxonomy_rarely_passes() -> None:
    rng, n, passed, margin = np.random.default_rng(3), 300, 0, 0.0625
    for _ in range(400):
        true = np.ones(n, np.int64)
        before = np.where(rng.random(n) < 0.8, 1, 2)
        # A tenth falls from right to the sibling, 2.5 % from right to the other side, and 5 % recover half.
        u = rng.random(n)
        after = np.where((before == 1) & (u < 0.125), 2, before)
        after = np.where((before == 1) & (u >= 0.125) & (u < 0.15625), 4, after)
        after = np.where((before == 2) & (u < 0.125), 1, after)
        found = in_a_tree(true, before, after)
        passed += found.p_worse(margin) <= ERROR
    # The mean loss is 0.8 * (0.125 / 2 + 0.03125) - 0.2 * 0.125 / 2 = 0.0625, just the margin.
    assert passed / 400 <= 0.05
