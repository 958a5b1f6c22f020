"""The cosine head of an encoder: rows that classes own, in any order and number."""

import numpy as np
import pytest

from laud_ray.models.encoder.head import Head
from laud_ray.stats.calibration import BLOCK
from laud_ray.types import Floats


def unit(n: int, seed: int) -> Floats:
    x = np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def expected(vectors: Floats, head: Floats, owners: np.ndarray, k: int) -> Floats:
    powers = np.exp(9.0 * vectors.astype(np.float64) @ head.T)
    sums = np.stack([powers[:, owners == c].sum(axis=1) for c in range(k)], axis=1)
    return sums / sums.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "owners",
    [
        [0, 1, 2, 3],
        [0, 1, 2, 3, 3, 0, 3],  # the names of the classes, then texts
        [0, 1, 1, 2, 3],  # several rows for a class, as `other` of a binary task has
        [3, 2, 1, 0],
    ],
)
def test_a_class_has_the_sum_of_its_rows(owners: list[int]) -> None:
    vectors, rows, owned = unit(30, 0), unit(len(owners), 1), np.asarray(owners)
    found = Head(rows, owned, 9.0, 4).proba(vectors)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(vectors, rows, owned, 4), rtol=1e-5)


def test_many_classes_are_the_same_in_blocks() -> None:
    k = BLOCK // 3  # three texts in a block
    owners = np.concatenate([np.arange(k), np.array([7, 7, k - 1])])
    vectors, rows = unit(8, 2), unit(k + 3, 3)
    found = Head(rows, owners, 9.0, k).proba(vectors)
    powers = np.exp(9.0 * vectors.astype(np.float64) @ rows.T)
    sums = powers[:, :k].copy()
    np.add.at(sums.T, owners[k:], powers[:, k:].T)
    np.testing.assert_allclose(found, sums / sums.sum(axis=1, keepdims=True), rtol=2e-5)
    assert Head(rows, owners, 9.0, k).proba(vectors[:0]).shape == (0, k)
