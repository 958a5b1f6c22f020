"""Columns that hold sets of labels, and columns that do not."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.planning.found_sets import FoundSets, separator_of

DATA = Path(__file__).parents[3].parent / "shared/data"
GENRES = ["Drama", "Comedy", "War", "Crime", "Western"]
EVERY = [list(one) for size in (1, 2, 3) for one in combinations(GENRES, size)]


def cells(values: Sequence[str]) -> dict[str, int]:
    return dict(Counter(values))


@pytest.mark.parametrize("separator", ["; ", ";", "|", " | ", ", ", ","])
@pytest.mark.parametrize("shuffled", [True, False])
def test_texts_of_several_labels_are_noticed(separator: str, shuffled: bool) -> None:
    rng = random.Random(0)
    sets = [rng.sample(one, len(one)) if shuffled else one for one in EVERY]
    assert separator_of(cells([separator.join(one) for one in sets])) == separator.strip()
    singles = [one for one in sets if len(one) == 1] * 40
    assert separator_of(cells([separator.join(one) for one in [*singles, *sets[5:9]]])) == separator.strip()


@pytest.mark.parametrize(
    "values",
    [
        [],
        GENRES,
        ["Drama; Comedy"] * 5,
        ["Soups, sauces, and gravies", "Beef", "Dairy and egg products", "Fats and oils", "Soups, canned", "Sauces"],
        ["Milk, whole", "Milk, skimmed", "Yogurt, whole", "Yogurt, skimmed", "Milk", "Yogurt"],
        [f"{a}|{b}" for a, b in product(["Food", "Tools"], ["Tea", "Saws", "Milk"])],
        ["Smith, John", "Doe, Jane", "Smith, Jane", "Doe, John"],
        ["3,5", "5,3", "3", "5", "3,3", "5,5"],
        ["1,000", "2,000", "1,500", "3,000", "1,200"],
        ["ha, ha", "ho, ho", "ha", "ho", "ha, ho"],
        [f"https://shop.example/a;{i}" for i in range(3)] + ["a;b", "b;a", "a", "b"],
        [f"text {i}, with a clause of its own, and a last one {i}" for i in range(40)],
    ],
)
def test_other_columns_are_not_taken_for_sets(values: Sequence[str]) -> None:
    assert separator_of(cells(values)) is None


def test_lists_of_numbers_are_sets_if_they_cannot_be_decimals() -> None:
    assert separator_of(cells(["1,2,3", "2,3", "1", "3,1", "2"])) == ","
    assert separator_of(cells(["1;2", "2;3", "1", "3;1", "2", "3"])) == ";"


def test_a_limit_is_believed_only_if_documents_pile_up_at_it() -> None:
    def sets_of(sizes: dict[int, int]) -> FoundSets:
        found = FoundSets()
        for size, rows in sizes.items():
            found.add([f"l{i}" for i in range(size)], rows)
        found.counts.add({f"l{i}": 1 for i in range(9)})
        return found

    assert sets_of({1: 200, 2: 100, 3: 60}).at_most() == 3
    assert sets_of({1: 200, 2: 40, 3: 8}).at_most() is None
    assert sets_of({0: 100, 1: 200}).at_most() == 1
    assert sets_of({1: 200}).at_most() is None
    assert sets_of({8: 100, 9: 100}).at_most() is None  # all labels are no limit
    assert sets_of({1: 200, 2: 100}).mean == pytest.approx(4 / 3)


def columns() -> Iterator[tuple[str, list[str]]]:
    for file in sorted(DATA.glob("*/test.parquet")):
        table = pq.read_table(file)
        for name, column in zip(table.column_names, table.columns, strict=True):
            if not pa.types.is_list(column.type):
                yield f"{file.parent.name} {name}", column.cast(pa.string()).to_pylist()


@pytest.mark.skipif(not DATA.exists(), reason="the shared inputs are not here")
def test_no_real_column_of_single_labels_or_texts_holds_sets() -> None:
    assert [name for name, values in columns() if separator_of(cells(values)) is not None] == []


@pytest.mark.skipif(not DATA.exists(), reason="the shared inputs are not here")
@pytest.mark.parametrize("separator", [";", "|", "; "])
def test_a_real_column_of_lists_is_noticed_when_it_is_joined(separator: str) -> None:
    lists = pq.read_table(DATA / "onet_users_multilabel/test.parquet")["labels"].to_pylist()
    assert separator_of(cells([separator.join(one) for one in lists])) == separator.strip()
