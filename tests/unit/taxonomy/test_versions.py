"""Differences between two versions of a taxonomy, a test for each kind."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.taxonomy import Differences, Taxonomy, differences, read_lines, read_table
from tests.trees import Path, every_path, grown

Kinds = dict[str, list[str]]


def coded(text: str) -> Taxonomy:
    """Read lines such as "1 : Food > Tea = Tee", with another spelling of the name after =."""
    rows = [line.strip().partition(" : ") for line in text.strip().split("\n")]
    paths = [path.partition(" = ") for _, _, path in rows]
    columns = {
        "code": [code for code, _, _ in rows],
        "path": [path for path, _, _ in paths],
        "also": [also for _, _, also in paths],
    }
    return read_table(columns, "t.csv")


def plain(text: str) -> Taxonomy:
    paths = [line.strip().partition(" = ") for line in text.strip().split("\n")]
    return read_table({"path": [path for path, _, _ in paths], "also": [also for _, _, also in paths]}, "t.csv")


def kinds(found: Differences) -> Kinds:
    """Return the kinds that occur, with paths: "old -> new", or one path."""
    pairs = {
        name: [f"{found.old.label(old)} -> {found.new.label(new)}" for old, new in getattr(found, name)]
        for name in ("renamed", "moved", "split", "merged")
    }
    alone = {
        "removed": [found.old.label(old) for old in found.removed],
        "added": [found.new.label(new) for new in found.added],
        "asked": [found.new.label(new) for new in found.asked],
    }
    return {name: items for name, items in (pairs | alone).items() if items}


OLD = """
1 : Food
11 : Food > Tea
12 : Food > Milk
2 : Tools
21 : Tools > Saws
22 : Tools > Files
221 : Tools > Files > Rasps
222 : Tools > Files > Needle files
"""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"11 : Food > Tea": "11 : Food > Hot tea"}, {"renamed": ["Food > Tea -> Food > Hot tea"]}),
        ({" Tools": " Tooling"}, {"renamed": ["Tools -> Tooling"]}),
        (
            {"21 : Tools > Saws": "21 : Tools > Files > Saws"},
            {"moved": ["Tools > Saws -> Tools > Files > Saws"], "asked": ["Tools > Files > Saws"]},
        ),
        (
            {"22 : Tools > Files": "22 : Files", "Tools > Files > ": "Files > "},
            {"moved": ["Tools > Files -> Files"]},
        ),
        (
            {"21 : Tools > Saws": "21 : Food > Cheese saws"},
            {
                "renamed": ["Tools > Saws -> Food > Cheese saws"],
                "moved": ["Tools > Saws -> Food > Cheese saws"],
                "asked": ["Food > Cheese saws"],
            },
        ),
        (
            {"12 : Food > Milk": "12 : Food > Milk\n13 : Food > Rice"},
            {"added": ["Food > Rice"], "asked": ["Food > Rice"]},
        ),
        ({"21 : Tools > Saws\n": ""}, {"removed": ["Tools > Saws"]}),
        (
            {"11 : Food > Tea": "11 : Food > Tea\n111 : Food > Tea > Green\n112 : Food > Tea > Black"},
            {
                "split": ["Food > Tea -> Food > Tea"],
                "added": ["Food > Tea > Green", "Food > Tea > Black"],
                "asked": ["Food > Tea > Green", "Food > Tea > Black"],
            },
        ),
        # The node above became a leaf.
        (
            {"221 : Tools > Files > Rasps\n222 : Tools > Files > Needle files\n": ""},
            {"merged": ["Tools > Files > Rasps -> Tools > Files", "Tools > Files > Needle files -> Tools > Files"]},
        ),
        # Two levels are gone.
        (
            {OLD[OLD.index("21 :") :]: ""},
            {
                "merged": [
                    "Tools > Saws -> Tools",
                    "Tools > Files -> Tools",
                    "Tools > Files > Rasps -> Tools",
                    "Tools > Files > Needle files -> Tools",
                ]
            },
        ),
        # Another code has its name as another spelling, or as its name.
        (
            {"11 : Food > Tea\n": "", "12 : Food > Milk": "12 : Food > Milk and tea = Tea"},
            {"renamed": ["Food > Milk -> Food > Milk and tea"], "merged": ["Food > Tea -> Food > Milk and tea"]},
        ),
        (
            {"21 : Tools > Saws\n": "", "> Files": "> Cutters", "> Cutters\n": "> Cutters = Saws\n"},
            {
                "renamed": ["Tools > Files -> Tools > Cutters"],
                "merged": ["Tools > Saws -> Tools > Cutters"],
            },
        ),
        (
            {"11 : Food > Tea\n": "", "12 : Food > Milk": "12 : Food > Tea"},
            {"renamed": ["Food > Milk -> Food > Tea"], "merged": ["Food > Tea -> Food > Tea"]},
        ),
        # The same path has another code.
        ({"11 : Food > Tea": "99 : Food > Tea"}, {}),
    ],
)
def test_with_codes(change: dict[str, str], expected: Kinds) -> None:
    text = OLD
    for before, after in change.items():
        assert before in text
        text = text.replace(before, after)
    found = differences(coded(OLD), coded(text))
    assert kinds(found) == expected
    check(found)


PLAIN = "\n".join(line.partition(" : ")[2] for line in OLD.strip().split("\n"))


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (PLAIN, {}),
        # A name that one node has tells where it moved.
        (
            PLAIN.replace("Tools > Saws", "Food > Saws"),
            {"moved": ["Tools > Saws -> Food > Saws"], "asked": ["Food > Saws"]},
        ),
        # What is below a node that moved has not moved itself.
        (
            PLAIN.replace("Tools > Files", "Files"),
            {"moved": ["Tools > Files -> Files"]},
        ),
        # A node above the same nodes has another name.
        (
            PLAIN.replace("Files >", "Rasping >").replace("> Files", "> Rasping"),
            {"renamed": ["Tools > Files -> Tools > Rasping"]},
        ),
        (PLAIN.replace("Tools", "Tooling"), {"renamed": ["Tools -> Tooling"]}),
        # A leaf of another name is another leaf, unless it has the old name as another spelling.
        (
            PLAIN.replace("Tea", "Herb tea"),
            {"removed": ["Food > Tea"], "added": ["Food > Herb tea"], "asked": ["Food > Herb tea"]},
        ),
        (PLAIN.replace("Food > Tea", "Food > Herb tea = Tea"), {"renamed": ["Food > Tea -> Food > Herb tea"]}),
        (
            PLAIN.replace("Food > Tea\n", "").replace("Food > Milk", "Food > Drinks = Tea|Milk"),
            {"merged": ["Food > Tea -> Food > Drinks", "Food > Milk -> Food > Drinks"]},
        ),
        (
            PLAIN.replace("Food > Tea", "Food > Tea\nFood > Tea > Green"),
            {
                "split": ["Food > Tea -> Food > Tea"],
                "added": ["Food > Tea > Green"],
                "asked": ["Food > Tea > Green"],
            },
        ),
    ],
)
def test_without_codes(new: str, expected: Kinds) -> None:
    found = differences(plain(PLAIN), plain(new))
    assert kinds(found) == expected
    check(found)


def test_what_is_below_a_node_of_another_name_is_recognised_too() -> None:
    old = "Shoes > Sneakers\nShoes > Other > Laces\nCoats > Parkas\nCoats > Other > Belts"
    found = differences(plain(old), plain(old.replace("Shoes", "Footwear").replace("Laces", "Shoelaces = Laces")))
    assert kinds(found) == {
        "renamed": ["Shoes -> Footwear", "Shoes > Other > Laces -> Footwear > Other > Shoelaces"],
    }


def test_nodes_that_are_put_together_below_a_new_one_move() -> None:
    found = differences(plain("X > Tea\nY > Milk\nZ"), plain("New > Tea\nNew > Milk\nZ"))
    assert kinds(found) == {
        "moved": ["X > Tea -> New > Tea", "Y > Milk -> New > Milk"],
        "removed": ["X", "Y"],
        "added": ["New"],
        "asked": ["New > Tea", "New > Milk"],
    }


def test_a_name_that_many_nodes_share_does_not_tell_where_a_node_went() -> None:
    old = "Food > Other\nFood > Tea\nTools > Other\nTools > Saws\nToys > Other\nToys > Cars"
    found = differences(plain(old), plain(old.replace("Food > Other\n", "").replace("Tools > Other\n", "")))
    assert kinds(found) == {"removed": ["Food > Other", "Tools > Other"]}


def test_two_nodes_of_one_name_become_one() -> None:
    old = "1 : Kitchen > Kettles\n2 : Kitchen > Pans\n3 : Electric > Kettles\n4 : Electric > Lamps"
    found = differences(coded(old), coded(old.replace("1 : Kitchen > Kettles\n", "")))
    assert kinds(found) == {"merged": ["Kitchen > Kettles -> Electric > Kettles"]}


def test_codes_may_be_added_to_paths() -> None:
    found = differences(plain(PLAIN), coded(OLD.replace("Tools > Saws", "Food > Saws")))
    assert kinds(found) == {"moved": ["Tools > Saws -> Food > Saws"], "asked": ["Food > Saws"]}
    assert len(found.unchanged) == 7


def test_lines_for_a_person() -> None:
    new = OLD.replace("> Tea", "> Hot tea").replace("21 : Tools > Saws", "21 : Saws\n211 : Saws > Jig saws\n9 : Rice")
    found = differences(coded(OLD), coded(new.replace("12 : Food > Milk\n", "")))
    assert found.lines() == [
        "5 of 8 nodes are unchanged; 1 renamed, 1 moved, 1 split, 1 removed, 2 new",
        "renamed: 'Food > Tea' (11) -> 'Food > Hot tea' (11)",
        "moved: 'Tools > Saws' (21) -> 'Saws' (21)",
        "split: 'Tools > Saws' (21) -> 'Jig saws'",
        "removed: 'Food > Milk' (12)",
        "new: 'Saws > Jig saws' (211)",
        "new: 'Rice' (9)",
    ]
    assert differences(coded(OLD), coded(OLD)).lines() == ["8 of 8 nodes are unchanged"]
    recoded = differences(coded(OLD), coded(OLD.replace("11 :", "110 :")))
    assert recoded.lines() == ["8 of 8 nodes are unchanged, 1 of them has another code"]
    many = differences(plain("a > b\na > c"), plain("a > b\na > c\n" + "\n".join(f"d > {i}" for i in range(30))))
    assert many.lines(2)[1:] == ["new: 'd'", "new: 'd > 0'", "new: 29 more"]


def check(found: Differences) -> None:
    """Check what holds for any two versions."""
    merged = dict(found.merged)
    alone = [new for old, new in found.kept.items() if old not in merged]
    assert len(set(alone)) == len(alone)
    assert sorted([*found.kept, *found.removed]) == list(range(len(found.old.nodes)))
    assert sorted({*found.kept.values(), *found.added}) == list(range(len(found.new.nodes)))
    assert set(found.asked) <= set(found.new.leaves.tolist())
    assert not set(found.kept.values()) & set(found.added)


@settings(deadline=None)
@given(every_path(), st.booleans())
def test_no_change_leaves_all_unchanged(paths: list[Path], with_codes: bool) -> None:
    taxonomy = grown(paths, {path: f"c{i}" for i, path in enumerate(paths)} if with_codes else None)
    found = differences(taxonomy, taxonomy)
    assert found.kept == {i: i for i in range(len(paths))}
    assert (len(found.unchanged), kinds(found)) == (len(paths), {})


def written(paths: list[Path], codes: dict[Path, str], rng: random.Random) -> Taxonomy:
    """Read the paths in a random order, with the codes if there are any."""
    paths = rng.sample(paths, len(paths))
    columns = {"path": [" > ".join(path) for path in paths]}
    return read_table(columns | ({"code": [codes[path] for path in paths]} if codes else {}), "t.csv")


@settings(deadline=None, max_examples=60)
@given(every_path(), every_path(), st.sampled_from(["", "old", "new", "both"]), st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_nothing(old: list[Path], new: list[Path], coded: str, rng: random.Random) -> None:
    codes = [f"c{i}" for i in range(max(len(old), len(new)))]
    old_codes = dict(zip(rng.sample(old, len(old)), codes, strict=False)) if coded in ("old", "both") else {}
    new_codes = dict(zip(rng.sample(new, len(new)), codes, strict=False)) if coded in ("new", "both") else {}
    first = differences(written(old, old_codes, rng), written(new, new_codes, rng))
    second = differences(written(old, old_codes, rng), written(new, new_codes, rng))
    check(first)
    assert {name: sorted(items) for name, items in kinds(first).items()} == {
        name: sorted(items) for name, items in kinds(second).items()
    }


def test_lines_in_another_order_are_the_same_taxonomy() -> None:
    lines = [f"{i} - Group {i % 7} > Thing {i}" for i in range(7, 60)]
    found = differences(read_lines("\n".join(lines), "a.txt"), read_lines("\n".join(reversed(lines)), "b.txt"))
    assert kinds(found) == {}
