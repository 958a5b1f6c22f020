"""Bounds of an accuracy hold at every n at once, and are not much wider than exact ones for one n."""

import numpy as np
import pytest

from laud_ray.stats.betting import Bounds, accuracy_bounds
from laud_ray.stats.bounds import lower_bound


def test_bounds_hold_at_all_looks_at_once() -> None:
    wrong = 0
    for seed in range(200):
        right = np.random.default_rng(seed).random(150) < 0.8
        looks = [accuracy_bounds(right[:n]) for n in range(10, 151, 10)]
        wrong += any(one.low > 0.8 or one.high < 0.8 for one in looks)
    assert wrong <= 20  # 10 % for both bounds, at most


def test_they_cost_a_few_points_beside_the_exact_bound_for_one_n() -> None:
    for n, cost in ((50, 0.10), (300, 0.04), (1000, 0.02)):
        low = accuracy_bounds(np.arange(n) < 0.9 * n).low
        assert 0 < lower_bound(int(0.9 * n), n) - low < cost


def test_unequal_weights_count() -> None:
    wrong = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        heavy = np.repeat([True, False], [40, 80])
        right = rng.random(120) < np.where(heavy, 0.9, 0.5)
        found = accuracy_bounds(right, weights=np.where(heavy, 8.0, 1.0))
        wrong += found.low > (0.9 * 320 + 0.5 * 80) / 400
    assert wrong <= 10


def test_a_good_cheap_oracle_narrows_and_a_useless_one_costs_little() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(100) < 0.85
    alone = accuracy_bounds(right)
    good = right ^ (rng.random(100) < 0.03)
    narrowed = accuracy_bounds(right, cheap=good, everywhere=0.85 * 0.97 + 0.15 * 0.03)
    assert narrowed.high - narrowed.low < 0.75 * (alone.high - alone.low)
    useless = accuracy_bounds(right, cheap=rng.random(100) < 0.5, everywhere=0.5)
    assert useless.low > alone.low - 0.05


def test_cheap_answers_that_flatter_do_not_fool() -> None:
    wrong = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        right = rng.random(60) < 0.6
        cheap = right | (rng.random(60) < 0.9)
        wrong += accuracy_bounds(right, cheap=cheap, everywhere=0.96).low > 0.6
    assert wrong <= 10


def test_a_floor_is_reached_missed_or_open() -> None:
    right = np.arange(100) < 90
    assert accuracy_bounds(right).reaches(0.7) is True
    assert accuracy_bounds(right).reaches(0.99) is False
    assert accuracy_bounds(right).reaches(0.9) is None
    assert accuracy_bounds(right).against(0.7).endswith("the floor of 70.0 % is reached")
    assert accuracy_bounds(right).against(0.99).endswith("under the floor of 99.0 %")
    assert "90.0 % right" in accuracy_bounds(right).against(0.9)


def test_the_ends() -> None:
    nothing = accuracy_bounds(np.zeros(0, np.bool_))
    assert nothing == Bounds(None, 0, 1, 0, 0.05)
    assert nothing.against(0.5) == "no answers yet: it is open whether the floor of 50.0 % is reached"
    assert accuracy_bounds(np.ones(50, np.bool_)).high == 1
    assert accuracy_bounds(np.zeros(50, np.bool_)).low == 0
    one = accuracy_bounds(np.ones(1, np.bool_))
    assert one.low < 0.1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"weights": np.ones(2)}, r"have \[3, 2\] documents"),
        ({"weights": np.array([1, 0, 1.0])}, "a weight is not valid"),
        ({"cheap": np.ones(3, np.bool_)}, "belong together"),
        ({"cheap": np.ones(3, np.bool_), "everywhere": 1.5}, "everywhere = 1.5 is not valid"),
        ({"alpha": 0.0}, "alpha = 0.0 is not valid"),
    ],
)
def test_input_that_is_not_valid(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        accuracy_bounds(np.ones(3, np.bool_), **given)  # type: ignore[arg-type]
