"""Figures of a probe: intervals cover planted effects; a changed model is found, and an unchanged one is not."""

import itertools
from collections import Counter

import numpy as np
import pytest

from laud_ray.labels import UNSURE
from laud_ray.quality.probe import Probed, change, flips, rate

ORDERS = 3


def planted(rng: np.random.Generator, n: int, *, again: float, wording: float, order: float) -> dict[str, Probed]:
    """Answers that flip with these probabilities, some documents far more often than others."""

    def often(share: float) -> np.ndarray:
        return rng.beta(share, 1 - share, n) if share else np.zeros(n)

    each = zip(often(again), often(wording), often(order), strict=True)
    return {f"d{i}": _document(rng, *one) for i, one in enumerate(each)}


def _document(rng: np.random.Generator, again: float, wording: float, order: float) -> Probed:
    plain = ["a", *("b" if rng.random() < wording else "a" for _ in range(2))]
    other = {"a": "b", "b": "a"}
    turned = [other[one] if rng.random() < order else one for one in plain]
    return Probed("a", "b" if rng.random() < again else "a", tuple(plain[1:]), tuple(zip(plain, turned, strict=True)))


@pytest.mark.parametrize("n", [50, 100])
@pytest.mark.parametrize(("again", "wording", "order"), [(0.05, 0.1, 0.3), (0.1, 0.3, 0.05)])
def test_the_intervals_cover_planted_rates(n: int, again: float, wording: float, order: float) -> None:
    rng = np.random.default_rng(0)
    covered: Counter[str] = Counter()
    for _ in range(150):
        found = flips(planted(rng, n, again=again, wording=wording, order=order), {})
        for name, truth in (("again", again), ("wording", wording), ("order", order)):
            one = getattr(found, name)
            covered[name] += one.low <= truth <= one.high
    assert all(count / 150 >= 0.89 for count in covered.values()), covered


def test_what_a_probe_counts() -> None:
    documents = {
        "same": Probed("a", "a", ("a", "a"), (("a", "a"), ("a", "a"), ("a", "a"))),
        "other wording": Probed("a", "a", ("a", "b"), (("a", "a"), ("a", "a"), ("b", "b"))),
        "other order": Probed("a", "a", ("a", "a"), (("a", "b"), ("a", "a"), ("a", "a"))),
        "by chance": Probed("a", None, ("a", "a"), (("a", "a"), ("a", "a"), ("a", "a"))),
        "unsure": Probed(UNSURE, UNSURE, ("a", "a"), ((UNSURE, "a"), ("a", "a"), ("a", "a"))),
    }
    right = {"same": "a", "other wording": "b", "other order": "a", "unsure": "a"}
    found = flips(documents, right)
    assert (found.n, found.answers, found.unread) == (5, 35, 1)
    assert found.again.value == pytest.approx(1 / 5)
    assert found.wording.value == pytest.approx((1 / 2 + 1) / 5)
    assert found.order.value == pytest.approx((1 / 3 + 1 / 3) / 5)
    assert found.unstable.value == pytest.approx(3 / 5)
    unstable, stable = found.errors
    assert (unstable.n, unstable.wrong, stable.n, stable.wrong) == (2, 1, 1, 0)
    assert stable.share is not None
    assert (stable.share.value, stable.share.low) == (0.0, 0.0)
    assert flips(documents, {}).errors[0].share is None


def test_a_rate_of_nothing_still_has_an_upper_limit() -> None:
    none, all_of_them = rate([[False]] * 50), rate([[True, True]] * 50)
    assert (none.value, none.low, none.n) == (0.0, 0.0, 50)
    assert none.high == pytest.approx(0.0713, abs=1e-4)  # Wilson's for 0 of 50
    assert (all_of_them.low, all_of_them.high) == (pytest.approx(1 - 0.0713, abs=1e-4), 1.0)
    # Documents whose answers all flip together count once, however many comparisons each has.
    together = rate([[True] * 3] * 10 + [[False] * 3] * 40)
    apart = rate([[True]] * 10 + [[False]] * 40)
    assert together.low == pytest.approx(apart.low, abs=0.005)


# A change of the model


def answer(rng: np.random.Generator, usual: str, noise: float) -> str:
    return str(rng.choice(list("xyz"))) if rng.random() < noise else usual


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("times", [1, 2])
def test_an_unchanged_model_is_seldom_taken_for_a_changed_one(noise: float, times: int) -> None:
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(150):
        usual = [str(rng.choice(list("abc"))) for _ in range(50)]
        before = [tuple(answer(rng, one, noise) for _ in range(times)) for one in usual]
        after = [(answer(rng, one, noise), answer(rng, one, noise)) for one in usual]
        alarms += change(before, after).found
    assert alarms / 150 <= 0.05
    assert noise or alarms == 0


@pytest.mark.parametrize(("noise", "share", "least"), [(0.0, 0.1, 0.85), (0.0, 0.2, 0.99), (0.1, 0.2, 0.9)])
def test_a_changed_model_is_found(noise: float, share: float, least: float) -> None:
    """Another model that answers otherwise about a tenth or a fifth of 50 documents."""
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(150):
        old = [str(rng.choice(list("abc"))) for _ in range(50)]
        new = ["d" if rng.random() < share else one for one in old]
        before = [(answer(rng, one, noise), answer(rng, one, noise)) for one in old]
        after = [(answer(rng, one, noise), answer(rng, one, noise)) for one in new]
        found += change(before, after).found
    assert found / 150 >= least


def test_the_exact_p_value() -> None:
    same = [("a", "a")] * 40
    found = change([*same, *[("a", "a")] * 3], [*same, *[("b", "b")] * 3])
    assert (found.n, found.telling, found.split, found.p) == (43, 3, 3, pytest.approx(1 / 27))
    assert (found.changed.value, found.before, found.after) == (pytest.approx(3 / 43), 0.0, 0.0)
    # Two of three documents differ within the times as much as between them.
    noisy = change([("a", "b"), ("a", "b"), ("a", "a")], [("a", "b"), ("b", "a"), ("b", "b")])
    assert (noisy.telling, noisy.split) == (3, 1)
    assert noisy.p == pytest.approx(1 - (2 / 3) ** 3)
    assert change(same, same).p == 1.0


@pytest.mark.parametrize("times", [1, 2])
def test_each_division_of_exchangeable_answers_is_as_likely(times: int) -> None:
    """Over all orders of any answers, those that tell are split between the times in exactly a third."""
    for labels in itertools.product("abcd", repeat=times + 2):
        orders = list(itertools.permutations(labels))
        found = change([one[:times] for one in orders], [(one[times], one[times + 1]) for one in orders])
        assert found.telling in (0, len(orders))
        assert found.split * 3 == found.telling
