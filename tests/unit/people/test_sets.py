"""Answers that are sets of labels: which are valid, and how several people's become one."""

from collections.abc import Sequence

import pytest

from laud_ray.config import PeopleConfig
from laud_ray.label_sets import LabelSet
from laud_ray.people.sets import EMPTY, SetNames, decide_sets, majority, names_of
from laud_ray.people.settling import Ballot
from laud_ray.types import Label, Task

TASK = Task(
    "t", "multilabel", tuple(map(Label, ["tea", "milk", "bread", "salt"])), at_most=2, exclusive=(("bread", "salt"),)
)
NAMES = SetNames(TASK)


def text(*labels: str) -> str:
    return LabelSet.of(labels).text


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (EMPTY, None),
        (text("tea"), None),
        (text("tea", "milk"), None),
        (text("tea", "milk", "salt"), "3 labels are too many; expected at most 2"),
        (text("bread", "salt"), "'bread' and 'salt' exclude each other; expected one of them"),
        (text("cocoa"), "'cocoa' is not valid; expected labels of the task"),
        ("tea", "'tea' is not valid; expected a JSON list"),
        ('["tea","milk"]', "is not valid; expected all labels that apply, sorted"),
        (LabelSet.of(["tea"], ["milk"]).text, "is not valid; expected all labels that apply, sorted"),
    ],
)
def test_an_answer_is_a_whole_set_within_the_limits(answer: str, mistake: str | None) -> None:
    found = NAMES.mistake(answer)
    assert (found is None) == (mistake is None) == (answer in NAMES)
    assert mistake is None or mistake in str(found)


def test_the_names_of_a_multilabel_task_count_its_labels() -> None:
    assert (len(NAMES), list(NAMES)) == (4, ["tea", "milk", "bread", "salt"])
    assert names_of(Task("t", "multiclass", TASK.labels)) == {"tea", "milk", "bread", "salt"}


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([text("tea"), text("tea", "milk"), text("milk", "tea")], text("tea", "milk")),
        ([text("tea"), text("milk"), text("salt")], EMPTY),
        ([text("tea"), text("milk")], None),
        ([text("tea")], None),
        ([text("tea", "milk"), text("milk", "salt"), text("tea", "salt")], None),  # three labels, at most two
    ],
)
def test_each_label_is_decided_by_the_majority(answers: Sequence[str], found: str | None) -> None:
    assert majority(answers, NAMES) == found


def state(said: Sequence[str | None], *, team: int = 3, top: str | None = None, twice: bool = False) -> object:
    rules = PeopleConfig(kind="people", team=team)
    found = decide_sets([Ballot(f"p{i}", one) for i, one in enumerate(said)], rules, NAMES, top=top, twice=twice)
    return found.state, found.needed, found.label, found.by


def test_a_question_is_settled_by_agreement_majority_or_an_adjudicator() -> None:
    assert state([]) == ("open", 1, None, None)
    assert state([text("tea")]) == ("settled", 1, text("tea"), "vote")
    assert state([text("tea")], top="milk") == ("open", 2, None, None)  # the model's likeliest label is not in it
    assert state([text("tea", "milk")], top="milk") == ("settled", 1, text("tea", "milk"), "vote")
    assert state([EMPTY, EMPTY], top="milk") == ("settled", 2, EMPTY, "agreement")
    assert state([text("tea"), text("milk")], twice=True) == ("open", 3, None, None)
    assert state([text("tea"), text("milk"), text("milk", "tea")], twice=True) == (
        "settled",
        2,
        text("milk", "tea"),
        "majority",
    )
    assert state([None, text("tea")]) == ("open", 3, None, None)
    assert state([None, text("tea"), text("tea")]) == ("settled", 2, text("tea"), "majority")
    assert state([None, text("tea"), None]) == ("adjudicate", 2, None, None)
    assert state([text("tea"), text("milk")], team=2, twice=True) == ("adjudicate", 2, None, None)
    final = [Ballot("a", text("tea")), Ballot("b", text("salt"), "adjudicator")]
    found = decide_sets(final, PeopleConfig(kind="people", team=3), NAMES, top=None, twice=False)
    assert (found.state, found.label, found.by) == ("settled", text("salt"), "adjudicator")
