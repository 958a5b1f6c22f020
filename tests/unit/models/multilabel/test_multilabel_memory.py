"""The memory of a multilabel model on vectors in a plane."""

import numpy as np
import pytest

from laud_ray.models.multilabel import memory
from laud_ray.models.multilabel.memory import SAY, SetMemory


def at(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def test_near_texts_pull_the_probabilities_towards_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "NEIGHBOURS", 2)
    known = SetMemory(at(0, 10, 180, 190), np.array([[0.9, 0.8], [0.9, 0.8], [0.1, 0.0], [0.1, 0.0]], np.float32))
    proba = np.array([[0.5, 0.5], [0.5, 0.5]], np.float32)
    expected = (1 - SAY) * proba + SAY * np.array([[0.9, 0.8], [0.1, 0.0]])
    assert known.mix(at(5, 185), proba) == pytest.approx(expected, abs=1e-6)
    assert known.mix(at(95), proba[:1])[0] == pytest.approx([0.5, 0.5], abs=0.06)  # nothing is near


def test_a_text_of_the_memory_is_not_its_own_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "NEIGHBOURS", 1)
    known = SetMemory(at(0, 1, 3), np.array([[1.0], [0.0], [0.0]], np.float32))
    assert known.own[:, 0] == pytest.approx([1 - SAY, SAY, 0.0], abs=1e-6)
    assert SetMemory(at(0), np.array([[0.3]], np.float32)).own == pytest.approx(np.array([[0.3]]))
