"""The distance of documents from what is known."""

import numpy as np

from laud_ray.passes import novelty
from laud_ray.passes.novelty import distances


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
