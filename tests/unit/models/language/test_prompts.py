"""Prompts: what is shared comes first, a text cannot leave its fence."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from laud_ray.config import LlmConfig
from laud_ray.models.language.prompts import ANSWER, CLOSE, OPEN, VERSION, WORDINGS, Option, Prompt, codes, fenced
from laud_ray.oracles.completions.confidence import read
from laud_ray.oracles.engines import Completion
from laud_ray.oracles.llm import oracle_prompt
from laud_ray.types import Example, Label, Task

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


def test_candidate_codes_are_distinct() -> None:
    some = list(itertools.islice(codes(), 800))
    assert len(set(some)) == len(some) > 700
    assert some[:2] == ["A", "B"]


def test_what_a_label_is_called_is_no_code() -> None:
    labels = (
        Label("A"),
        Label("b", also=("\uff23",)),
        Label("0"),
        Label("other", rest=(Label("d", also=("E",)), Label("aa"))),
    )
    some = list(itertools.islice(codes(labels), 1000))
    assert some[:3] == ["F", "G", "H"]
    assert not {one.casefold() for one in some} & {"a", "b", "c", "d", "e", "0", "aa"}
    assert len(set(some)) == 1000


@pytest.mark.parametrize("names", ["AB", "ab", "01", ("none", "null"), ("true", "nan"), ("A", "0", "B", "Category")])
def test_a_code_and_a_name_are_never_the_same(names: Sequence[str]) -> None:
    """Whatever labels are called, the answer of each one's code and of each one's name mean that label."""
    task = Task("t", "multiclass", tuple(map(Label, names)))
    config = LlmConfig(kind="llm", engine="openai", model="m")
    prompt = oracle_prompt(config, task)
    for option in prompt.options:
        for said in (option.code, option.label.name, f"Category: {option.code}"):
            assert read(Completion(said), prompt.options, prompt.unsure or "").label == option.label.name


def test_the_version_follows_what_answers_depend_on() -> None:
    changed = [
        Prompt(OPTIONS, guideline="x"),
        Prompt(OPTIONS[::-1]),
        Prompt(OPTIONS, unsure="C"),
        Prompt((OPTIONS[0], Option("B", Label("Coffee", "beans")))),
    ]
    assert len({p.version for p in [Prompt(OPTIONS), *changed]}) == 5
    assert Prompt(OPTIONS).version == Prompt(OPTIONS).version


def test_the_wording_that_is_used_keeps_its_version() -> None:
    """Answers are kept under the version: whoever changes this wording must change VERSION too."""
    prompt = Prompt(OPTIONS, "Pods are coffee.", unsure="C")
    sent = [replace(prompt, rationale=rationale) for rationale in (False, True)]
    text = "".join(one.head() + one.opening() + one.tail() for one in sent)
    assert (VERSION, hashlib.sha256(text.encode()).hexdigest()[:16]) == ("1", "07f9895ef4337216")
    assert [one.version for one in sent] == ["25dc491d5b6518f4", "daa443fdc20db100"]


def test_other_wordings_ask_the_same_in_other_words() -> None:
    prompts = [Prompt(OPTIONS, "Pods are coffee.", unsure="C", wording=i) for i in range(len(WORDINGS))]
    assert len({one.version for one in prompts}) == len({one.head() for one in prompts}) == 3
    for one in prompts:
        assert "A = Tea: leaves\nB = Coffee\nC = unsure" in one.head()
        assert one.head().index("<text>") < one.head().index("Pods are coffee.") < one.head().index("A = Tea")
        assert f'"{ANSWER}" and the code' in replace(one, rationale=True).head()
        assert one.tail() == prompts[0].tail()


def test_labels_in_reverse_get_their_codes_in_that_order() -> None:
    task = Task("t", "multiclass", tuple(map(Label, ("Tea", "Coffee", "Juice"))))
    prompt = oracle_prompt(LlmConfig(kind="llm", engine="openai", model="m"), task, reverse=True)
    assert [(one.code, one.label.name) for one in prompt.options] == [("A", "Juice"), ("B", "Coffee"), ("C", "Tea")]
    assert prompt.unsure == "D"
