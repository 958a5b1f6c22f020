"""What is near a text: examples in order, with or without the text itself, and labels."""

import numpy as np
import pytest

from laud_ray.models.encoder.neighbours import Neighbours
from laud_ray.types import Example, Label

TEA, SOAP, BREAD = Example("green tea", "tea"), Example("hand soap", "soap"), Example("rye bread", "bread")
LABELS = (Label("tea"), Label("soap"), Label("everything else", rest=(Label("bread"), Label("beer"))))


@pytest.fixture(scope="module")
def neighbours() -> Neighbours:
    return Neighbours((TEA, SOAP, BREAD), LABELS)


def test_the_nearest_stands_last(neighbours: Neighbours) -> None:
    assert [row[-1] for row in neighbours.nearest(["black tea", "wheat bread"], 2)] == [TEA, BREAD]
    assert set(neighbours.nearest(["black tea"], 9)[0]) == {TEA, SOAP, BREAD}


def test_a_text_is_its_own_neighbour_only_where_it_may_be(neighbours: Neighbours) -> None:
    assert neighbours.nearest(["hand soap"], 1) == [(SOAP,)]
    (others,) = neighbours.nearest(["hand soap"], 2, itself=False)
    assert set(others) == {TEA, BREAD}


def test_embedded_texts_are_unit_vectors_by_meaning(neighbours: Neighbours) -> None:
    vectors = neighbours.embed(["green tea", "sencha tea", "hand soap"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_no_examples_load_no_encoder() -> None:
    none = Neighbours()
    assert none.nearest(["a", "b"], 3) == [(), ()]
    assert "_encoder" not in vars(none)


def test_a_label_that_stands_for_the_rest_sums_over_them(neighbours: Neighbours) -> None:
    proba = neighbours.label_probabilities(["rye bread", "lager beer", "green tea"])
    assert proba.argmax(1).tolist() == [2, 2, 0]
    assert proba.sum(1) == pytest.approx(1, rel=1e-5)
