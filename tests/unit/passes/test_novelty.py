"""The distance of documents from what is known."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from laud_ray.passes import novelty
from laud_ray.passes.novelty import Examining, Measuring, distances
from laud_ray.passes.scoring import score_texts
from laud_ray.types import Floats


def test_the_distance_is_that_to_the_nearest_known_vector() -> None:
    known = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]], np.float32)
    np.testing.assert_allclose(distances(vectors, known), [0.0, 0.2, 1.0], atol=1e-6)
    assert distances(vectors[:0], known).shape == (0,)


def test_blocks_do_not_change_the_distances() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(novelty.BLOCK + 7, 3)).astype(np.float32)
    whole = 1 - (vectors @ vectors[:5].T).max(axis=1)
    np.testing.assert_allclose(distances(vectors, vectors[:5]), whole, rtol=1e-5)


class Angles:
    """A scorer of numbers as angles, which cannot score "bad"."""

    labels = ("near", "far")

    def __init__(self) -> None:
        self.examined: list[str] = []

    def score(self, texts: Sequence[str]) -> Floats:
        return self.examine(texts)[1]

    def examine(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        if "bad" in texts:
            raise ValueError("this is not an angle")
        self.examined += texts
        angles = np.array([0.0 if text in self.labels else float(text) for text in texts], np.float32)
        vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return vectors, vectors**2


def test_texts_are_measured_by_the_vectors_that_they_are_scored_by() -> None:
    texts, scorer, known = ["0.1", "1.2", "bad", "0.4"], Angles(), np.array([[1.0, 0.0]], np.float32)
    proba, measuring = np.zeros((4, 2), np.float32), Measuring(4, known)

    def keep(start: int, found: Floats) -> None:
        proba[start : start + len(found)] = found

    both = Examining(scorer, keep, measuring)
    _, failures = score_texts(scorer, texts, both.add, both.score)
    assert list(failures) == [2]
    inverse = np.array(
        [1, -1, 0, 2, 3, 0]
    )  # a row without a text, one with a text that fails, and one that occurs twice
    found = measuring.table(pa.chunked_array([["a", "b", "c", "d", "e", "f"]]), inverse)
    assert found.schema == novelty.SCHEMA
    expected = [1 - np.cos(1.2), None, 1 - np.cos(0.1), None, 1 - np.cos(0.4), 1 - np.cos(0.1)]
    told = found.column("novelty").to_pylist()
    assert [one is None for one in told] == [one is None for one in expected]
    np.testing.assert_allclose([one for one in told if one is not None], [one for one in expected if one], atol=1e-6)
    np.testing.assert_allclose(proba[[0, 3], 0], np.cos([0.1, 0.4]) ** 2, atol=1e-6)


def test_a_text_that_is_scored_is_embedded_once() -> None:
    scorer = Angles()
    both = Examining(scorer, lambda start, found: None, Measuring(3, np.array([[1.0, 0.0]], np.float32)))
    score_texts(scorer, ["0.1", "0.2", "0.3"], both.add, both.score)
    assert scorer.examined == ["0.1", "0.2", "0.3"]
