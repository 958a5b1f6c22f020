"""A table with a column for each level."""

import pytest
from hypothesis import given, settings

from laud_ray.errors import ConfigError
from laud_ray.taxonomy import read_levels
from laud_ray.taxonomy.reading.rows import Column
from tests.trees import Path, every_path, grown, leaves


def columns(paths: list[Path]) -> dict[str, Column]:
    return {f"level {k}": [path[k] if k < len(path) else "" for path in paths] for k in range(max(map(len, paths)))}


def test_leaves_alone_with_codes() -> None:
    levels: dict[str, Column] = {"segment": ["Food", "Food ", "Tools"], "family": ["Tea", " Milk", None]}
    taxonomy = read_levels(levels, "t.csv", code=["1", "2", "3"])
    assert [node.code for node in taxonomy.nodes] == ["Food", "1", "2", "3"]
    assert taxonomy.depths.tolist() == [1, 2, 2, 1]


@settings(deadline=None)
@given(every_path())
def test_what_is_written_is_read_back(paths: list[Path]) -> None:
    assert read_levels(columns(paths), "t.csv") == grown(paths)
    assert read_levels(columns(leaves(paths)), "t.csv") == grown(paths)
    codes = {path: f"c{i}" for i, path in enumerate(paths)}
    assert read_levels(columns(paths), "t.csv", code=list(codes.values())) == grown(paths, codes)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([["Food", "", "Green"]], "t.csv line 3: 'b': '' is not valid; expected a name, because 'Green' is below it"),
        ([[" ", "Tea", ""]], "t.csv line 3: 'a': '' is not valid; expected a name, because 'Tea' is below it"),
        ([["", None, "\u200b"]], "t.csv line 3: 'a': '' is not valid; expected a name"),
        ([["Food", "Te\x1ba", ""]], r"t.csv line 3: 'Te\x1ba' is not valid; expected a name of visible characters"),
        ([["Food", "a > b", ""]], "t.csv line 3: 'a > b' is not valid; expected a name without the separator"),
        ([["x", "", ""]], "t.csv line 3: 'x' is a duplicate of t.csv line 2; expected each path once"),
    ],
)
def test_a_gap_names_the_row_and_the_column(levels: list[list[str | None]], message: str) -> None:
    rows: list[list[str | None]] = [["x", None, None], *levels]
    with pytest.raises(ConfigError) as raised:
        read_levels({name: [row[k] for row in rows] for k, name in enumerate("abc")}, "t.csv", lines=[2, 3])
    assert str(raised.value).startswith(message)


def test_columns_of_different_lengths() -> None:
    with pytest.raises(ConfigError, match=r"t.csv: has columns of \[1, 2\] rows"):
        read_levels({"a": ["x", "y"], "b": ["x"]}, "t.csv")
    with pytest.raises(ConfigError, match=r"t.csv: has columns of \[1, 2\] rows"):
        read_levels({"a": ["x", "y"]}, "t.csv", code=["1"])
