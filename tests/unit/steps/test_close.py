"""A round's model is accepted if it is not worse than zero-shot, by the figure that its kind of task is compared by."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from laud_ray.stats.hierarchy import leaf_figures
from laud_ray.steps import close
from laud_ray.taxonomy import read_lines
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Estimate, Figures
from tests.unit.stats.hierarchy.trees import sampled

TREE = read_lines("Food\nFood > Tea\nFood > Milk\nTools\nTools > Saws\nTools > Files", "t.txt")
FOOD, TEA, MILK, SAWS, FILES = 0, 1, 2, 4, 5


def flat(accuracy: float, n: int = 20) -> Figures:
    figure = Estimate(accuracy, accuracy - 0.1, accuracy + 0.1, n)
    return Figures(n, figure, figure, 0.1, ())


def tree(predicted: Sequence[int], true: Sequence[int] = (SAWS, SAWS, TEA, TEA)) -> Figures:
    return leaf_figures(sampled(np.array(true), np.array(predicted)), task_of("goods", TREE), seed=0)


ZERO_SHOT = tree([TEA, SAWS, SAWS, TEA])  # two leaves right, and nothing of the others
FEWER_LEAVES = tree([FILES, SAWS, MILK, MILK])  # one leaf right, all in the right branch
WORSE = tree([TEA, SAWS, SAWS, FILES])


def accepted(first: Figures, now: Figures, monkeypatch: pytest.MonkeyPatch, *, again: Figures | None = None) -> bool:
    store = SimpleNamespace(history=lambda: [SimpleNamespace(figures=first)], sample=lambda kind: [])
    run = SimpleNamespace(scores=lambda round: SimpleNamespace(names=lambda: {"p"}), model_name=str)
    work: Any = SimpleNamespace(
        run=run,
        store=store,
        corpus=SimpleNamespace(ranges=[SimpleNamespace(name="p")], pool_size=9),
        task=SimpleNamespace(names=(), kind="taxonomy"),
        config=SimpleNamespace(budget=SimpleNamespace(annotations=9)),
    )
    store.queries = list
    monkeypatch.setattr(close, "evaluate_round", lambda run, round: now if round else again)
    monkeypatch.setattr(close, "agreement", lambda *_, **__: (None, None))
    monkeypatch.setattr(close, "first_round", lambda store: 0)
    monkeypatch.setattr(close, "spent", lambda work: 5)
    monkeypatch.setattr(close, "feedback_labels", lambda *_: [])
    monkeypatch.setattr(close, "has_learned", lambda *_: True)
    return close._result(work, 1).accepted


def test_flat_tasks_are_compared_by_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert accepted(flat(0.6), flat(0.6), monkeypatch)
    assert not accepted(flat(0.6), flat(0.59), monkeypatch)


def test_taxonomies_are_compared_by_hierarchical_f1(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FEWER_LEAVES.accuracy.value < ZERO_SHOT.accuracy.value
    assert (FEWER_LEAVES.compared.value, ZERO_SHOT.compared.value) == (pytest.approx(5 / 8), pytest.approx(4 / 8))
    assert accepted(ZERO_SHOT, FEWER_LEAVES, monkeypatch)
    assert not accepted(ZERO_SHOT, WORSE, monkeypatch)


def test_zero_shot_is_measured_again_on_other_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    assert accepted(flat(0.6), flat(0.5, n=30), monkeypatch, again=flat(0.4, n=30))
    # An answer at an inner node is in the figures of the tree alone.
    inner = tree([FILES, SAWS, MILK, MILK, TEA], [SAWS, SAWS, TEA, TEA, FOOD])
    assert inner.n == ZERO_SHOT.n
    assert not accepted(ZERO_SHOT, inner, monkeypatch, again=tree([SAWS, SAWS, TEA, TEA]))
