"""A taxonomy in a configuration: what is written, what is compared, and what it is refused with."""

import pytest
import yaml

from laud_ray import config
from laud_ray.config import RunConfig, TaskTree
from laud_ray.errors import ConfigError
from laud_ray.taxonomy import read_lines

TREE = read_lines("Food > Milk\nFood > Tea", "a.txt")


def parsed(labels: object = ("Food > Milk", "Food > Tea"), kind: str = "taxonomy", **more: object) -> RunConfig:
    task = {"name": "shop", "kind": kind, "labels": list(labels) if isinstance(labels, tuple) else labels}
    task |= {key: more.pop(key) for key in ("separator", "answers", "wording") if key in more}
    rest = {"corpus": {"path": "d.csv", "text": "text"}, "storage": "run", "oracle": {"kind": "replay", "label": "y"}}
    return config.parse(yaml.safe_dump({"task": task, **rest, **more}), "shop.yaml")


def test_the_yaml_of_a_run_refers_to_the_tree() -> None:
    found = parsed()
    assert found.task.tree == TaskTree.of(TREE)
    data = yaml.safe_load(found.dump())["task"]
    assert data == {
        "name": "shop",
        "kind": "taxonomy",
        "labels": {"path": "taxonomy.json", "sha256": TaskTree.of(TREE).digest},
        "separator": " > ",
        "answers": "leaf",
        "wording": "auto",
    }
    again = config.parse(found.dump())
    assert again == found
    assert config.changes(found, again) == []
    with pytest.raises(ConfigError, match="taxonomy.json is missing or is another one"):
        again.task.to_task()
    assert again.with_tree(TaskTree.of(TREE)).task.to_task() == found.task.to_task()


def test_a_column_is_written_until_it_is_read() -> None:
    found = parsed({"column": "y"})
    assert yaml.safe_load(found.dump())["task"]["labels"] == {"column": "y"}
    read = found.with_tree(TaskTree.of(TREE, "y"))
    assert yaml.safe_load(read.dump())["task"]["labels"]["column"] == "y"
    assert config.differences(read, parsed()) == []


def test_a_flat_task_has_no_keys_of_a_tree() -> None:
    found = parsed(("Tea", "Milk"), kind="multiclass")
    assert yaml.safe_load(found.dump())["task"].keys() == {"name", "kind", "labels"}
    assert found.task.tree is None


def test_the_task_has_the_leaves_as_labels() -> None:
    task = parsed(answers="any").task.to_task()
    assert (task.kind, task.names, task.inner) == ("taxonomy", ("Food > Milk", "Food > Tea"), True)
    assert [label.wording for label in task.labels] == ["Milk", "Tea"]
    assert not parsed().task.to_task().inner
    one = parsed()
    assert one.task.to_task() is one.task.to_task()


def test_another_taxonomy_is_a_difference() -> None:
    old, new = parsed(), parsed(("Food > Milk", "Food > Green tea", "Food > Black tea"))
    (line,) = config.differences(old, new)
    assert line.startswith("task.labels: 2 of 3 nodes are unchanged; 1 removed, 2 new; ")
    assert config.differences(old, parsed(("Food > Milk", "Food > Tea"))) == []
    assert config.differences(config.parse(old.dump()), config.parse(new.dump())) == ["task.labels: another taxonomy"]
    assert config.differences(old, parsed(answers="any")) == ["task.answers: leaf -> any"]
    flat = config.differences(old, parsed(("Tea", "Milk"), kind="multiclass"))
    assert flat == [
        "task.kind: taxonomy -> multiclass",
        "task.separator:  >  -> None",
        "task.answers: leaf -> None",
        "task.wording: auto -> None",
    ]


def test_the_promise() -> None:
    promise = parsed(promise={"accuracy": 0.9}).promise
    assert promise is not None
    assert promise.accuracy == 0.9
    assert parsed().promise is None
    for wrong in (0, 1, 90, "0.9"):
        with pytest.raises(ConfigError, match=r"promise.accuracy: .* is not valid; expected"):
            parsed(promise={"accuracy": wrong})
    with pytest.raises(ConfigError, match="promise: is not valid with task.kind: multiclass; expected .*: taxonomy"):
        parsed(("Tea", "Milk"), kind="multiclass", promise={"accuracy": 0.9})


@pytest.mark.parametrize("key", ["separator", "answers", "wording"])
def test_keys_of_a_taxonomy_alone(key: str) -> None:
    value = {"separator": "/", "answers": "any", "wording": "path"}[key]
    with pytest.raises(ConfigError, match=f"{key}: '{value}' is not valid; expected it only with kind: taxonomy"):
        parsed(("Tea", "Milk"), kind="multiclass", **{key: value})


def test_a_node_is_not_called_like_an_abstention() -> None:
    people: dict[str, object] = {"oracle": {"kind": "people"}}
    with pytest.raises(ConfigError, match="task.labels: the label 'Unsure' is not valid"):
        parsed(("Food > Milk", "Food > Unsure"), **people)
    tree = TaskTree.of(read_lines("Food > Milk\nFood > none fits", "a.txt"), "y")
    with pytest.raises(ConfigError, match="task.labels: the label 'none fits' is not valid"):
        parsed({"column": "y"}, **people).with_tree(tree)
