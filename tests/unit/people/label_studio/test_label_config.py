"""The label config of a project: written for any labels, and read with whatever choices a project has."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from laud_ray.cli import main
from laud_ray.errors import UserError
from laud_ray.people.label_studio.label_config import MOST_NODES, is_empty, label_config, read_control
from laud_ray.taxonomy import Node, Taxonomy
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Label, Task

TASK = Task("shelf", "multiclass", (Label("tea", 'hot "drink" & <leaf>'), Label("Käse & co"), Label("<b>", "a\x00b")))


def with_choices(choices: str, tag: str = "Choices", more: str = "") -> str:
    return f'<View><Text name="t" value="$product"/><{tag} name="c" toName="t" {more}>{choices}</{tag}></View>'


ALL = '<Choice value="tea"/><Choice value="Käse &amp; co"/><Choice value="&lt;b&gt;"/>'


def test_what_is_written_is_read_back() -> None:
    written = label_config(TASK)
    choices = list(ElementTree.fromstring(written).iter("Choice"))
    assert [one.get("value") for one in choices] == ["tea", "Käse & co", "<b>"]
    assert [one.get("hint") for one in choices] == ['hot "drink" & <leaf>', None, "a b"]
    control = read_control(written, TASK)
    assert (control.kind, control.name, control.to, control.field) == ("choices", "label", "text", "text")
    assert control.result(["tea"], "q-000001") == {
        "id": "q-000001",
        "from_name": "label",
        "to_name": "text",
        "type": "choices",
        "value": {"choices": ["tea"]},
    }


def test_many_labels_are_a_list_that_can_be_searched() -> None:
    few, many = (Task("t", "multiclass", tuple(Label(f"label {i}") for i in range(n))) for n in (25, 1500))
    assert 'layout="vertical"' in label_config(TASK)
    assert 'layout="select"' in label_config(few)
    control = read_control(label_config(many), many)
    assert (control.kind, len(control.choices)) == ("taxonomy", 1500)
    assert control.result(["label 7"], "q")["value"] == {"taxonomy": [["label 7"]]}


def test_a_project_may_name_things_as_it_likes() -> None:
    alias = ALL.replace('value="tea"', 'value="Tea time" alias="tea"') + '<Choice value="None fits"/>'
    control = read_control(with_choices(alias), TASK)
    assert (control.name, control.to, control.field) == ("c", "t", "product")
    assert control.choices == {"tea": "tea", "Käse & co": "Käse & co", "<b>": "<b>"}


def test_a_taxonomy_is_read_by_its_leaves() -> None:
    tree = '<Choice value="drinks"><Choice value="tea"/></Choice><Choice value="food"><Choice value="Käse &amp; co"/>'
    control = read_control(with_choices(f'{tree}<Choice value="&lt;b&gt;"/></Choice>', "Taxonomy"), TASK)
    assert control.choices == {"tea": ("drinks", "tea"), "Käse & co": ("food", "Käse & co"), "<b>": ("food", "<b>")}
    assert control.result(["tea"], "q")["value"] == {"taxonomy": [["drinks", "tea"]]}


TREE = task_of(
    "shelf",
    Taxonomy(
        (
            Node("1", ("Drinks",), -1),
            Node("11", ("Drinks", 'Tea & "leaves"'), 0, "hot"),
            Node("111", ("Drinks", 'Tea & "leaves"', "Green"), 1),
            Node("112", ("Drinks", 'Tea & "leaves"', "Other"), 1),
            Node("12", ("Drinks", "Other"), 0),
            Node("2", ("Food",), -1),
            Node("21", ("Food", "Other"), 5),
        )
    ),
)


def test_the_label_config_of_a_taxonomy_is_its_tree() -> None:
    written = label_config(TREE)
    tag = next(ElementTree.fromstring(written).iter("Taxonomy"))
    assert (tag.get("leafsOnly"), tag.get("showFullPath"), tag.get("pathSeparator")) == (None, "true", " > ")
    assert [one.get("value") for one in tag.iter("Choice")] == [one.name for one in TREE.taxonomy.nodes]  # type: ignore[union-attr]
    assert tag[0][0].get("hint") == "hot"
    control = read_control(written, TREE)
    assert control.choices == {name: tuple(name.split(" > ")) for name in TREE.names}
    assert control.result(["Food > Other"], "q")["value"] == {"taxonomy": [["Food", "Other"]]}


def test_a_project_may_lack_levels_where_no_label_is_lost() -> None:
    """Two nodes are called Other, so that their paths are needed; Green is one node."""
    deep = '<Choice value="Drinks"><Choice value="Green"/><Choice value="Other"/></Choice>'
    inner = '<Choice value="Food"><Choice value="Other"/></Choice>'
    with pytest.raises(UserError, match="lacks the labels 'Drinks > Tea & \"leaves\" > Other'; expected all"):
        read_control(with_choices(deep + inner, "Taxonomy"), TREE)


def test_a_taxonomy_that_is_too_large_for_a_page_is_refused() -> None:
    nodes = (Node("a", ("All",), -1), *(Node(f"n{i}", ("All", f"L{i}"), 0) for i in range(MOST_NODES)))
    with pytest.raises(UserError, match="the taxonomy has 10,001 labels and branches, .* takes at most 10,000"):
        label_config(task_of("t", Taxonomy(nodes)))


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("<View>", "is not XML"),
        ("<View></View>", "has 0 Choices and Taxonomy; expected one, with the task's labels"),
        (with_choices(ALL, more='choice="multiple"'), "Choices has choice='multiple'; expected \"single\""),
        (with_choices(ALL).replace("$product", "product"), "is not about a Text with a value such as $text"),
        (with_choices(ALL).replace("Text", "Image"), "is not about a Text"),
        (with_choices('<Choice value="tea"/>'), "lacks the labels 'Käse & co', '<b>'; expected all labels of the task"),
        (
            with_choices(ALL + '<Choice value="teas"/>'),
            "the choice 'teas', which is not a label .* did you mean 'tea'?",
        ),
        (with_choices("", more='value="$options"'), "lacks the labels"),
    ],
)
def test_other_projects_are_refused(xml: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("$", r"\$").replace("?", r"\?")):
        read_control(xml, TASK)


@pytest.mark.parametrize("xml", ["", "<View></View>", " <View/> ", "<View>\n</View>"])
def test_a_new_project_has_no_label_config(xml: str) -> None:
    assert is_empty(xml)
    assert not is_empty(label_config(TASK))


def test_a_character_that_xml_lacks_is_refused() -> None:
    with pytest.raises(UserError, match="has a character that XML lacks"):
        label_config(Task("t", "multiclass", (Label("a\ufffe"), Label("b"))))


def test_init_writes_the_label_config_of_labelled_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"text {i},{'tea & co' if i % 2 else 'milk'}\n" for i in range(50))
    (tmp_path / "data.csv").write_text("text,label\n" + rows)
    main(["init", str(tmp_path / "data.csv"), "--text", "text", "--label-studio", str(tmp_path / "config.xml")])
    assert capsys.readouterr().out.startswith("#")
    choices = ElementTree.parse(tmp_path / "config.xml").iter("Choice")
    assert {one.get("value") for one in choices} == {"tea & co", "milk"}


def test_init_of_data_without_labels_has_none_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data.csv").write_text("text\n" + "".join(f"text {i}\n" for i in range(50)))
    with pytest.raises(SystemExit) as left:
        main(["init", str(tmp_path / "data.csv"), "--text", "text", "--label-studio", str(tmp_path / "config.xml")])
    assert left.value.code == 2
    assert "has no column of labels; `laud questions push` gives the labels" in capsys.readouterr().err
    assert not (tmp_path / "config.xml").exists()
