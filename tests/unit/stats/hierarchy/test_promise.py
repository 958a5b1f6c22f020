"""What is promised holds, in simulations; and what a promise states."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.stats.bounds import lower_bound
from laud_ray.stats.hierarchy import Chain, Promise, climb, fit_chain, promise, verify_chain
from laud_ray.types import Bools, Floats
from tests.unit.stats.hierarchy.climbed import DISTORTED, paths, shortened

SPLITS = 200
# Binomial(200, 0.05) is above this once in a thousand.
BROKEN = 20


def leaf_share(found: Promise, masses: Floats) -> float:
    return float((climb(masses, np.array(found.thresholds)) == 0).mean())


def flat(masses: Floats, right: Bools, wanted: float) -> Promise:
    """The promise of one threshold on the prediction's mass, which answers with it or not at all."""
    chain = fit_chain(masses[:250, :1], right[:250, :1], verified_on=len(masses) - 250)
    return verify_chain(replace(chain, errors=np.zeros(len(chain.errors))), masses[250:, :1], right[250:, :1], wanted)


def accuracy(found: Promise, masses: Floats, right: Bools) -> float | None:
    """The share of right answers among those given, None without any."""
    steps = climb(masses, np.array(found.thresholds))
    given = np.flatnonzero(steps < masses.shape[1])
    return float(right[given, steps[given]].mean()) if len(given) else None


@pytest.mark.parametrize(("kind", "uneven"), [*((kind, False) for kind in DISTORTED), ("by level", True)])
def test_a_promise_holds_whatever_the_masses_are_worth(kind: str, uneven: bool) -> None:
    rng = np.random.default_rng(0)

    def made(n: int) -> tuple[Floats, Bools]:
        found = paths(n, rng, kind)
        return shortened(*found, rng) if uneven else found

    fresh, truth, broken, kept, leaves, alone = *made(20_000), 0, 0, list[float](), list[float]()
    for seed in range(SPLITS):
        masses, right = made(1000)
        found = promise(masses, right, 0.9, seed=seed)
        measured = accuracy(found, fresh, truth)
        broken += measured is not None and measured < 0.9
        kept += found.verified
        leaves.append(leaf_share(found, fresh))
        alone.append(leaf_share(flat(masses, right, 0.9), fresh[:, :1]))
    assert broken <= BROKEN
    if kind != "noise":
        assert kept > 0.95 * SPLITS
        assert np.mean(leaves) > 1.1 * np.mean(alone)


def test_a_stratified_sample_promises_for_the_corpus() -> None:
    """Hard documents are a tenth of the corpus and half of the sample; without weights the promise would be too low."""
    rng = np.random.default_rng(1)

    def made(hard: Bools) -> tuple[Floats, Bools]:
        masses, right = paths(len(hard), rng)
        return masses, right & ~(hard & (rng.random(len(hard)) < 0.5))[:, None]

    fresh, truth = made(np.arange(20_000) < 2_000)
    hard = np.arange(1000) < 500
    broken, leaves, unweighted = 0, list[float](), list[float]()
    for seed in range(SPLITS):
        masses, right = made(hard)
        found = promise(masses, right, 0.8, weights=np.where(hard, 0.1, 0.9), seed=seed)
        measured = accuracy(found, fresh, truth)
        broken += measured is not None and measured < 0.8
        leaves.append(leaf_share(found, fresh))
        unweighted.append(leaf_share(promise(masses, right, 0.8, seed=seed), fresh))
    assert broken <= BROKEN
    assert np.mean(leaves) > np.mean(unweighted)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(DISTORTED), st.booleans())
def test_a_higher_promise_never_answers_deeper(seed: int, kind: str, uneven: bool) -> None:
    rng = np.random.default_rng(seed)
    masses, right = paths(300, rng, kind)
    if uneven:
        masses, right = shortened(masses, right, rng)
    fresh, before = paths(100, rng)[0], np.zeros(100, int)
    for wanted in (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99):
        found = promise(masses, right, wanted, seed=seed)
        steps = climb(fresh, np.array(found.thresholds))
        assert (steps >= before).all()
        assert found.low >= wanted or not found.verified
        before = steps


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_verified_documents_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masses, right = shortened(*paths(200, rng), rng)
    chain, order = Chain(np.array([[0.9] * 4, [0.7, 0.8, 0.9, 0.9], [0.2] * 4]), np.zeros(3), 10), rng.permutation(200)
    assert verify_chain(chain, masses, right, 0.8) == verify_chain(chain, masses[order], right[order], 0.8)


