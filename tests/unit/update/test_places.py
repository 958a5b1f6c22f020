"""Where in a taxonomy a proposed label would stand."""

from laud_ray.types import Label, Task
from laud_ray.update.open_run import top_of
from laud_ray.update.places import likely, placed
from tests.trees import closed, grown

PATHS = ("Food > Drinks > Tea", "Food > Drinks > Coffee", "Food > Bread", "Tools > Saws")
TREE = grown(closed({tuple(path.split(" > ")) for path in PATHS}))


def test_the_deepest_node_above_most_members_is_the_parent() -> None:
    tree = TREE
    drinks = ["Food > Drinks > Tea", "Food > Drinks > Coffee", "Food > Drinks > Tea", "Tools > Saws"]
    assert placed(tree, "plant milk", drinks) == "Food > Drinks > plant milk"
    assert placed(tree, "rolls", ["Food > Bread", "Food > Drinks > Tea", None]) == "Food > rolls"
    assert placed(tree, "odds", ["Food > Bread", "Tools > Saws", None, "Toys"]) == "odds"
    assert placed(tree, "Tools > Files", drinks) == "Tools > Files"
    assert placed(tree, None, drinks) is None


def test_a_language_model_chooses_from_the_leaves_that_members_have() -> None:
    task = Task("food", "taxonomy", tuple(Label(path) for path in PATHS))
    found = likely(task, [["Food > Bread", "Food > Bread", None], ["Tools > Saws"]])
    assert (found.kind, found.names) == ("multiclass", ("Food > Bread", "Tools > Saws"))


def test_the_shares_of_the_topmost_nodes_that_divide_a_taxonomy_are_watched() -> None:
    names, groups = top_of(TREE)
    assert names == ("Food", "Tools")
    assert [names[group] for group in groups] == [TREE.label(leaf).split(" > ")[0] for leaf in TREE.leaves]
    below = grown(closed({("All", "Food", "Tea"), ("All", "Food", "Milk"), ("All", "Saws")}))
    names, groups = top_of(below)
    assert names == ("All > Food", "All > Saws")
    assert groups.tolist() == [0, 0, 1]
