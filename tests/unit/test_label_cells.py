"""Sets of labels in the cells of users' data."""

from collections.abc import Sequence

import pytest

from laud_ray.label_cells import (
    answer_in,
    labels_in,
    parts_of,
    separator_in,
    set_cell,
    set_of,
    several_labels,
    stored,
    unknown_in,
)
from laud_ray.label_sets import LabelSet
from laud_ray.labels import known_labels
from laud_ray.types import Label, Task


def task(separator: str | None = None, names: Sequence[str] = ("Tea", "Milk", "Salt; Pepper")) -> Task:
    labels = tuple(Label(name, also=("thé",) if name == "Tea" else ()) for name in names)
    return Task("t", "multilabel", labels, separator=separator)


@pytest.mark.parametrize(
    ("cell", "separator", "parts"),
    [
        ("", None, None),
        (" \u200b", ";", None),
        ("[]", None, ()),
        ("[ ]", ";", ()),
        ("[null]", None, None),
        ('[" ", ""]', None, None),
        ('["Tea", null, "Milk "]', None, ("Tea", "Milk")),
        ("[1, 2.0, true]", None, ("1", "2.0", "true")),
        ("['Tea', \"Milk\"]", None, ("Tea", "Milk")),
        ("[Tea]", None, ("[Tea]",)),
        ('[["Tea"]]', ";", ('[["Tea"]]',)),
        ("Tea; Milk", None, ("Tea; Milk",)),
        ("Tea; Milk;", ";", ("Tea", "Milk")),
        (";", ";", None),
        (r"Salt\; Pepper;Tea", ";", ("Salt; Pepper", "Tea")),
        ("a / b/c", " / ", ("a", "b/c")),
        ("a\tb", "\t", ("a", "b")),
        ("a|b |c", "|", ("a", "b", "c")),
    ],
)
def test_a_cell_is_a_list_or_a_text_of_labels(cell: str, separator: str | None, parts: tuple[str, ...] | None) -> None:
    assert parts_of(cell, separator) == parts


def test_a_known_label_may_have_the_separator_in_it() -> None:
    names = ["Arts, Music, and Media", "Arts", "Law", "Media, new"]
    assert parts_of("Arts, Music, and Media, Law", ",", names) == ("Arts, Music, and Media", "Law")
    assert parts_of("Arts, Law, Media,new", ",", names) == ("Arts", "Law", "Media", "new")
    assert parts_of("Law, Arts", ",", names) == ("Law", "Arts")


@pytest.mark.parametrize("names", [(), ("Tea",), ("Salt; Pepper", "Tea"), ("a;", "b"), ("x; y; z",)])
def test_labels_written_to_a_cell_are_read_from_it(names: tuple[str, ...]) -> None:
    assert (parts_of(set_cell(names), ";") or ()) == names


def test_what_a_corpus_keeps_has_the_names_of_the_task_and_unknown_labels() -> None:
    known = known_labels(task(";"))
    value = stored("thé ; Cocoa; Tea", known)
    assert value == '["Cocoa","Tea"]'
    assert labels_in(str(value), known) == ("Cocoa", "Tea")
    assert answer_in(value, known) == '["Tea"]'
    assert unknown_in(value, known) == ("Cocoa",)
    assert stored("[]", known) == answer_in("[]", known) == "[]"
    assert stored(" ", known) is stored(None, known) is answer_in(None, known) is None
    assert answer_in(stored("Cocoa", known), known) == "[]"
    assert set_of("Salt; Pepper; Milk", known) == LabelSet.of(["Milk", "Salt; Pepper"])


def test_in_other_tasks_a_cell_is_one_label() -> None:
    flat = known_labels(Task("t", "multiclass", (Label("Tea", also=("thé",)), Label("Milk"))))
    assert stored(" thé", flat) == "Tea"
    assert stored("Cocoa", flat) == "Cocoa"
    assert labels_in("Tea", flat) == ("Tea",)
    assert answer_in("thé", flat) == "Tea"
    assert stored(" a ", None) == "a"


def test_a_missing_separator_is_noticed() -> None:
    known = known_labels(task())
    assert separator_in(["Tea", "Cocoa; Tea", "Milk|thé"], known) == ("Milk|thé", "|", ())
    assert separator_in(["Tea", "Salt; Pepper", "Cocoa, Tea"], known) is None


def test_an_unknown_part_of_several_labels_is_named_with_its_near_match() -> None:
    known = known_labels(task())
    found = separator_in(["Tea; Mlik"], known)
    assert found == ("Tea; Mlik", ";", ("Mlik",))
    assert several_labels(found, known) == (
        "'Tea; Mlik', which is several labels, of which 'Mlik' is not one of the task - did you mean 'Milk'?"
    )
    assert separator_in(["Tea; Mlik", "Tea;Milk"], known) == ("Tea;Milk", ";", ())
