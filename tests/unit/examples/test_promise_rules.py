"""The benchmark of promises: its masses are sums up the tree, and its rules are measured as they say."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from laud_ray.stats.calibration import softmax
from laud_ray.stats.hierarchy import climb

LEAVES = [("food", "bread"), ("food", "tea", "black"), ("food", "tea", "green"), ("tools",)]


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    import promise

    return promise


def test_masses_are_sums_up_the_tree(rules: ModuleType) -> None:
    taxonomy = rules.tree(LEAVES)
    similar = np.array([[0.1, 0.2, 0.5, 0.3], [0.6, 0.2, 0.1, 0.3], [0.1, 0.2, 0.1, 0.9]])
    masses, losses = rules.massed(similar, np.array([2, 1, 3]), taxonomy)
    for temperature, mass, loss in zip(rules.TEMPERATURES, masses, losses, strict=True):
        p = softmax(similar / temperature)
        path = [
            [p[0, 2], p[0, 1:3].sum(), p[0, :3].sum()],
            [p[1, 0], p[1, :3].sum(), np.nan],
            [p[2, 3], np.nan, np.nan],
        ]
        assert mass == pytest.approx(np.array(path), nan_ok=True)
        assert loss == pytest.approx(-np.log([p[0, 2], p[1, 1], p[2, 3]]), abs=1e-3)


def test_a_flat_threshold_never_backs_off_and_a_common_one_is_the_same_at_each_step(rules: ModuleType) -> None:
    rng = np.random.default_rng(0)
    masses = np.sort(rng.random((200, 3)), axis=1)
    right = rng.random(200)[:, None] < masses
    for thresholds in rules.flat(masses, right, 600).thresholds:
        assert set(climb(masses, thresholds)) <= {0, 3}
    for thresholds in rules.common(masses, right, 600).thresholds:
        assert len(set(thresholds)) == 1


def test_a_row_counts_the_splits_in_which_the_promise_holds(rules: ModuleType) -> None:
    masses, right = np.full((1, 900, 2), 0.9), np.ones((900, 2), np.bool_)
    found = rules.Predictions(masses, np.zeros((1, 900)), right)
    row = rules.measure(found, 600, 3, 0.9, "promise")
    assert row.startswith("| 90% | 600 | promise | 100.0% | 100.0% | 100.0% | 100.0% | 100.0% |")
    assert "90 % right, promised at 95 %; 100 % of documents to the leaf" in row
