"""Changes of a flat list of labels."""

import pytest

from laud_ray.config import LabelConfig
from laud_ray.config.labels.edits import add, find, join, rename, split
from laud_ray.errors import ConfigError
from laud_ray.taxonomy.succession import Carried

LABELS = (
    LabelConfig(name="Tea", description="hot leaves", also=("Teas",)),
    LabelConfig(name="Milk"),
    LabelConfig(name="Saws"),
)


def names(labels: tuple[LabelConfig, ...]) -> list[str]:
    return [label.name for label in labels]


def test_an_added_label_is_the_last_one_and_widens_the_list() -> None:
    found = add(LABELS, " Rice ", "grains")
    assert names(found.labels) == ["Tea", "Milk", "Saws", "Rice"]
    assert found.labels[-1].description == "grains"
    assert (found.succession.added, found.succession.wider) == (("Rice",), True)
    assert found.succession.carry(Carried("Tea")) == Carried("Tea")
    assert found.lines() == ["added: 'Rice'"]


def test_a_renamed_label_keeps_its_place_its_answers_and_its_spellings() -> None:
    found = rename(LABELS, "tea", "Hot tea")
    assert names(found.labels) == ["Hot tea", "Milk", "Saws"]
    assert found.labels[0].also == ("Tea", "Teas")
    assert found.labels[0].description == "hot leaves"
    assert found.succession.carry(Carried("Tea")) == Carried("Hot tea")
    back = rename(found.labels, "Hot tea", "Tea")
    assert back.labels[0].also == ("Hot tea", "Teas")


def test_a_joined_label_is_a_spelling_of_the_other() -> None:
    found = join(LABELS, "Tea", "Milk")
    assert names(found.labels) == ["Milk", "Saws"]
    assert found.labels[0].also == ("Tea", "Teas")
    assert found.succession.carry(Carried("Tea")) == Carried("Milk")
    assert not found.succession.wider


def test_the_answers_of_a_split_label_are_unclear() -> None:
    found = split(LABELS, "Tea", ["Tea", "Green tea"])
    assert names(found.labels) == ["Tea", "Green tea", "Milk", "Saws"]
    assert [label.description for label in found.labels[:2]] == ["hot leaves", None]
    assert found.succession.carry(Carried("Tea")) == Carried(None, unclear=True)
    assert found.succession.added == ("Tea", "Green tea")
    assert not found.succession.wider


def test_a_label_is_found_by_its_name_before_a_spelling_and_without_case() -> None:
    labels = (*LABELS, LabelConfig(name="teas and more"))
    assert find(labels, "Teas").name == "Tea"
    assert find(labels, "MILK").name == "Milk"
    with pytest.raises(ConfigError, match="'Mlik' is not a label; expected one of 'Tea', 'Milk', 'Saws', .*'Milk'?"):
        find(labels, "Mlik")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: add(LABELS, "TEA"), "'TEA' is not valid: there is 'Tea' already; expected another name"),
        (lambda: add(LABELS, "teas"), "there is 'Teas' already, another spelling of 'Tea'; expected another name"),
        (lambda: add(LABELS, " \t"), "expected a name of visible characters"),
        (lambda: rename(LABELS, "Tea", "Milk"), "there is 'Milk' already"),
        (lambda: rename(LABELS, "Tea", "Tea"), "'Tea' is the name of this label already"),
        (lambda: join(LABELS, "Tea", "teas"), "are the same label; expected two labels"),
        (lambda: join(LABELS[:2], "Tea", "Milk"), "only two labels; expected at least two after the change"),
        (lambda: split(LABELS, "Tea", ["Green"]), "'Tea' would become 1 label.*expected at least two names"),
        (lambda: split(LABELS, "Tea", ["Green", "Milk"]), "there is 'Milk' already"),
        (lambda: split(LABELS, "Tea", ["Green", "green"]), "there is 'Green' already"),
    ],
)
def test_mistakes_say_what_was_expected(make: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()  # type: ignore[operator]
