"""Paths that a taxonomy lacks."""

import pytest

from laud_ray.evaluation.outside import Outside
from laud_ray.taxonomy import read_lines

# 0 food > 1 tea > 2 green, 3 bread; 4 tools.
TREE = read_lines("Food\nFood > Tea\nFood > Tea > Green\nFood > Bread\nTools", "t.txt")


def test_paths_go_on_below_the_deepest_node_that_is_known() -> None:
    outside = Outside(TREE)
    assert outside.place("Food > Tea > Oolong > Loose") == (6, 2)
    assert outside.place("Food >  Tea > White") == (5, 2), "nothing tells it from Oolong"
    assert outside.place("Tools > Saws") == (7, 1), "a leaf of the taxonomy has a node outside below it"
    assert outside.place("Toys > Cars > Red") == (10, 0)
    assert outside.place("Toys > Dolls") == (9, 0)
    assert outside.parents == [1, 5, 4, -1, 8, 9]


@pytest.mark.parametrize("label", ["Oolong", "", "Food > > Oolong", " > ".join(["Food"] * 65)])
def test_what_is_no_path(label: str) -> None:
    outside = Outside(TREE)
    assert outside.place(label) is None
    assert outside.parents == []


def test_a_path_is_not_found_by_a_last_name() -> None:
    assert Outside(TREE).place("Tea > Oolong") == (6, 0)
