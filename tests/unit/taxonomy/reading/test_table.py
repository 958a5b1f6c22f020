"""A table with a row for each node."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.errors import ConfigError
from laud_ray.taxonomy import read_table
from laud_ray.taxonomy.reading.rows import Column
from tests.trees import Path, every_path, grown

LINKED: dict[str, Column] = {
    "code": ["12", "1", " 11 ", "2"],
    "parent": ["1.0", None, "1", ""],
    "name": ["Milk", "Food", "Tea", "Tools"],
    "description": ["white", None, " ", "saws"],
    "also": ["", "Comida | food|Food", None, None],
}


def said(columns: dict[str, Column], lines: list[int] | None = None) -> str:
    with pytest.raises(ConfigError) as raised:
        read_table(columns, "t.csv", lines=lines)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_parents_by_code_in_any_order() -> None:
    taxonomy = read_table(LINKED, "t.csv")
    assert [(node.code, node.path) for node in taxonomy.nodes] == [
        ("1", ("Food",)),
        ("12", ("Food", "Milk")),
        ("11", ("Food", "Tea")),
        ("2", ("Tools",)),
    ]
    assert [node.description for node in taxonomy.nodes] == [None, "white", None, "saws"]
    assert taxonomy.nodes[0].also == ("Comida", "food")


def test_parents_by_name() -> None:
    taxonomy = read_table({"parent": ["Food", None, "Tools", None], "name": ["Other", "Food", "Other", "Tools"]}, "t")
    assert [node.code for node in taxonomy.nodes] == ["Food", "Food > Other", "Tools", "Tools > Other"]


def test_paths() -> None:
    taxonomy = read_table({"path": ["Food / Tea", "Food", "Tools"], "code": ["1", "2", "3"]}, "t", separator=" / ")
    assert [(node.code, taxonomy.label(i)) for i, node in enumerate(taxonomy.nodes)] == [
        ("2", "Food"),
        ("1", "Food / Tea"),
        ("3", "Tools"),
    ]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"code": ["1"], "paht": ["a"]},
            "t.csv: the column 'paht' is unknown; expected a column path, or columns parent",
        ),
        ({"code": ["1"], "name": ["a"]}, "t.csv: has the columns 'code, name'; expected a column path, or columns"),
        ({"parent": [""], "path": ["a"]}, "t.csv: has the columns 'parent, path'; expected a column path, or columns"),
        ({"path": ["a", "b"], "code": ["1"]}, "t.csv: has columns of [1, 2] rows; expected columns of equal length"),
        ({"path": []}, "t.csv: has no labels; expected at least two leaves"),
        ({"path": ["a > b", None]}, "t.csv row 2: '' is not valid; expected a name at each level"),
        (
            {"path": ["a", "b"], "name": ["a", "c"]},
            "t.csv row 2: the name 'c' is not valid; expected the path's last, 'b'",
        ),
        (
            {"path": ["a", "b"], "code": ["1", ""]},
            "t.csv row 2: 'b' has no code; expected a code as in t.csv row 1, or no",
        ),
        (
            {"path": ["a", "b"], "code": ["1", "1 "]},
            "t.csv row 2: the code '1' is a duplicate of t.csv row 1; expected",
        ),
        (
            {"path": ["a", "a > b", "c > d"]},
            "t.csv row 3: 'c > d' is not valid; expected 'c' to be listed too, as other",
        ),
        (
            {"parent": ["", "1"], "name": ["a", ""]},
            "t.csv row 2: '' is not valid; expected a name of visible characters",
        ),
        (
            {"code": ["10", "11"], "parent": ["", "100"], "name": ["a", "b"]},
            "t.csv row 2: the parent '100' is not valid; expected the code of another row, or nothing at the top -",
        ),
        (
            {"code": list("1234"), "parent": ["", "4", "2", "3"], "name": list("abcd")},
            "t.csv row 2: the parent '4' is not valid: the parents form the circle '2' -> '4' -> '3' -> '2'; expected",
        ),
        (
            {"code": ["1", "2"], "parent": ["", "2"], "name": ["a", "b"]},
            "t.csv row 2: the parent '2' is not valid: the parents form the circle '2' -> '2'; expected parents",
        ),
        (
            {"parent": ["", "", "x", "y", "o"], "name": ["x", "y", "o", "o", "z"]},
            "t.csv row 5: the parent 'o' is not valid: it is the name of 2 rows; expected a column code, and",
        ),
        (
            {"code": list("123"), "parent": ["", "1", "1"], "name": ["a", "b", "b"]},
            "t.csv row 3: 'a > b' is a duplicate of t.csv row 2; expected each path once",
        ),
        (
            {"code": list("12"), "parent": ["", "1"], "name": ["a", "b > c"]},
            "t.csv row 2: 'b > c' is not valid; expected a name without the separator ' > ', or another separator",
        ),
        (
            {"path": ["a", "b"], "also": ["c", "x|c"]},
            "t.csv row 2: the other name 'c' is a duplicate of t.csv row 1; expected a name that no node beside it has",
        ),
        (
            {"path": ["a", "b"], "also": ["b", ""]},
            "t.csv row 1: the other name 'b' is a duplicate of t.csv row 2; expect",
        ),
        ({"path": ["a", "b"], "also": ["", "c\x1b"]}, r"t.csv row 2: 'c\x1b' is not valid; expected a name of visible"),
        (
            {"path": ["a", "b"], "code": ["1", "2\x00"]},
            r"t.csv row 2: '2\x00' is not valid; expected a name of visible",
        ),
    ],
)
def test_mistakes_name_the_row(columns: dict[str, Column], message: str) -> None:
    assert said(columns).startswith(message)


def test_a_large_circle_is_cut() -> None:
    codes: Column = [str(i) for i in range(50)]
    parents: Column = [str((i + 1) % 50) for i in range(50)]
    assert "'9' -> ... -> '0'; expected" in said({"code": codes, "parent": parents, "name": codes})


def test_lines_are_named_where_they_are_known() -> None:
    assert said({"path": ["a", "b", "a"]}, [2, 5, 9]).startswith("t.csv line 9: 'a' is a duplicate of t.csv line 2")


@settings(deadline=None)
@given(every_path(), st.randoms(), st.booleans())
def test_what_is_written_is_read_back(paths: list[Path], rng: random.Random, linked: bool) -> None:
    codes = {path: f"c{i}" for i, path in enumerate(paths)}
    expected = grown(paths, codes)
    rng.shuffle(paths)
    columns: dict[str, Column] = {"code": [codes[path] for path in paths]}
    if linked:
        columns |= {"parent": [codes.get(path[:-1]) for path in paths], "name": [path[-1] for path in paths]}
    else:
        columns["path"] = [" > ".join(path) for path in paths]
    found = read_table(columns, "t.csv")
    assert {(node.code, node.path) for node in found.nodes} == {(node.code, node.path) for node in expected.nodes}
    assert len(found.nodes) == len(expected.nodes)


def test_a_real_tree_of_diagnoses() -> None:
    icd = pytest.importorskip("simple_icd_10_cm", reason="simple-icd-10-cm is not installed (make llm)")
    listed = icd.get_all_codes(True)[:20_000]
    # A block of one category has the category's code.
    blocks = [code for code, times in Counter(listed).items() if times > 1]
    columns: dict[str, Column] = {
        "code": [f"{code}-{code}" for code in blocks] + list(dict.fromkeys(listed)),
        "parent": [icd.get_parent(code, prioritize_blocks=True) for code in blocks]
        + [f"{code}-{code}" if code in blocks else icd.get_parent(code) for code in dict.fromkeys(listed)],
        "name": [icd.get_description(code, prioritize_blocks=True) for code in blocks]
        + [icd.get_description(code) for code in dict.fromkeys(listed)],
    }
    taxonomy = read_table(columns, "icd")
    assert (len(taxonomy.nodes), taxonomy.levels) == (len(listed), 7)
    cholera = taxonomy.find("A00.1")
    assert cholera is not None
    assert [taxonomy.nodes[node].code for node in taxonomy.ancestors(cholera)] == ["1", "A00-A09", "A00"]
