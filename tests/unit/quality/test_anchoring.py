"""The effect of suggestions: reference values and coverage."""

import numpy as np
import pytest

from laud_ray.quality.anchoring import Reply, anchoring, difference


def test_newcombe_s_own_example() -> None:
    """Newcombe (1998), table II, row (a), method 10: 56/70 - 48/80 is 0.2 [0.0524, 0.3339]."""
    found = difference(56, 70, 48, 80)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_a_planted_effect_and_time_are_found() -> None:
    rng = np.random.default_rng(0)
    shown = [Reply(True, bool(rng.random() < 0.8), float(rng.lognormal(1.0, 0.5))) for _ in range(3000)]
    hidden = [Reply(False, bool(rng.random() < 0.7), float(rng.lognormal(1.4, 0.5))) for _ in range(3000)]
    found = anchoring([*shown, *hidden])
    assert found is not None
    assert found.saved is not None
    assert found.effect.low < 0.1 < found.effect.high
    assert found.saved.low < 1 - np.exp(-0.4) < found.saved.high
    assert found.saved.high - found.saved.low < 0.1


def test_without_a_group_there_is_no_effect_to_speak_of() -> None:
    assert anchoring([]) is None
    assert anchoring([Reply(True, True, 1.0)]) is None
    found = anchoring([Reply(True, True), Reply(False, False, 2.0)])
    assert found is not None
    assert found.saved is None
    assert (found.shown, found.hidden) == (1, 1)


@pytest.mark.parametrize("effect", [0.0, 0.05, 0.15])
def test_the_interval_covers_as_it_says(effect: float) -> None:
    """A share of hidden answers as in a run: a tenth of 600."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(500):
        found = difference(int(rng.binomial(540, 0.7 + effect)), 540, int(rng.binomial(60, 0.7)), 60)
        covered += found.low <= effect <= found.high
    assert 0.93 <= covered / 500 <= 0.98
