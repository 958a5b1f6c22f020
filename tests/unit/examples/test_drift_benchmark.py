"""The benchmark of drift: its worlds are as it says, and small runs of both commands give the figures' shape."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def drift(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    import drift

    return drift


def test_worlds_are_as_they_say(drift: ModuleType) -> None:
    rng = np.random.default_rng(0)
    quantiles = np.array([drift.NormalDist().inv_cdf(share) for share in drift.FAR])
    _, confidence, far = drift.draw_year(rng, drift.World("", 0.1, drift.PLAIN), 1000, quantiles)
    novel = far == 5
    calm, changed = slice(0, drift.CHANGE - 1), slice(drift.CHANGE - 1, None)
    assert confidence[calm].mean() == pytest.approx(0.849, abs=0.006)
    assert confidence[changed].mean() == pytest.approx(0.9 * 0.849 + 0.1 * 0.45, abs=0.004)
    assert novel[calm].mean() == pytest.approx(0.01, abs=0.004)
    assert novel[changed].mean() == pytest.approx(0.9 * 0.01 + 0.1 * 0.4, abs=0.004)
    assert (far[calm] >= 3).mean() == pytest.approx(0.05, abs=0.01)
    best, confidence, far = drift.draw_year(rng, drift.World("", edge=True), 1000, quantiles)
    assert (best == 3).mean() == pytest.approx(drift.SHARES[3] + 0.02, abs=0.005)
    assert confidence.mean() == pytest.approx(0.839, abs=0.003)
    assert [(far > level).mean() for level in range(5)] == pytest.approx(drift.Tolerance().far, abs=0.004)


def test_a_small_simulation(drift: ModuleType) -> None:
    lines = "\n".join(drift.simulate(2, 1000, 50_000))
    calm = lines.partition("nothing changes")[2].partition("\n\n")[0].splitlines()
    assert calm[1].split()[:2] == ["any", "test"]
    assert "0.0% of years" in calm[1]
    assert "100% within 3" in lines.partition("20% new, plain")[2].splitlines()[1]


def test_delays_count_from_the_change(drift: ModuleType) -> None:
    words = drift.told(np.array([3.0, 10, 12, np.inf]), changes=True)
    assert words == "false  25.0%   else  67% within 3,  67% within 7,  67% in the year; half after 3"
    assert drift.told(np.array([3.0, np.inf]), changes=False) == "a false alarm in  50.0% of years"


def test_a_sample_differs_as_it_says(drift: ModuleType) -> None:
    for strata in (False, True):
        drawn = drift.draw_samples(np.random.default_rng(0), 16_000, 0.03, 0.12, strata=strata)
        found = drift.compare(*drawn)
        assert found.value == pytest.approx(-0.03, abs=0.01)
        assert found.gain_rate + found.loss_rate == pytest.approx(0.12, abs=0.015)


def test_a_small_canary(drift: ModuleType) -> None:
    lines = list(drift.canary(2))
    assert len(lines) == 1 + 2 * 2 * 6
    assert "wrong" in lines[1]
