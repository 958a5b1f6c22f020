"""Sets of labels compared: distances, and the agreement of people."""

import numpy as np
import pytest

from laud_ray.label_sets import LabelSet
from laud_ray.quality.aggregation import Opinion
from laud_ray.quality.raters import compare
from laud_ray.quality.sets import distances, replaced


def text(*labels: str) -> str:
    return LabelSet.of(labels).text


def said(*answers: tuple[str, str, str]) -> list[Opinion]:
    return [Opinion(document, 1, 1, label, who) for document, who, label in answers]


def test_the_distance_of_sets_is_the_share_of_labels_not_in_common() -> None:
    found = distances([text(), text("a"), text("a", "b")], [text(), text("a"), text("b", "c")])
    np.testing.assert_allclose(found, [[0, 1, 1], [1, 0, 1], [1, 0.5, 2 / 3]])


def test_sets_of_one_label_agree_as_labels_do() -> None:
    answers = [
        ("d1", "a", "x"),
        ("d1", "b", "x"),
        ("d2", "a", "y"),
        ("d2", "b", "x"),
        ("d3", "a", "y"),
        ("d3", "b", "y"),
    ]
    flat = compare(said(*answers))
    sets = compare(said(*((d, who, text(label)) for d, who, label in answers)), multilabel=True)
    assert flat is not None
    assert sets is not None
    assert sets.alpha == pytest.approx(flat.alpha)
    assert sets.pairs[0].kappa == pytest.approx(flat.pairs[0].kappa)
    assert (sets.pairs[0].share, sets.confused) == (flat.pairs[0].share, flat.confused)


def test_sets_agree_in_part() -> None:
    answers = said(
        ("d1", "a", text("x", "y")), ("d1", "b", text("x")), ("d2", "a", text("z")), ("d2", "b", text("z", "y"))
    )
    found = compare(answers, multilabel=True)
    assert found is not None
    # Observed: 0.5 for both. Expected, of the 4 answers, among all 12 ordered pairs: 8 between documents and 4 within.
    between = [1, 2 / 3, 1, 1]
    expected = (2 * sum(between) + 2 * (0.5 + 0.5)) / 12
    assert found.alpha == pytest.approx(1 - 0.5 / expected)
    assert (found.pairs[0].share, found.confused) == (0.0, ())
    assert found.pairs[0].kappa == pytest.approx(1 - 0.5 / np.mean([0.5, 2 / 3, 1, 0.5]))


def test_one_label_in_place_of_another_is_a_confusion() -> None:
    assert list(replaced(text("a", "b"), text("a", "c"))) == [("b", "c")]
    assert list(replaced(text("a", "b"), text("a"))) == list(replaced(text("a"), text("b", "c"))) == []
