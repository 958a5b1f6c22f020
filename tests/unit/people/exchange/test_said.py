"""Answers in words to a taxonomy: paths, codes, names that one node has, branches, and messages about the rest."""

import pytest

from laud_ray.people.exchange.said import words_of
from laud_ray.taxonomy import Node, Taxonomy
from laud_ray.taxonomy.task import task_of

TREE = Taxonomy(
    (
        Node("10", ("Drinks",), -1),
        Node("1010", ("Drinks", "Tea"), 0),
        Node("101010", ("Drinks", "Tea", "Green tea"), 1),
        Node("101020", ("Drinks", "Tea", "Other"), 1),
        Node("1020", ("Drinks", "Other"), 0, also=("Misc drinks",)),
        Node("20", ("None",), -1),
    )
)
WORDS = words_of(task_of("t", TREE))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Drinks > Tea > Green tea", "Drinks > Tea > Green tea"),
        (" drinks >  TEA > green tea", "Drinks > Tea > Green tea"),
        ("101010", "Drinks > Tea > Green tea"),
        ("101010.0", "Drinks > Tea > Green tea"),
        ("green tea", "Drinks > Tea > Green tea"),
        ("Tea", "Drinks > Tea"),
        ("1010", "Drinks > Tea"),
        ("misc drinks", "Drinks > Other"),
        ("None", "None"),
    ],
)
def test_a_label_or_branch_is_named_by_path_code_or_name(text: str, label: str) -> None:
    assert WORDS.read(text) == ("label", label)


def test_words_without_a_label() -> None:
    assert WORDS.read("Unsure") == ("unsure", None)
    assert WORDS.read("none fits") == ("none", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Other", "is not valid; expected the whole path: 'Drinks > Tea > Other' or 'Drinks > Other'"),
        ("Drinks > Grean tea", "is not a label of the task - did you mean 'Drinks > Tea > Green tea'?"),
        (
            "qqq",
            "is not a label or branch of the task; expected a path such as 'Drinks > Tea > Green tea', a code, or a "
            "name that only one of them has; or 'unsure', 'none fits'",
        ),
    ],
)
def test_what_is_no_answer_is_refused_with_what_was_expected(text: str, message: str) -> None:
    assert WORDS.read(text) is None
    assert WORDS.expected(text) == message


def test_a_path_of_names_is_a_node_or_the_only_one_that_it_may_mean() -> None:
    assert WORDS.text_of(["Drinks", "Tea"]) == "Drinks > Tea"
    assert WORDS.read(WORDS.text_of(["Drinks", "Green tea"])) == ("label", "Drinks > Tea > Green tea")
    assert WORDS.read(WORDS.text_of(["Food", "Green tea"])) is None, "the path is another one"
    assert WORDS.read(WORDS.text_of(["Tea", "Other"])) is None, "two nodes have the name"