def test_a_promise_by_hand() -> None:
    """100 documents: 60 at the leaf (57 right), 30 back off to level 1 (30 right), 10 have no answer."""
    masses = np.repeat([[0.9, 0.95], [0.2, 0.9], [0.2, 0.3]], [60, 30, 10], axis=0)
    right = np.ones((100, 2), np.bool_)
    right[:3] = False
    found = verify_chain(Chain(np.array([[0.95, 0.9], [0.8, 0.8]]), np.array([0.0, 0.1]), 7), masses, right, 0.9)
    assert found.thresholds == (0.8, 0.8)
    assert found.low == lower_bound(87, 90)
    assert found.right is not None
    assert (found.right.value, found.right.n, found.n, found.fitted_on) == (87 / 90, 90, 100, 7)
    assert (found.leaf.share, [one.share for one in found.levels]) == (0.6, [0.3, 0])
    assert found.leaf.accuracy is not None
    assert found.leaf.accuracy.value == 57 / 60
    assert found.levels[1].accuracy is None
    assert found.unanswered == pytest.approx(0.1)
    assert str(found) == (
        "90 % right, promised at 95 %; 60 % of documents to the leaf, 30 % to level 1, 10 % not answered (n = 100)"
    )


def test_sure_answers_do_not_pay_for_guesses() -> None:
    """1,000 right answers would bear 50 guesses; their set is left out, since its error is above what is promised."""
    masses, right = np.repeat([0.9, 0.4], [1000, 50])[:, None], np.repeat([True, False], [1000, 50])[:, None]
    thresholds = np.array([[0.8], [0.3]])
    assert verify_chain(Chain(thresholds, np.array([0.05, 0.3]), 10), masses, right, 0.9).thresholds == (0.8,)
    assert verify_chain(Chain(thresholds, np.array([0.05, 0.1]), 10), masses, right, 0.9).thresholds == (0.3,)


def test_the_first_failure_ends_the_chain() -> None:
    """The second set fails, so that the third, which would pass, is not tried: its order was fixed beforehand."""
    masses = np.repeat([0.9, 0.6, 0.3], [100, 30, 500])[:, None]
    right = np.repeat([True, False, True], [100, 30, 500])[:, None]
    found = verify_chain(Chain(np.array([[0.8], [0.5], [0.2]]), np.zeros(3), 10), masses, right, 0.9)
    assert found.thresholds == (0.8,)
    assert found.leaf.share == 100 / 630


def test_levels_are_counted_from_the_top() -> None:
    masses = np.array([[0.1, 0.9, 0.95], [0.1, 0.9, np.nan], [0.9, np.nan, np.nan]] * 20)
    found = verify_chain(Chain(np.full((1, 3), 0.5), np.zeros(1), 10), masses, ~np.isnan(masses), 0.9)
    assert [one.share for one in found.levels] == pytest.approx([1 / 3, 1 / 3, 0])
    assert found.leaf.share == pytest.approx(1 / 3)


def test_what_cannot_be_promised_is_not_answered() -> None:
    masses, right = paths(400, np.random.default_rng(2))
    wrong = right & (np.arange(400) % 2 == 0)[:, None]
    found = promise(masses, wrong, 0.9, seed=0)
    assert not found.verified
    assert found.thresholds == (np.inf,) * 4
    assert (found.leaf.share, found.unanswered, found.right) == (0, 1, None)
    assert 0.2 < found.low < 0.9
    assert str(found) == (
        f"no thresholds are verified to be 90 % right at 95 %: the surest answers have a lower bound of "
        f"{100 * found.low:.3g} % (n = 300); no document is answered"
    )


def test_a_deep_level_that_is_a_guess_backs_off_to_one_that_is_right() -> None:
    masses, right = paths(1000, np.random.default_rng(3), "noise")
    right[:, :2], right[:, 2:] = (np.arange(1000) % 3 == 0)[:, None], True
    found = promise(masses, right, 0.9, seed=0)
    assert found.leaf.share < 0.02
    assert found.levels[1].share + found.levels[0].share > 0.7


def test_few_answers_prove_a_low_promise_only() -> None:
    masses, right = np.full((30, 2), 0.99), np.ones((30, 2), np.bool_)
    assert promise(masses, right, 0.85, seed=0).verified
    assert not promise(masses, right, 0.95, seed=0).verified  # 0.95 ** 22 is 0.32


def test_small_shares_keep_a_digit() -> None:
    masses = np.repeat([0.9, 0.1], [3995, 5])[:, None]
    found = verify_chain(Chain(np.array([[0.5]]), np.zeros(1), 10), masses, np.ones((4000, 1), np.bool_), 0.995)
    assert str(found) == (
        "99.5 % right, promised at 95 %; 100 % of documents to the leaf, 0.1 % not answered (n = 4000)"
    )


def test_bad_arguments_are_refused() -> None:
    masses, right = paths(20, np.random.default_rng(4))
    with pytest.raises(ValueError, match=r"accuracy is 1\.0; expected a share above 0 and below 1"):
        promise(masses, right, 1.0, seed=0)
    with pytest.raises(ValueError, match="got 19 weights for 20 documents"):
        promise(masses, right, 0.9, weights=np.ones(19), seed=0)
    with pytest.raises(ValueError, match=r"the least is 0\.0; expected as many, above 0"):
        promise(masses, right, 0.9, weights=np.arange(20.0), seed=0)
    with pytest.raises(ValueError, match="1 of 1 documents are left after weighting; expected at least 2"):
        promise(masses[:1], right[:1], 0.9, seed=0)
    with pytest.raises(ValueError, match=r"masses have the shape \(20, 4\), right \(20, 3\)"):
        promise(masses, right[:, :3], 0.9, seed=0)
