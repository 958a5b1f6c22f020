"""Scores of a range become a batch of the tests."""

import numpy as np
import pyarrow as pa

from laud_ray.update.notice import _batch

TABLE = pa.table(
    {
        "id": ["a", "b", "c", "d"],
        "label": pa.array(["Tea", None, "Coffee", "Tea"]).dictionary_encode(),
        "confidence": pa.array([0.5, None, 0.75, 1.0], pa.float32()),
        "novelty": pa.array([0.1, 0.9, 0.4, None], pa.float32()),
    }
)


def test_documents_without_a_label_are_left_out() -> None:
    found = _batch(TABLE, ("Coffee", "Tea"), threshold=0.3)
    np.testing.assert_array_equal(found.best, [1, 0, 1])
    np.testing.assert_allclose(found.confidence, [0.5, 0.75, 1.0])
    assert found.novel is not None
    np.testing.assert_array_equal(found.novel, [False, True, False])


def test_without_a_threshold_novelty_is_not_measured() -> None:
    assert _batch(TABLE, ("Coffee", "Tea")).novel is None
