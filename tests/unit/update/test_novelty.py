"""The centres of earlier documents."""

import numpy as np

from laud_ray.update.novelty import CENTRES, _centres, _without_itself


def test_centres_are_unit_vectors_near_the_documents() -> None:
    rng = np.random.default_rng(0)
    around = np.repeat(np.eye(3, 8), 40, axis=0) + rng.normal(scale=0.01, size=(120, 8))
    vectors = (around / np.linalg.norm(around, axis=1, keepdims=True)).astype(np.float32)
    found = _centres(vectors, seed=0)
    assert len(found) <= min(CENTRES, 30)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert float((vectors @ found.T).max(axis=1).min()) > 0.99
    np.testing.assert_array_equal(found, _centres(vectors, seed=0))


def test_few_documents_are_their_own_centres() -> None:
    vectors = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(_centres(vectors, seed=0), vectors)


def test_an_annotated_document_is_as_far_as_a_new_one_like_it() -> None:
    known = np.eye(3, 4, dtype=np.float32)
    vectors = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0]], np.float32)
    found = _without_itself(vectors, ["a", "b"], known, {"a": 0, "x": 1})
    np.testing.assert_allclose(found, [1, 0.2], atol=1e-6)
