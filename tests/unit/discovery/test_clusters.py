"""Groups of new documents where there were none before."""

import numpy as np
import pytest

from laud_ray.discovery.clusters import MOST, discoveries, new_groups, width_of
from laud_ray.types import Bools, Floats


def around(rng: np.random.Generator, centre: int, n: int, spread: float = 0.15) -> Floats:
    """Return n unit vectors near an axis."""
    found = rng.normal(scale=spread / 4, size=(n, 16)) + np.eye(16)[centre]
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def documents() -> tuple[Floats, Bools]:
    """Three kinds of documents: the first is old and new alike, the second and the third are new."""
    rng = np.random.default_rng(0)
    vectors = np.concatenate([around(rng, 0, 40), around(rng, 0, 40), around(rng, 1, 20), around(rng, 2, 8)])
    new = np.arange(len(vectors)) >= 40
    return vectors, new


def test_only_groups_that_new_documents_formed_are_found(documents: tuple[Floats, Bools]) -> None:
    vectors, new = documents
    found = new_groups(vectors, new, share=0.5, width=0.1)
    assert [sorted(one.members.tolist()) for one in found] == [list(range(80, 100)), list(range(100, 108))]
    assert [one.earlier for one in found] == [0, 0]


def test_the_most_central_document_is_the_first(documents: tuple[Floats, Bools]) -> None:
    vectors, new = documents
    first = new_groups(vectors, new, share=0.5, width=0.1)[0].members
    near = vectors[first] @ vectors[first].mean(0)
    assert near.tolist() == sorted(near.tolist(), reverse=True)


def test_the_order_of_documents_does_not_matter(documents: tuple[Floats, Bools]) -> None:
    vectors, new = documents
    turned = np.random.default_rng(1).permutation(len(vectors))
    found = new_groups(vectors[turned], new[turned], share=0.5, width=0.1)
    assert [sorted(turned[one.members].tolist()) for one in found] == [list(range(80, 100)), list(range(100, 108))]


def test_where_nothing_is_new_hardly_anything_is_found() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(40):
        vectors = np.concatenate([around(rng, kind, 30) for kind in range(8)])
        wrong += bool(new_groups(vectors, rng.random(len(vectors)) < 0.5, share=0.5, width=0.1))
    assert wrong <= 14, "a fifth of 40 times, and three standard errors"


def test_too_few_or_too_many_documents() -> None:
    few = around(np.random.default_rng(0), 0, 4)
    assert new_groups(few, np.ones(4, np.bool_), share=0.5, width=0.1) == []
    assert new_groups(few[:0], np.ones(0, np.bool_), share=0.5, width=0.1) == []
    with pytest.raises(ValueError, match="5,001 documents are too many"):
        new_groups(np.zeros((MOST + 1, 2), np.float32), np.ones(MOST + 1, np.bool_), share=0.5, width=0.1)


def test_discoveries_are_those_of_the_paper() -> None:
    # Benjamini and Hochberg 1995, section 4: 15 tests, of which the first four are found at 0.05.
    small = (0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344)
    chance = np.array([*small, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0])
    turned = np.random.default_rng(0).permutation(15)
    assert sorted(turned[discoveries(chance[turned], 0.05)].tolist()) == [0, 1, 2, 3]
    assert discoveries(np.array([0.9]), 0.05).tolist() == []
    assert discoveries(np.zeros(0), 0.05).tolist() == []


def test_the_width_is_the_mean_distance_within_labels() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8], [0, 1]], np.float32)
    # "a": distance 1; "b": distance 0.4; "c" has one document.
    assert width_of(vectors, ["a", "a", "b", "b", "c"]) == pytest.approx((1 + 0.4) / 2)
    assert width_of(vectors, ["a", "b", "c", "d", "e"]) is None
