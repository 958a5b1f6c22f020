"""The words of leaves, and which words fit known answers best."""

import numpy as np
import pytest

from laud_ray.taxonomy import read_table
from laud_ray.taxonomy.task import task_of
from laud_ray.taxonomy.wording import best_wording, worded
from laud_ray.types import Indices, Label, Task

TREE = read_table({"path": ["Drinks > Tea > Green", "Drinks > Tea > Black", "Paint > Green", "Food"]}, "labels")
TASK = task_of("shop", TREE)


@pytest.mark.parametrize(
    ("wording", "words"),
    [
        ("leaf", ["Green", "Black", "Green", "Food"]),
        ("parent", ["Green, Tea", "Black, Tea", "Green, Paint", "Food"]),
        ("path", ["Green, Tea, Drinks", "Black, Tea, Drinks", "Green, Paint", "Food"]),
    ],
)
def test_the_words_of_leaves(wording: str, words: list[str]) -> None:
    found = worded(TASK, wording)
    assert sorted(str(label.wording) for label in found.labels) == sorted(words)
    assert found.names == TASK.names


def test_a_flat_task_keeps_its_words() -> None:
    flat = Task("flat", "multiclass", (Label("Tea"), Label("Juice")))
    assert worded(flat, "path") is flat
    with pytest.raises(ValueError, match="expected a taxonomy"):
        best_wording(flat, [], lambda task: np.empty(0, np.int64))


def test_another_wording_needs_more_than_chance() -> None:
    answers = ["Drinks > Tea > Green", "Paint > Green"] * 30
    right = np.asarray([TASK.names.index(answer) for answer in answers])
    paint = np.full(60, TASK.names.index("Paint > Green"))

    def likeliest(task: Task) -> Indices:
        return right if task.labels[0].wording != TASK.labels[0].wording else paint

    # "Food" alone has the same words in all; the first label in order decides which wording this is.
    assert likeliest(worded(TASK, "leaf")) is paint
    choice, shares = best_wording(TASK, answers, likeliest)
    assert choice == "parent"
    assert shares["parent"] == shares["path"] == 1 > shares["leaf"]
    assert best_wording(TASK, answers, lambda task: paint)[0] == "leaf"


def test_an_unknown_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="'Wine' is not valid"):
        best_wording(TASK, ["Wine"], lambda task: np.zeros(1, np.int64))
