"""The rules of a multilabel model, as its description has them."""

import numpy as np
import pytest

from laud_ray.stats.multilabel.rules import Rules, sets, whole_set

DESCRIBED = {
    "kind": "linear",
    "kind_of_task": "multilabel",
    "labels": ["Coffee", "Tea", "Milk"],
    "thresholds": [0.5, 0.25, 0.5],
    "at_most": 2,
    "exclusive": [["Coffee", "Tea"], ["Milk", "Rice"]],
}
PROBA = np.array([[0.9, 0.5, 0.6], [0.2, 0.3, 0.1], [0.1, 0.1, 0.1]])


def test_the_description_has_the_rules() -> None:
    rules = Rules.of(DESCRIBED)
    assert rules is not None
    assert (rules.thresholds.tolist(), rules.at_most, rules.exclusive) == ([0.5, 0.25, 0.5], 2, ((0, 1),))
    assert rules.applies(PROBA).tolist() == [[True, False, True], [False, True, False], [False, False, False]]
    assert rules.margin(PROBA) == pytest.approx([0.1, 0.05, 0.15])


def test_a_model_of_another_task_has_none() -> None:
    assert Rules.of({"kind": "linear", "labels": ["Coffee", "Tea"]}) is None


@pytest.mark.parametrize("thresholds", [[0.5, 0.5], [0.5, 0.5, 1.5], [0.5, 0.5, float("nan")]])
def test_each_label_has_a_threshold(thresholds: list[float]) -> None:
    with pytest.raises(ValueError, match="expected 3 numbers from 0 to 1, one for each label"):
        Rules.of({**DESCRIBED, "thresholds": thresholds})


def test_a_set_is_right_if_each_of_its_labels_is() -> None:
    applies = np.array([[True, False, True], [False, True, False], [False, False, False]])
    expected = [0.9 * 0.5 * 0.6, 0.8 * 0.3 * 0.9, 0.9**3]
    assert whole_set(PROBA.astype(np.float32), applies) == pytest.approx(expected)


def test_the_likeliest_label_of_a_set_stands_first() -> None:
    applies = np.array([[True, False, True], [True, True, True], [False, False, False]])
    assert sets(np.array([[0.6, 0.5, 0.9], [0.2, 0.3, 0.2], [0.9, 0.9, 0.9]]), applies) == [[2, 0], [1, 0, 2], []]
    assert sets(np.zeros((0, 3)), np.zeros((0, 3), np.bool_)) == []
