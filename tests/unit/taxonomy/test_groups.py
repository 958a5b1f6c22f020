"""Groups of classes: the nodes of a level, whose probabilities are sums."""

import numpy as np
import pytest

from laud_ray.taxonomy import read_found
from laud_ray.taxonomy.groups import Groups, groups_of, single
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Label, Task

PATHS = [f"All > Food > {kind} > {name}" for kind in ("Tea", "Milk") for name in ("a", "b", "c")]
PATHS += ["All > Tools > Saws", "All > Tools > Files", "All > Other"]
TREE = read_found([(path, 1) for path in PATHS], "t")


def groups(most: int) -> Groups:
    return groups_of(task_of("t", TREE), most)


@pytest.mark.parametrize(
    ("most", "names"),
    [
        (100, tuple(TREE.label(leaf) for leaf in TREE.leaves)),
        (5, ("All > Food > Milk", "All > Food > Tea", "All > Other", "All > Tools > Files", "All > Tools > Saws")),
        (4, ("All > Food", "All > Other", "All > Tools")),
        (2, ("All > Food", "All > Other", "All > Tools")),
    ],
)
def test_the_deepest_level_with_few_enough_nodes_and_never_one_node_alone(most: int, names: tuple[str, ...]) -> None:
    assert groups(most).names == names


def test_sums_are_of_the_leaves_below() -> None:
    found = groups(5)
    proba = np.arange(9, dtype=np.float32)[None] / 36
    assert found.sums(proba) * 36 == pytest.approx(np.array([[0 + 1 + 2, 3 + 4 + 5, 6, 7, 8]]), rel=1e-6)
    assert found.sizes.tolist() == [3, 3, 1, 1, 1]
    assert found.spread(np.array([5, 4, 3, 2, 1])).tolist() == [5, 5, 5, 4, 4, 4, 3, 2, 1]


def test_a_label_is_in_the_group_above_it_and_a_node_above_several_groups_in_none() -> None:
    found = groups(5)
    assert found.name_of("All > Food > Tea > b") == "All > Food > Tea"
    assert found.name_of("All > Food > Tea") == "All > Food > Tea"
    assert found.name_of("All > Food") is None
    assert found.name_of("strange") is None
    assert found.name_of(None) is None


def test_the_classes_of_other_tasks_are_not_grouped() -> None:
    task = Task("t", "multiclass", tuple(Label(f"l{i}") for i in range(2000)))
    found = groups_of(task)
    assert found.single
    assert found.names == task.names == single(task.names).names
    proba = np.full((2, 2000), 1 / 2000)
    assert found.sums(proba) is proba
