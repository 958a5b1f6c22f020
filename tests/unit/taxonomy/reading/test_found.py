"""Paths that occur in data."""

import random
from collections import Counter
from pathlib import Path as File

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.errors import ConfigError
from laud_ray.labels import fold
from laud_ray.taxonomy import read_found
from tests.trees import Path, every_path, grown, leaves

UNSPSC = File(__file__).parents[4].parent / "shared/data/onet_unspsc"


def said(*counts: tuple[str, int]) -> str:
    with pytest.raises(ConfigError) as raised:
        read_found(counts, "t.parquet: the column 'label'")
    return str(raised.value)


def test_nodes_above_are_implied_and_siblings_are_sorted() -> None:
    taxonomy = read_found([("Food > Tea", 3), ("Food > Milk > Goat", 1), ("", 7), (" ", 1), ("Drinks", 1)], "t")
    assert [taxonomy.label(i) for i in range(5)] == [
        "Drinks",
        "Food",
        "Food > Milk",
        "Food > Milk > Goat",
        "Food > Tea",
    ]


def test_the_most_frequent_spelling_names_a_node() -> None:
    counts = [("food > TEA", 2), ("Food > Tea", 1), ("Food > Milk", 4), ("FOOD > tea", 1), ("food > Tea", 1)]
    taxonomy = read_found(counts, "t")
    assert [(taxonomy.label(i), node.also) for i, node in enumerate(taxonomy.nodes)] == [
        ("Food", ("food", "FOOD")),
        ("Food > Milk", ()),
        ("Food > TEA", ("Tea", "tea")),
    ]
    assert {taxonomy.find(text) for text, _ in counts if "ilk" not in text} == {2}


@settings(deadline=None)
@given(every_path(), st.randoms())
def test_the_order_of_the_data_does_not_matter(paths: list[Path], rng: random.Random) -> None:
    if max(map(len, paths)) == 1 or len({tuple(map(fold, path)) for path in paths}) < len(paths):
        return
    counts = [(" > ".join(path), i + 1) for i, path in enumerate(leaves(paths))]
    rng.shuffle(counts)
    assert read_found(counts, "t") == grown(paths)


def test_mistakes_name_the_value() -> None:
    place = "t.parquet: the column 'label'"
    assert said(("a > > b", 3), ("a > c", 1)) == (
        f"{place}: 'a > > b' is not valid; expected a name at each level, with ' > ' only between names (3 rows have "
        "it)"
    )
    assert said(("a > \x1b", 1)).endswith(r"'\x1b' is not valid; expected a name of visible characters (1 row has it)")
    assert (
        said(("a", 1), ("b", 1)) == f"{place}: has no path with the separator ' > '; expected paths of several levels"
    )
    assert said(("a > b", 9)) == f"{place}: has one leaf, 'a > b'; expected at least two leaves"
    assert said() == f"{place}: has no labels; expected at least two leaves"


@pytest.mark.skipif(not UNSPSC.exists(), reason="the shared inputs are not here")
def test_a_real_catalog() -> None:
    counts: Counter[str] = Counter()
    for part in ("train", "test"):
        counts.update(pq.read_table(UNSPSC / f"{part}.parquet").column("label").to_pylist())
    taxonomy = read_found(counts.items(), "label")
    assert [len(taxonomy.cut(depth)) for depth in range(1, taxonomy.levels + 1)] == [35, 172, 827, 4187]
    assert all(
        taxonomy.label(taxonomy.leaves[taxonomy.leaf_starts[taxonomy.find(text) or 0]]) == text for text in counts
    )
