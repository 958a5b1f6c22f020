"""Query strategies on hand-made probabilities and pools."""

import pickle
from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

from laud_ray import query
from laud_ray.errors import PoolExhaustedError
from laud_ray.query import STRATEGIES, Entropy, HighConfidence, LeastConfidence, Margin, Mix, Random, RareClass, build
from laud_ray.types import Candidates, Floats, QueryStrategy, Space

PROBA = np.array([[0.7, 0.2, 0.1], [0.45, 0.5, 0.05], [0.4, 0.3, 0.3], [0.0, 0.0, 1.0]], np.float32)
SHARES = {"margin": 0.5, "rare_class": 0.3, "random": 0.2}
ABSENT = -np.inf  # not on that shortlist
EVERY = [build(name, counts=[0, 3, 1], mix=SHARES if name == "mix" else None) for name in sorted(STRATEGIES)]


def pool_of(utility: npt.ArrayLike) -> Candidates:
    """Return a pool with the given (m, c) utilities."""
    array = np.asarray(utility, np.float32)
    names = [f"d{row}" for row in range(len(array))]
    return Candidates(names, [f"text of {name}" for name in names], array)


def in_space(pool: Candidates, seed: int = 0) -> Candidates:
    """The same pool where its candidates lie: some places and one abstention among the five known documents."""
    rng, m = np.random.default_rng(seed), len(pool)
    vectors = rng.standard_normal((m + 5, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    proba, labels = random_proba(m + 5, seed=seed), np.array([0, -1, 2, 1, 1])
    return replace(pool, space=Space(vectors[5:], proba[5:], vectors[:5], proba[:5], labels, np.stack([proba[5:]] * 2)))


def random_proba(n: int, k: int = 3, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).dirichlet(np.ones(k), n).astype(np.float32)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (Random(), [0, 0, 0, 0]),
        (LeastConfidence(), [-0.7, -0.5, -0.4, -1]),
        (Margin(), [-0.5, -0.05, -0.1, -1]),
        (HighConfidence(), [0.7, 0.5, 0.4, 1]),
        (RareClass((0, 3, 1)), [0.7 + 0.05 + 0.05, 0.45 + 0.125 + 0.025, 0.4 + 0.075 + 0.15, 0.5]),
    ],
)
def test_utility_by_hand(strategy: QueryStrategy, expected: list[float]) -> None:
    utility = strategy.utility(PROBA)
    assert utility.dtype == np.float32
    assert utility == pytest.approx(np.array(expected)[:, None])


def test_entropy_agrees_with_scipy() -> None:
    assert Entropy().utility(PROBA)[:, 0] == pytest.approx(entropy(PROBA, axis=1), abs=1e-6)
    assert Entropy().utility(np.full((1, 8), 1 / 8)) == pytest.approx(np.log([[8]]))


@pytest.mark.parametrize("strategy", [Margin(), Entropy()])
def test_utility_is_the_same_in_blocks(strategy: QueryStrategy) -> None:
    proba = random_proba(9000)
    whole, parts = (
        strategy.utility(proba),
        [strategy.utility(proba[rows : rows + 7]) for rows in (0, 4093, 8993)],
    )
    assert np.vstack(parts) == pytest.approx(whole[[*range(7), *range(4093, 4100), *range(8993, 9000)]])


@pytest.mark.parametrize("strategy", EVERY, ids=sorted(STRATEGIES))
def test_utility_leaves_its_input_alone(strategy: QueryStrategy) -> None:
    proba = PROBA.copy()
    strategy.utility(proba)
    assert (proba == PROBA).all()


@pytest.mark.parametrize("strategy", EVERY, ids=sorted(STRATEGIES))
@settings(max_examples=30, deadline=None)
@given(m=st.integers(1, 40), share=st.floats(0, 1), seed=st.integers(0, 1000))
def test_pick_gives_distinct_rows_and_depends_on_the_seed_alone(
    strategy: QueryStrategy, m: int, share: float, seed: int
) -> None:
    pool = in_space(pool_of(strategy.utility(random_proba(m, seed=seed).round(1))), seed)
    n = round(m * share)
    rows, again = (strategy.pick(pool, n, rng=np.random.default_rng(seed)) for _ in range(2))
    assert rows.dtype == np.int64
    assert len(set(rows.tolist())) == len(rows) == n
    assert set(rows.tolist()) <= set(range(m))
    assert (rows == again).all()


@pytest.mark.parametrize("strategy", EVERY, ids=sorted(STRATEGIES))
def test_pick_refuses_more_than_the_pool_holds(strategy: QueryStrategy) -> None:
    pool = in_space(pool_of(strategy.utility(PROBA)))
    with pytest.raises(PoolExhaustedError, match="asked for 5 documents, the pool holds 4"):
        strategy.pick(pool, 5, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="asked for -1 documents; expected at least 0"):
        strategy.pick(pool, -1, rng=np.random.default_rng(0))


@pytest.mark.parametrize("strategy", EVERY, ids=sorted(STRATEGIES))
def test_strategies_can_be_sent_to_workers(strategy: QueryStrategy) -> None:
    copy = pickle.loads(pickle.dumps(strategy))
    assert type(copy) is type(strategy)
    assert copy.utility(PROBA).tolist() == strategy.utility(PROBA).tolist()


def test_pick_gives_the_best_first() -> None:
    pool = pool_of([[0.1], [ABSENT], [0.9], [0.5]])
    assert Margin().pick(pool, 4, rng=np.random.default_rng(0)).tolist() == [2, 3, 0, 1]


def test_ties_are_broken_at_random() -> None:
    pool = pool_of([[0.0], [0.0], [0.0], [1.0]])
    firsts = Counter(tuple(Random().pick(pool, 2, rng=np.random.default_rng(seed)).tolist()) for seed in range(300))
    assert set(firsts) == {(3, 0), (3, 1), (3, 2)}
    assert min(firsts.values()) > 70


