"""Columns that hold paths, and columns that do not."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.taxonomy import looks_like_paths

DATA = Path(__file__).parents[4].parent / "shared/data"
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
TREE = [
    ("Food", "Drinks", "Green tea"),
    ("Food", "Drinks", "Coffee"),
    ("Food", "Bread"),
    ("Tools", "Saws"),
    ("Tools", "Files", "Rasps"),
    ("Tools", "Files", "Needle files"),
]


@pytest.mark.parametrize("separator", [" > ", ">", " >> ", " / ", "/", " | ", "|", " -> ", "::", " » ", " \\ "])
def test_paths_are_noticed_with_their_separator(separator: str) -> None:
    values = [separator.join(path) for path in TREE]
    assert looks_like_paths(values) == separator
    assert looks_like_paths([*values, None, " ", "Food"]) == separator


def test_a_few_invalid_paths_do_not_matter() -> None:
    values = [f"Food > Kind {i % 9} > Thing {i}" for i in range(300)]
    assert looks_like_paths([*values, "Food > > Thing"]) == " > "


def test_names_may_stand_at_several_places() -> None:
    values = [
        " > ".join(path) for path in product(["Men", "Women", "Kids"], ["Shoes", "Coats"], ["Sale", "New", "Old"])
    ]
    assert looks_like_paths(values) == " > "


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["Food > Tea"] * 9,
        ["Food > Tea", "Food > Milk"],
        ["Tea", "Milk", "Bread", "Saws", "Files"],
        ["Tea > 5 kg", "Milk", "Bread", "Saws", "Files", "Coffee"],
        [f"{year}/{month:02}/{day:02}" for year, month, day in product(range(2020, 2023), range(1, 13), range(1, 29))],
        [f"{day:02}/{month:02}/2020" for month, day in product(range(1, 13), range(1, 29))],
        [f"{a}/{b}" for a, b in product(range(1, 9), range(1, 9))],
        [f"https://shop.example/food/{name}" for name in "abcdefgh"],
        [f"shop.example/{kind}/{name}" for kind, name in product(["food", "tools"], "abcdefgh")],
        [f"/home/{user}/{name}" for user, name in product("ab", "cdef")],
        [f"<b>{name}</b><i>{name}</i>" for name in "abcdefgh"],
        ["|".join(kinds) for kinds in product(["Drama", "Comedy", "War", "Crime"], repeat=2)],
        ["Drama|Comedy", "Drama|War", "Comedy|War", "War|Crime", "Crime|Drama", "Crime|Comedy|War"],
        [f"Shop | {name} for the kitchen" for name in ("Kettle", "Knife", "Pan", "Bowl", "Spoon")],
        [f"{name} | Shop" for name in ("Kettle", "Knife", "Pan", "Bowl", "Spoon")],
        [f"fresh/frozen {name}" for name in ("peas", "beans", "corn", "kale")],
        [f"{a}{i} and/or {b}{i}, ready to eat" for i, (a, b) in enumerate(product(["ham", "egg"], ["rice", "oil"]))],
        # Combinations, links from a node to the next, numbers, and sentences.
        ["/".join(one) for one in product(["Shop A", "Shop B", "Shop C"], ["January", "May", "June"], WEEKDAYS)],
        [f"node {i // 3} -> node {i}" for i in range(1, 40)],
        [f"{a:02}/{a:02}{b:02}" for a, b in product(range(9), range(9))],
        [f"{'Not a name but a sentence ' * 4}{i % 3} / {'and another one ' * 8}{i}" for i in range(9)],
    ],
)
def test_other_columns_are_not_taken_for_paths(values: list[str]) -> None:
    assert looks_like_paths(values) is None


def columns() -> Iterator[tuple[str, list[str]]]:
    for file in sorted(DATA.glob("*/train.parquet")):
        for name, column in zip(*[(table := pq.read_table(file)).column_names, table.columns], strict=True):
            texts = column.combine_chunks().flatten() if pa.types.is_list(column.type) else column
            yield f"{file.parent.name} {name}", texts.cast(pa.string()).to_pylist()


@pytest.mark.skipif(not DATA.exists(), reason="the shared inputs are not here")
def test_the_one_column_of_paths_among_real_ones() -> None:
    found = {name: separator for name, values in columns() if (separator := looks_like_paths(values)) is not None}
    assert found == {"onet_unspsc label": " > "}
