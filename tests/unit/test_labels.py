"""Names of labels: normalised as texts are, found by their other spellings, compared as the eye does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laud_ray.labels import Similar, alike, known_labels, look, nearest, read_name, remarks
from laud_ray.taxonomy import read_table
from laud_ray.taxonomy.task import task_of
from laud_ray.texts import normalise_text
from laud_ray.types import Label, Task

MULTI = Task("t", "multiclass", (Label("Milk", also=("MILK", "lait")), Label("Bread")))
BINARY = Task("t", "binary", (Label("Milk", also=("lait",)), Label("other", rest=(Label("Bread", also=("pain",)),))))


@pytest.mark.parametrize("text", ["Milk", " Milk\u00a0", "\ufeffMilk", "Mi\u200blk", "M\u00adilk", "Milk\u200e\r\n"])
def test_what_nobody_sees_makes_no_other_name(text: str) -> None:
    assert normalise_text(text) == "Milk"
    assert known_labels(MULTI).find(text) == "Milk"


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise_text(text)
    assert normalise_text(once) == once


def test_joined_emoji_and_words_stay_as_they_are() -> None:
    family, word = "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert (normalise_text(family), normalise_text(word)) == (family, word)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Milk", "milk"),
        ("KIRMIZI", "k\u0131rm\u0131z\u0131"),
        ("\u0130stanbul", "istanbul"),
        ("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2"),
        ("\uff2d\uff49\uff4c\uff4b", "Milk"),
        ("Stra\u00dfe", "STRASSE"),
        ("\u2764", "\u2764\ufe0f"),
        ("Milk & Cream", "milk & cream."),
        ("T-shirt", "T shirt"),
        ("\ufb01sh", "Fish"),
    ],
)
def test_names_that_look_the_same(one: str, other: str) -> None:
    assert look(one) == look(other)
    assert alike([one, "x", other]) == [(one, other)]


@pytest.mark.parametrize(
    ("one", "other"),
    [("C", "C#"), ("C", "C++"), ("\u30cf\u30b9", "\u30d0\u30b9"), ("Cr\u00e8me", "Creme"), ("1", "01"), ("!", "?")],
)
def test_names_that_do_not(one: str, other: str) -> None:
    assert alike([one, other]) == []


def test_a_task_names_them_and_says_how_to_make_them_one() -> None:
    task = Task("t", "multiclass", (Label("Milk"), Label("milk"), Label("Bread")))
    assert remarks(task) == [
        "task.labels: 'Milk' and 'milk' look the same, but are different labels; to merge them, write "
        "{name: Milk, also: [milk]}"
    ]
    many = Task("t", "multiclass", tuple(Label(f"{name}{i}") for i in range(15) for name in ("a", "A")))
    assert len(remarks(many)) == 11
    assert remarks(MULTI) == []


def test_labels_are_found() -> None:
    known = known_labels(MULTI)
    assert [known.find(one) for one in ("Milk ", "MILK", "lait", "milk", "", None)] == ["Milk"] * 3 + [None] * 3
    known = known_labels(BINARY)
    assert [known.find(one) for one in ("lait", "pain", "other", "x")] == ["Milk", "Bread", "other", None]
    assert [known.find_class(one) for one in ("lait", "pain", "x", " ", None)] == ["Milk", "other", "other", None, None]


@pytest.mark.parametrize(
    ("own", "said"),
    [("true", "True"), ("TRUE", "true"), ("False", "false"), ("1", "1.0"), ("-2.0", "-2"), ("10.00", " 10")],
)
def test_a_typed_label_is_found_however_a_program_wrote_it(own: str, said: str) -> None:
    known = known_labels(Task("t", "multiclass", (Label(own), Label("x"))))
    assert known.find(said) == own
    binary = known_labels(Task("t", "binary", (Label(own), Label("other", rest=(Label("x"),)))))
    assert binary.find_class(said) == own


def test_typed_labels_that_stand_side_by_side_stay_apart() -> None:
    known = known_labels(Task("t", "multiclass", (Label("1"), Label("1.0"), Label("1.10"), Label("True"))))
    assert [known.find(one) for one in ("1", "1.0", "1.00", "1.1", "true")] == ["1", "1.0", None, None, "True"]


def test_a_run_of_an_earlier_version_finds_its_own_names() -> None:
    task = Task("t", "multiclass", (Label("Milk "), Label("Milk")))
    assert [known_labels(task).find(one) for one in ("Milk ", "Milk", " Milk")] == ["Milk ", "Milk", "Milk"]


def test_the_nearest_name() -> None:
    names = ["Milk", "Bread", "Br\u00f6tchen"]
    found = [nearest(one, names) for one in ("milk", "MILK.", "Bred", "Brotchen", "Tools", "")]
    assert found == ["Milk", "Milk", "Bread", "Br\u00f6tchen", None, None]


@pytest.mark.parametrize("name", ["", " \u200b", "a\x00b", "\x1b[31m", "a\ud800"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="is not valid; expected a name of visible characters"):
        read_name(name)


TREE = read_table(
    {
        "code": ["f", "t", "m", "o", "g", "p"],
        "parent": [None, "f", "f", "f", None, "g"],
        "name": ["Food", "Tea", "Milk", "Other", "Tools", "Other"],
        "also": [None, "Chai", None, None, None, None],
    },
    "t.csv",
)
SHOP = task_of("shop", TREE)


@pytest.mark.parametrize("text", ["t", "Food > Tea", "Tea", " Food  > Tea ", "Chai", "Food > Chai"])
def test_a_text_names_a_node_by_code_path_or_a_name_of_its_own(text: str) -> None:
    known = known_labels(SHOP)
    assert known.find(text) == known.find_class(text) == "Food > Tea"


def test_inner_nodes_are_known_and_names_of_several_nodes_are_not() -> None:
    known = known_labels(SHOP)
    assert (known.find("Food"), known.find("g"), known.find_class("Tools")) == ("Food", "Tools", "Tools")
    assert (known.find("Other"), known.find("Food > Other")) == (None, "Food > Other")
    assert (known.find(None), known.find_class(""), known.find_class("Coffee")) == (None, None, None)


def test_an_unknown_label_is_near_a_path_or_a_last_name() -> None:
    found = known_labels(SHOP).unknown({"Mlik": 3, "Food > Milkk": 2, "Tool": 1, "xyz": 1})
    assert [one.nearest for one in found] == ["Food > Milk", "Food > Milk", "Tools", None]


def test_the_nearest_of_very_many_names_is_found_among_those_that_share_letters() -> None:
    names = [f"Part {i} of kind {i * 7919 % 100_003}" for i in range(20_000)]
    similar = Similar(names)
    for i in (0, 777, 19_999):
        assert similar.nearest(names[i].replace("kind", "knid")) == names[i]
        assert similar.nearest(names[i].upper()) == names[i]
    assert similar.nearest("quite another thing") is None
    assert similar.nearest("") is None


def test_nodes_that_look_the_same_are_said_at_every_level() -> None:
    tree = read_table({"path": ["Food > Tea", "Food > tea.", "Tools > Saws"]}, "t.csv")
    (line,) = remarks(task_of("t", tree))
    assert "'Food > Tea' and 'Food > tea.' look the same" in line
    assert remarks(SHOP) == []
