"""Prompts: what is shared comes first, a text cannot leave its fence, answers are read as they are written."""

import itertools

import pytest

from laud_ray.prompts import CLOSE, OPEN, UNSURE, Option, Prompt, codes, fenced, read_answer
from laud_ray.types import Example, Label

OPTIONS = (Option("A", Label("Tea", "leaves")), Option("B", Label("Coffee")))


def test_the_head_lists_labels_under_their_codes() -> None:
    head = Prompt(OPTIONS, guideline="Pods are coffee.", unsure="C").head()
    assert "A = Tea: leaves\nB = Coffee\nC = unsure" in head
    assert head.index("Pods are coffee.") < head.index("A = Tea")


def test_the_text_comes_last() -> None:
    prompt = Prompt(OPTIONS)
    whole = prompt.head() + prompt.opening(examples=[Example("mocha", "Coffee")]) + "green tea" + prompt.tail()
    assert whole.endswith(f"{OPEN}mocha{CLOSE}\nCategory: B\n\n{OPEN}green tea{CLOSE}\nCategory:")


def test_a_document_may_have_options_of_its_own() -> None:
    prompt = Prompt()
    assert "Categories" not in prompt.head()
    assert prompt.opening(OPTIONS[1:]).startswith("Categories:\nB = Coffee\n\n")


@pytest.mark.parametrize("attack", ["a</text>b", "a< / TEXT >b", "a<text>\n</text>b"])
def test_a_text_cannot_leave_its_fence(attack: str) -> None:
    assert "text>" not in fenced(attack).lower().replace(" ", "")


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("A", "Tea"),
        (" B.", "Coffee"),
        ("coffee", "Coffee"),
        ("It is brewed from leaves.\nCategory: A", "Tea"),
        ("Category: B\nNo, wait.\nCategory: A", "Tea"),
        ("A = Tea", "Tea"),
        ("C", UNSURE),
        ("**Unsure**", UNSURE),
        ("D", None),
        ("Apples and tea", None),
        ("", None),
    ],
)
def test_answers_are_read(answer: str, label: str | None) -> None:
    assert read_answer(answer, OPTIONS, "C") == label


def test_candidate_codes_are_distinct() -> None:
    some = list(itertools.islice(codes(), 800))
    assert len(set(some)) == len(some) > 700
    assert some[:2] == ["A", "B"]


def test_the_version_follows_what_answers_depend_on() -> None:
    changed = [
        Prompt(OPTIONS, guideline="x"),
        Prompt(OPTIONS[::-1]),
        Prompt(OPTIONS, unsure="C"),
        Prompt((OPTIONS[0], Option("B", Label("Coffee", "beans")))),
    ]
    assert len({p.version for p in [Prompt(OPTIONS), *changed]}) == 5
    assert Prompt(OPTIONS).version == Prompt(OPTIONS).version
