"""The figures and the trees of benchmarks/taxonomy.py."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from laud_ray.taxonomy import read_table
from laud_ray.taxonomy.task import task_of

TREE = read_table({"path": ["Drinks > Tea > Green", "Drinks > Tea > Black", "Paint > Green", "Food"]}, "labels")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    import taxonomy

    return taxonomy


def test_a_larger_tree_has_copies_with_numbers(benchmark: ModuleType) -> None:
    found = benchmark.grown(TREE, 10)
    assert len(found.leaves) == 10
    assert found.find("Drinks 1 > Tea 1 > Black 1") is not None
    assert len(benchmark.grown(TREE, 2).leaves) == 2


def test_invented_names_are_different(benchmark: ModuleType) -> None:
    found = benchmark.invented(["tea", "milk"], 9)
    assert found[:2] == ["tea", "milk"]
    assert len(set(found)) == 9


def test_figures_of_hand_counted_answers(benchmark: ModuleType) -> None:
    gold = np.array([0, 1, 2, 3])
    tree = benchmark.Tree(TREE, task_of("shop", TREE), [], gold, list("abcd"), gold)
    proba = np.full((4, 4), 0.1, np.float32)
    proba[[0, 1, 2, 3], [0, 0, 2, 3]] = 0.7  # the second one errs at the leaf only
    found = tree.figures(proba)
    assert found["accuracy"] == 75
    shared, depths = TREE.depths[TREE.leaves].sum() - 1, TREE.depths[TREE.leaves].sum()
    assert found["hf1"] == pytest.approx(100 * shared / depths, abs=0.1)
    levels = found["levels"]
    assert isinstance(levels, list)
    assert levels[0] == 100
    assert found["recall"] == 100
