"""Answers of multilabel tasks and their text form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laud_ray.label_sets import LabelSet, masks, shown

NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=5)


@given(st.sets(NAMES), st.none() | st.sets(NAMES))
def test_an_answer_is_read_back_from_its_text(yes: set[str], no: set[str] | None) -> None:
    answer = LabelSet.of(yes, None if no is None else no - yes)
    assert LabelSet.parse(answer.text) == answer


@given(st.lists(NAMES))
def test_equal_sets_have_equal_texts(names: list[str]) -> None:
    assert LabelSet.of(names).text == LabelSet.of([*reversed(names), *names]).text


@pytest.mark.parametrize(
    "text",
    ["", "Tea", '"Tea"', "3", "null", "{}", '{"yes": []}', '{"yes": "Tea", "no": []}', "[1]", '{"yes": [], "no": [2]}',
     '{"yes": [], "no": [], "maybe": []}'],
)  # fmt: skip
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not valid; expected a JSON list of labels"):
        LabelSet.parse(text)


def test_a_label_under_yes_and_no_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^'Tea' stands under yes and under no"):
        LabelSet.of(["Tea", "Milk"], ["Tea"])


def test_the_mask_tells_what_applies_does_not_and_was_not_asked() -> None:
    names = ["Coffee", "Milk", "Tea"]
    texts = [LabelSet.of(["Tea"]).text, LabelSet.of(["Tea"], ["Milk"]).text, "[]", LabelSet.of(["Rice"]).text]
    expected = [[0, 0, 1], [-1, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert np.array_equal(masks(texts, names), expected)
    assert masks([], names).shape == (0, 3)


def test_people_see_no_json() -> None:
    assert shown('["Coffee","Tea"]', multilabel=True) == "Coffee; Tea"
    assert shown("[]", multilabel=True) == "no label"
    assert shown("[]", multilabel=False) == "[]"
