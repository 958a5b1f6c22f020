"""The answers to annotated texts on vectors in a plane."""

from pathlib import Path

import numpy as np
import pytest

from laud_ray.models.multilabel import answers
from laud_ray.models.multilabel.answers import SAY, Answers, open_answers, save_answers


def at(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def mask(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.int8)


def test_the_nearest_answers_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "NEIGHBOURS", 2)
    known = Answers(at(0, 10, 180, 190), mask([1, 1], [1, 0], [0, 0], [0, 0]))
    proba = np.array([[0.5, 0.4], [0.5, 0.4]], np.float32)
    expected = (1 - SAY) * proba + SAY * np.array([[1, 0.5], [0, 0]])
    mixed = known.mix(at(5, 185), proba)
    assert mixed == pytest.approx(expected, abs=1e-6)
    assert mixed.dtype == np.float32
    assert known.mix(at(95), proba[:1])[0] == pytest.approx([0.5, 0.4], abs=0.03)  # none is near


def test_a_label_that_was_not_asked_about_keeps_its_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "NEIGHBOURS", 2)
    known = Answers(at(0, 10), mask([-1, 1], [-1, -1]))
    assert known.mix(at(5), np.array([[0.3, 0.2]], np.float32)) == pytest.approx(
        np.array([[0.3, (1 - SAY / 2) * 0.2 + SAY / 2]]), abs=1e-6
    )


def test_the_answer_to_a_text_itself_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "NEIGHBOURS", 1)
    known = Answers(at(0, 3), mask([1], [0]))
    proba = np.array([[0.5], [0.5]], np.float32)
    kept = (1 - SAY) * 0.5
    assert known.mix(at(0, 3), proba)[:, 0] == pytest.approx([kept + SAY, kept], abs=1e-6)
    assert known.mix(at(0, 3), proba, but_own=True)[:, 0] == pytest.approx([kept, kept + SAY], abs=1e-6)
    alone = Answers(at(0), mask([1]))
    assert alone.mix(at(0), proba[:1], but_own=True) == pytest.approx(proba[:1])


def test_only_so_many_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST", 3)
    vectors, given = at(0, 1, 2, 3, 4), mask([0], [1], [0], [1], [0])
    some = Answers.of(vectors, given)
    assert some is not None
    assert len(some.vectors) == 3
    for vector, answer in zip(some.vectors, some.mask, strict=True):
        assert (given[(vectors == vector).all(axis=1)] == answer).all()
    assert Answers.of(vectors[:0], given[:0]) is None


def test_answers_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert open_answers(tmp_path) is None
    save_answers(None, tmp_path)
    assert open_answers(tmp_path) is None
    save_answers(Answers(at(0, 10), mask([1, -1], [0, 1])), tmp_path)
    found = open_answers(tmp_path)
    assert found is not None
    assert (found.mask == mask([1, -1], [0, 1])).all()
    assert (found.vectors == at(0, 10)).all()
