"""Codes that stand for labels: letters, and keywords of the labels' names."""

from typing import Any

import pytest

from laud_ray.errors import ModelError
from laud_ray.models.language import chat, label_prompt
from laud_ray.models.language.answers.codes import choose_keywords
from laud_ray.models.language.prompts import Prompt
from laud_ray.types import Label, Task
from tests.tiny import TINY
from tests.unit.models.language.test_label_prompt import CHATML, make_tokenizer, settings

# Words that occur in the text on which the tokenizer of these tests is trained are one token each.
WHOLE = ("Classify a text", "category data", "a category code", "text code")


@pytest.fixture(scope="module", params=[CHATML, None], ids=["chat template", "plain"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return make_tokenizer(request.param)


def labels(*names: str) -> tuple[Label, ...]:
    return tuple(map(Label, names))


def test_a_keyword_is_one_token_after_the_beginning_of_the_answer(tokenizer: Any) -> None:
    found = choose_keywords(tokenizer, labels(*WHOLE), "m")
    suffix = chat.encode(tokenizer, chat.frame(tokenizer, Prompt(keywords=True)).suffix)
    assert tokenizer.decode(suffix).endswith("Category:")
    for text, token in found:
        ids = chat.encode(tokenizer, chat.frame(tokenizer, Prompt(keywords=True)).suffix + f" {text}")
        assert ids == [*suffix, token]
    assert len({token for _, token in found}) == len(WHOLE)


def test_labels_share_no_keyword_and_the_most_distinctive_assignment_is_taken(tokenizer: Any) -> None:
    """Each of "category", "data" and "code" stands in two names; only one assignment gives each name a whole word."""
    names = ("category data", "data code", "code category", "text")
    found = [text for text, _ in choose_keywords(tokenizer, labels(*names), "m")]
    assert all(text in name.split() for text, name in zip(found, names, strict=True))
    assert len(set(found)) == 4


def test_a_keyword_is_never_the_name_of_another_label(tokenizer: Any) -> None:
    found = dict(zip(("text", "text data"), choose_keywords(tokenizer, labels("text", "text data"), "m"), strict=True))
    assert found["text"][0] == "text"
    assert found["text data"][0] == "data"
    (_, (two, _)) = choose_keywords(tokenizer, labels("Text", "text"), "m")
    assert two.casefold() != "text", "nothing is left of its name"


def test_a_label_without_a_word_of_its_own_gets_a_letter(tokenizer: Any) -> None:
    (first, _), (second, _) = choose_keywords(tokenizer, labels("category", "!?"), "m")
    assert first == "category"
    assert second == "A"


def test_a_tokenizer_with_too_few_codes_is_one_line(tokenizer: Any) -> None:
    with pytest.raises(ModelError, match="too few single-token codes for 5000 labels; expected .* answers: codes"):
        choose_keywords(tokenizer, labels(*(f"!{i}?" for i in range(5000))), "m")


def test_keywords_belong_to_their_labels_in_every_order(tokenizer: Any) -> None:
    task = Task("t", "multiclass", labels(*WHOLE))
    prompt = label_prompt.build(tokenizer, task, settings(), orders=2, answers="keywords")
    assert prompt.orders[0] != prompt.orders[1]
    listed = [prompt.options(order) for order in prompt.orders]
    assert {o.label.name: o.code for o in listed[0]} == {o.label.name: o.code for o in listed[1]}
    assert [o.label.name for o in listed[1]] == [WHOLE[c] for c in prompt.orders[1]]
    assert prompt.classes(0) == prompt.classes(1) == (0, 1, 2, 3)
    assert label_prompt.from_json(prompt.to_json(), tokenizer) == prompt


def test_keywords_need_all_labels_in_one_prompt(tokenizer: Any) -> None:
    task = Task("t", "multiclass", labels(*WHOLE))
    with pytest.raises(ModelError, match=r"answers: keywords .*max_labels 3 .* does not hold all 4 labels; expected"):
        label_prompt.build(tokenizer, task, settings(max_labels=3), orders=1, answers="keywords")


def test_the_keywords_of_a_real_tokenizer_are_of_the_names() -> None:
    names = ("Tea & Infusions", "Cookies & Biscuits", "Household Cleaning", "Tea")
    tokenizer = chat.open_tokenizer(str(TINY))
    found = [text for text, _ in choose_keywords(tokenizer, labels(*names), "m")]
    assert found[3] == "Tea"
    assert all(any(word.startswith(text) for word in name.split()) for text, name in zip(found, names, strict=True))