def test_a_single_strategy_needs_one_criterion() -> None:
    with pytest.raises(ValueError, match="the pool has 2 criteria; expected 1"):
        Margin().pick(pool_of(np.zeros((3, 2))), 1, rng=np.random.default_rng(0))


def test_margin_needs_two_classes() -> None:
    with pytest.raises(ValueError, match="proba has 1 classes; expected at least 2"):
        Margin().utility(np.ones((3, 1)))


def test_rare_class_needs_as_many_counts_as_classes() -> None:
    with pytest.raises(ValueError, match="proba has 3 classes; expected 2, as many as counts"):
        RareClass((1, 2)).utility(PROBA)
    with pytest.raises(ValueError, match="a class has -1 annotations; expected at least 0"):
        RareClass((1, -1))


def test_mix_has_a_column_for_each_part() -> None:
    mix = Mix(((0.5, Margin()), (0.5, HighConfidence())))
    expected = np.hstack([Margin().utility(PROBA), HighConfidence().utility(PROBA)])
    assert (mix.utility(PROBA) == expected).all()


def test_mix_gives_each_part_its_share() -> None:
    mix = Mix(((5, Margin()), (3, LeastConfidence()), (2, Entropy())))
    # 10 documents for each part alone: rows 0-9, 10-19, 20-29, the best of each first.
    utility = np.full((30, 3), ABSENT)
    for part in range(3):
        utility[10 * part : 10 * part + 10, part] = np.arange(10, 0, -1)
    rows = mix.pick(pool_of(utility), 10, rng=np.random.default_rng(0)).tolist()
    assert sorted(rows) == [0, 1, 2, 3, 4, 10, 11, 12, 20, 21]
    assert [row for row in rows if row < 10] == [0, 1, 2, 3, 4]
    assert [row // 10 for row in rows] == [0, 1, 2, 0, 0, 1, 0, 2, 1, 0]


@pytest.mark.parametrize(("n", "expected"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (4, [2, 1, 1]), (7, [4, 2, 1])])
def test_mix_gives_remaining_places_to_the_largest_remainders(n: int, expected: list[int]) -> None:
    utility = np.full((30, 3), ABSENT)
    for part in range(3):
        utility[10 * part : 10 * part + 10, part] = 0
    mix = Mix(((0.5, Margin()), (0.3, Random()), (0.2, Entropy())))
    rows = mix.pick(pool_of(utility), n, rng=np.random.default_rng(0))
    assert np.bincount(rows // 10, minlength=3).tolist() == expected


def test_mix_parts_do_not_repeat_each_other() -> None:
    mix = Mix(((0.5, Margin()), (0.5, Entropy())))
    utility = np.repeat(np.arange(6, 0, -1)[:, None], 2, axis=1)  # both parts want the same
    rows = mix.pick(pool_of(utility), 4, rng=np.random.default_rng(0)).tolist()
    assert rows == [0, 2, 1, 3]


def test_mix_passes_places_on_when_a_part_is_used_up() -> None:
    mix = Mix(((0.5, Margin()), (0.25, Random()), (0.25, Entropy())))
    utility = np.full((22, 3), ABSENT)
    utility[:2, 0] = utility[2:12, 1] = utility[12:, 2] = 0  # the first part has two candidates, the others ten
    rows = mix.pick(pool_of(utility), 12, rng=np.random.default_rng(0))
    assert np.bincount(np.digitize(rows, [2, 12])).tolist() == [2, 5, 5]


def test_mix_does_not_pick_what_is_on_no_shortlist() -> None:
    mix = Mix(((0.5, Margin()), (0.5, Random())))
    pool = pool_of([[0, ABSENT], [ABSENT, ABSENT], [ABSENT, 0]])
    assert sorted(mix.pick(pool, 2, rng=np.random.default_rng(0)).tolist()) == [0, 2]
    with pytest.raises(PoolExhaustedError, match="asked for 3 documents, the pool holds 2"):
        mix.pick(pool, 3, rng=np.random.default_rng(0))


def test_mix_refuses_bad_parts() -> None:
    with pytest.raises(ValueError, match="the mix has 0 parts"):
        Mix(())
    with pytest.raises(ValueError, match="the mix has 1 parts; expected at least 1 with a share above 0"):
        Mix(((0, Margin()),))
    nested = Mix(((1, Mix(((1, Margin()), (1, Random())))),))
    with pytest.raises(ValueError, match="Mix has 2 criteria; expected 1"):
        nested.utility(PROBA)
    with pytest.raises(ValueError, match="the pool has 1 criteria; expected 2"):
        Mix(((1, Margin()), (1, Random()))).pick(pool_of([[0]]), 1, rng=np.random.default_rng(0))


def test_build_makes_every_strategy() -> None:
    assert list(STRATEGIES) == sorted(STRATEGIES)
    assert [type(strategy) for strategy in EVERY] == list(STRATEGIES.values())
    assert build("rare_class", counts=[1, 2]) == RareClass((1, 2))
    assert build("mix", counts=[1, 2], mix={"rare_class": 0.4, "margin": 0.6}) == Mix(
        ((0.4, RareClass((1, 2))), (0.6, Margin()))
    )


def test_the_public_names_are_sorted_and_complete() -> None:
    assert sorted(query.__all__) == sorted(
        {
            "COMPOSED",
            "METHODS",
            "MULTILABEL",
            "OF_SETS",
            "SPREADABLE",
            "STRATEGIES",
            "build",
            "Answering",
            "Choice",
            "Diverse",
        }
        | {each.__name__ for each in STRATEGIES.values()}
    )
