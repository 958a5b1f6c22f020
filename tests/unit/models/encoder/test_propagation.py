"""A memory of unlabelled texts: near ones have their say, far ones none."""

import numpy as np
import pytest

from laud_ray.models.encoder import propagation
from laud_ray.models.encoder.propagation import BALANCE, NEAR, SAY, SHARPNESS, Memory
from laud_ray.types import Floats


def unit(*degrees: float) -> Floats:
    """Unit vectors of the plane at these angles."""
    return np.stack([[np.cos(np.radians(d)), np.sin(np.radians(d))] for d in degrees]).astype(np.float32)


def test_one_near_text_has_half_of_the_say() -> None:
    memory = Memory(unit(0), np.asarray([[0.9, 0.1]], np.float32))
    mixed = memory.mix(unit(10), np.asarray([[0.3, 0.7]], np.float32))
    assert mixed[0] == pytest.approx([0.5 * 0.3 + 0.5 * 0.9, 0.5 * 0.7 + 0.5 * 0.1], abs=1e-6)


def test_mixing_by_hand() -> None:
    angles, said = (50.0, 70.0), np.asarray([[0.9, 0.1], [0.2, 0.8]])
    own = np.asarray([0.5, 0.5])
    cosines = np.cos(np.radians(angles))
    weights = np.exp(SHARPNESS * (cosines - cosines[0]))
    # Both classes have an expected mass above 1 only for the first: 1.1 and 0.9.
    voted = weights @ (said / np.asarray([1.1**BALANCE, 1.0]))
    say = SAY * (cosines.mean() / NEAR) ** 4
    expected = (1 - say) * own + say * voted / voted.sum()
    mixed = Memory(unit(*angles), said.astype(np.float32)).mix(unit(0), own[None].astype(np.float32))
    assert say < SAY
    assert mixed[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("angle", [90, 150])
def test_far_texts_have_no_say(angle: float) -> None:
    memory = Memory(unit(angle), np.asarray([[1, 0]], np.float32))
    own = np.asarray([[0.2, 0.8]], np.float32)
    assert memory.mix(unit(0), own) == pytest.approx(own, abs=1e-6)


def test_only_the_three_nearest_are_heard() -> None:
    said = np.asarray([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    memory = Memory(unit(1, 2, 3, 20, 25), said)
    assert memory.mix(unit(0), np.asarray([[0, 1]], np.float32))[0, 0] == pytest.approx(SAY)


def test_a_common_class_counts_for_less_than_a_rare_one() -> None:
    said = np.asarray([[1, 0], [0, 1], *[[1, 0]] * 30], np.float32)
    memory = Memory(unit(-10, 10, *[120.0] * 30), said)
    mixed = memory.mix(unit(0), np.asarray([[0.5, 0.5]], np.float32))
    assert mixed[0, 1] > 0.5


def test_rows_sum_to_one_and_company_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5_000, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    proba = rng.dirichlet(np.ones(4), 5_000).astype(np.float32)
    memory = Memory(vectors[:50], proba[:50])
    mixed = memory.mix(vectors, proba)
    assert (mixed.dtype, mixed.shape) == (np.float32, proba.shape)
    assert np.allclose(mixed.sum(1), 1, atol=1e-5)
    assert np.allclose(memory.mix(vectors[4_500:], proba[4_500:]), mixed[4_500:], atol=1e-6)
    assert memory.mix(vectors[:0], proba[:0]).shape == (0, 4)


def test_of_many_classes_only_the_likeliest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    head = rng.normal(size=(8, 40)).astype(np.float32)
    rows = list[int]()

    def proba(some: Floats) -> Floats:
        rows.append(len(some))
        raw = np.exp(8 * some @ head)
        return np.asarray(raw / raw.sum(axis=1, keepdims=True), np.float32)

    whole = Memory.of(vectors, proba)
    assert whole.kept is None
    expected = whole.mix(vectors[:50], proba(vectors[:50]))
    monkeypatch.setattr(propagation, "ALL", 20)
    monkeypatch.setattr(propagation, "_MOST", 40 * 64)
    monkeypatch.setattr(propagation, "KEPT", 40)
    rows.clear()
    every = Memory.of(vectors, proba)
    assert max(rows) == 64, "the probabilities of 64 texts at once"
    assert every.mix(vectors[:50], proba(vectors[:50])) == pytest.approx(expected, abs=1e-6)
    monkeypatch.setattr(propagation, "KEPT", 8)
    few = Memory.of(vectors, proba)
    assert few.kept is not None
    assert few.kept.shape == few.proba.shape == (300, 8)
    found = few.mix(vectors[:50], proba(vectors[:50]))
    assert found.sum(axis=1) == pytest.approx(np.ones(50), abs=1e-5)
    assert np.abs(found - expected).max() < 0.02


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="got 2 vectors and 1 rows"):
        Memory(unit(0, 1), np.ones((1, 1), np.float32))
    with pytest.raises(ValueError, match="at least 1"):
        Memory(np.empty((0, 2), np.float32), np.empty((0, 2), np.float32))
