"""Names of groups of texts by their words."""

import pytest

from laud_ray.discovery.words import names

BACKGROUND = ["how do i see my balance", "what is my limit", "how can i change my address", "i want a new account"] * 5


def test_a_name_has_the_words_that_tell_a_group_from_others() -> None:
    groups = [
        ["i lost my card", "how do i report a lost card", "my card is lost"],
        ["my top up failed", "why was my top up rejected", "the top up failed again"],
    ]
    lost, failed = names(groups, BACKGROUND)
    assert set(lost.split()) >= {"lost", "card"}
    assert "my" not in lost.split()
    assert failed.startswith("top up")


def test_words_stand_in_the_order_of_the_texts_and_the_same_is_found_again() -> None:
    groups = [["plant milk of oats", "plant milk of soy", "plant milk"]]
    assert names(groups, BACKGROUND)[0].split()[:2] == ["plant", "milk"]
    assert names(groups, BACKGROUND) == names(groups, BACKGROUND)


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["Молоко", "молоко 3,2 %"], "молоко"),
        (["12 34", "5"], ""),
        (["self-raising flour"], "self-raising flour"),
    ],
)
def test_any_script_and_texts_without_words(texts: list[str], name: str) -> None:
    assert names([texts]) == [name]
