"""A taxonomy as a task and as a file."""

import pytest

from laud_ray.errors import ModelError
from laud_ray.taxonomy import read_lines
from laud_ray.taxonomy.task import dump, load, task_of
from laud_ray.taxonomy.tree import Node, Taxonomy

GOOGLE = "1 - Food\n2 - Food > Tea\n3 - Food > Milk > Oat milk\n5 - Food > Milk\n4 - Tools\n"


def test_leaves_are_the_labels_named_by_path_and_worded_by_name() -> None:
    taxonomy = read_lines("# Google_Product_Taxonomy_Version: 1\n" + GOOGLE, "google.txt")
    task = task_of("catalog", taxonomy)
    assert task.names == ("Food > Tea", "Food > Milk > Oat milk", "Tools")
    assert [label.wording for label in task.labels] == ["Tea", "Oat milk", "Tools"]
    assert task.kind == "taxonomy"
    assert task.taxonomy is taxonomy


def test_a_stored_taxonomy_is_the_same() -> None:
    nodes = (
        Node("a", ("Food",), -1, "what is eaten", ("Foods",)),
        Node("b", ("Food", "Thé vert"), 0),
        Node("c", ("Food", "Milk"), 0),
    )
    taxonomy = Taxonomy(nodes, " / ")
    assert load(dump(taxonomy), "taxonomy.json") == taxonomy


@pytest.mark.parametrize(
    "stored", [b"", b"[]", b'{"separator": " > "}', b'{"separator": " > ", "nodes": [["a", "b", 3]]}']
)
def test_something_else_is_refused(stored: bytes) -> None:
    with pytest.raises(ModelError, match=r"t\.json: is not a stored taxonomy"):
        load(stored, "t.json")
