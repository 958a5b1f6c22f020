"""A taxonomy: numbers, lookups, and the nodes above others."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.taxonomy import Node, Taxonomy, read_lines, read_table
from tests.trees import Path, every_path, grown, leaves

FOOD = read_lines(
    "f - Food\n1 - Food > Tea\n2 - Food > Tea > Other\n3 - Food > Milk\n4 - Tools\n5 - Tools > Other\n6 - Tools > Saws"
    "\n7 - Ärzte".replace(" - ", " : "),
    "t.txt",
)


def named(text: str) -> str | None:
    found = FOOD.find(text)
    return None if found is None else FOOD.nodes[found].code


def test_by_hand() -> None:
    assert [node.code for node in FOOD.nodes] == ["f", "1", "2", "3", "4", "5", "6", "7"]
    assert FOOD.parents.tolist() == [-1, 0, 1, 0, -1, 4, 4, -1]
    assert FOOD.ends.tolist() == [4, 3, 3, 4, 7, 6, 7, 8]
    assert FOOD.depths.tolist() == [1, 2, 3, 2, 1, 2, 2, 1]
    assert FOOD.leaves.tolist() == [2, 3, 5, 6, 7]
    assert FOOD.leaf_starts.tolist() == [0, 0, 0, 1, 2, 2, 3, 4]
    assert FOOD.leaf_stops.tolist() == [2, 1, 1, 2, 4, 3, 4, 5]
    assert [FOOD.cut(depth).tolist() for depth in (1, 2, 3)] == [[0, 4, 7], [1, 3, 5, 6, 7], [2, 3, 5, 6, 7]]
    assert FOOD.ancestors(2).tolist() == [0, 1]
    assert FOOD.ancestors(0).tolist() == []
    assert (FOOD.levels, FOOD.label(2), FOOD.nodes[2].name) == (3, "Food > Tea > Other", "Other")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2", "2"),
        (" 2\u200b", "2"),
        ("2.0", "2"),
        ("Food > Tea > Other", "2"),
        ("Food  > Tea >\u00a0Other", "2"),
        ("A\u0308rzte", "7"),
        ("Tea", "1"),
        ("Food > Other", None),
        ("Food > ", None),
        ("food", None),
        ("tea", None),
        ("", None),
        ("9", None),
    ],
)
def test_nodes_are_found_by_code_path_and_name(text: str, code: str | None) -> None:
    assert named(text) == code


def test_a_name_of_several_nodes_is_refused_with_their_paths() -> None:
    with pytest.raises(ValueError, match="'Other' is not valid; expected the whole path: ") as raised:
        FOOD.find("Other")
    assert str(raised.value).endswith(": 'Food > Tea > Other' or 'Tools > Other'")


def test_at_most_ten_of_them() -> None:
    many = read_lines("\n".join(f"Group {i} > Other" for i in range(13)), "t.txt")
    with pytest.raises(ValueError, match=r"'Group 9 > Other' or one of 3 more$"):
        many.find("Other")


def test_other_spellings_stand_for_names_and_in_paths() -> None:
    columns = {
        "path": ["Food", "Food > Tea", "Food > Milk", "Tee"],
        "also": ["Comida|food", "Tee | TEA", "", None],
    }
    taxonomy = read_table(columns, "t.csv")
    found = [taxonomy.find(one) for one in ("Comida", "TEA", "food > TEA", "Tee", "Food > Tee", "Tools > Tee")]
    assert found == [0, 1, 1, 3, 1, None]


def test_a_path_precedes_a_name() -> None:
    taxonomy = read_lines("Tea\nTea > Green\nFood\nFood > Tea", "t.txt")
    assert taxonomy.find("Tea") == 0


@settings(deadline=None)
@given(every_path())
def test_arrays_follow_from_the_paths(paths: list[Path]) -> None:
    taxonomy = grown(paths)
    below = {path: [i for i, one in enumerate(paths) if one[: len(path)] == path] for path in paths}
    bare = leaves(paths)
    for i, path in enumerate(paths):
        assert below[path] == list(range(i, taxonomy.ends[i]))
        assert taxonomy.depths[i] == len(path)
        assert [paths[one] for one in taxonomy.ancestors(i)] == [path[:depth] for depth in range(1, len(path))]
        under = bare[taxonomy.leaf_starts[i] : taxonomy.leaf_stops[i]]
        assert under == [one for one in bare if one[: len(path)] == path]
        assert taxonomy.find(taxonomy.label(i)) == taxonomy.find_path(path) == i
    assert [paths[one] for one in taxonomy.leaves] == bare


@settings(deadline=None)
@given(every_path(), st.integers(1, 6))
def test_a_cut_divides_the_leaves(paths: list[Path], depth: int) -> None:
    taxonomy = grown(paths)
    level = taxonomy.cut(depth)
    ranges = [range(taxonomy.leaf_starts[node], taxonomy.leaf_stops[node]) for node in level]
    assert [leaf for one in ranges for leaf in one] == list(range(len(taxonomy.leaves)))
    assert all(len(paths[node]) <= depth for node in level)
    every = np.arange(len(paths))
    assert [paths[node] for node in taxonomy.at_depth(every, depth)] == [path[:depth] for path in paths]
    assert set(taxonomy.at_depth(taxonomy.leaves, depth).tolist()) == set(level.tolist())


@settings(deadline=None)
@given(every_path())
def test_the_depth_that_two_nodes_share(paths: list[Path]) -> None:
    taxonomy = grown(paths)
    every = np.arange(len(paths))
    others = np.random.default_rng(len(paths)).permutation(every)
    expected = []
    for one, other in zip(every, others, strict=True):
        pairs = zip(paths[one], paths[other], strict=False)
        same = [a == b for a, b in pairs]
        expected.append(same.index(False) if False in same else len(same))
    assert taxonomy.shared_depth(every, others).tolist() == expected
    assert taxonomy.shared_depth(every, every).tolist() == taxonomy.depths.tolist()


def test_a_taxonomy_is_a_value() -> None:
    again = pickle.loads(pickle.dumps(FOOD))
    assert again == FOOD
    assert again.find("Food > Tea") == 1
    assert Taxonomy(FOOD.nodes, "/") != FOOD
    with pytest.raises(ValueError, match="read-only"):
        FOOD.parents[0] = 1


@pytest.mark.parametrize(
    "nodes",
    [
        (Node("a b", ("a", "b"), 1), Node("a", ("a",), -1)),
        (Node("a", ("a",), -1), Node("b", ("b",), -1), Node("a c", ("a", "c"), 0)),
        (Node("a", ("a",), -1), Node("b", ("a", "b", "c"), 0)),
        (Node("a", ("a",), -1), Node("a", ("b",), -1)),
    ],
)
def test_nodes_that_are_no_tree_are_refused(nodes: tuple[Node, ...]) -> None:
    with pytest.raises(ValueError, match="expected each"):
        Taxonomy(nodes)
