"""Lines of Google's and Shopify's taxonomies, and lines without ids."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laud_ray.errors import ConfigError
from laud_ray.taxonomy import read_lines
from tests.trees import Path, every_path, grown, leaves

GOOGLE = """# Google_Product_Taxonomy_Version: 2021-09-21
1 - Animals & Pet Supplies
3237 - Animals & Pet Supplies > Live Animals
2 - Animals & Pet Supplies > Pet Supplies
3 - Animals & Pet Supplies > Pet Supplies > Bird Supplies
166 - Apparel & Accessories
"""
SHOPIFY = """# Shopify Product Taxonomy - Categories
# Format: {GID} : {Ancestor name} > ... > {Category name}

gid://shopify/TaxonomyCategory/ap    : Animals & Pet Supplies
gid://shopify/TaxonomyCategory/ap-1  : Animals & Pet Supplies > Live Animals
gid://shopify/TaxonomyCategory/ap-2  : Animals & Pet Supplies > Pet Supplies
gid://shopify/TaxonomyCategory/ap-2-1: Animals & Pet Supplies > Pet Supplies > Bird Supplies
gid://shopify/TaxonomyCategory/aa    : Apparel & Accessories
"""
PLAIN = "\ufeffAnimals > Live Animals\r\n\r\nAnimals > Pet Supplies > Bird Supplies\r\nApparel"


def said(text: str, separator: str = " > ") -> str:
    with pytest.raises(ConfigError) as raised:
        read_lines(text, "t.txt", separator=separator)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_google() -> None:
    taxonomy = read_lines(GOOGLE, "t.txt")
    assert read_lines("\ufeff" + GOOGLE.partition("\n")[2].replace("\n", "\r"), "t.txt") == taxonomy
    assert [node.code for node in taxonomy.nodes] == ["1", "3237", "2", "3", "166"]
    assert taxonomy.label(3) == "Animals & Pet Supplies > Pet Supplies > Bird Supplies"


def test_shopify() -> None:
    taxonomy = read_lines(SHOPIFY, "t.txt")
    assert [node.code.rpartition("/")[2] for node in taxonomy.nodes] == ["ap", "ap-1", "ap-2", "ap-2-1", "aa"]
    assert taxonomy.find("gid://shopify/TaxonomyCategory/ap-2-1") == 3
    assert [node.path for node in taxonomy.nodes] == [node.path for node in read_lines(GOOGLE, "t.txt").nodes]


def test_lines_of_leaves_alone_imply_the_nodes_above() -> None:
    taxonomy = read_lines(PLAIN, "t.txt")
    assert [node.path[-1] for node in taxonomy.nodes] == [
        "Animals",
        "Live Animals",
        "Pet Supplies",
        "Bird Supplies",
        "Apparel",
    ]
    assert taxonomy.nodes[2].code == "Animals > Pet Supplies"


def test_leaves_alone_may_have_ids() -> None:
    taxonomy = read_lines("a1 : Food > Tea\na2 : Food > Milk", "t.txt")
    assert [node.code for node in taxonomy.nodes] == ["Food", "a1", "a2"]


@pytest.mark.parametrize(
    "text",
    [
        "01 - Animals > 011 - Cows\n01 - Animals > 012 - Goats\n02 - Plants > 021 - Trees\n02 - Plants > 022 - Herbs",
        "Food : fresh > Tea\nFood : fresh > Milk\nFood : dry > Rice\nTools : hand > Saws",
        "Food > Tea\n5 - 6 years > Toys\nFood > Milk",
    ],
)
def test_numbers_and_colons_in_names_are_no_ids(text: str) -> None:
    assert sorted(node.code for node in read_lines(text, "t.txt").nodes if " > " in node.code) == sorted(
        text.split("\n")
    )


@pytest.mark.parametrize("separator", [">", "/", "|", " :: ", "\t"])
def test_other_separators(separator: str) -> None:
    taxonomy = read_lines(
        separator.join(["Food", "Tea"]) + "\n" + separator.join(["Food", "Milk"]), "t.txt", separator=separator
    )
    assert [node.path for node in taxonomy.nodes] == [("Food",), ("Food", "Tea"), ("Food", "Milk")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.txt: has no labels; expected at least two leaves"),
        ("# only this", "t.txt: has no labels; expected at least two leaves"),
        ("Food > Tea > Green", "t.txt: has one leaf, 'Food > Tea > Green'; expected at least two leaves"),
        (
            "Food\nTools",
            "t.txt: the separator ' > ' is not valid; expected one that occurs in the lines, unlike in 'Food'",
        ),
        (
            "Food/Tea\nFood/Milk\nTools/Saws\nTools/Files",
            "t.txt: the separator ' > ' is not valid; expected one that occurs in the lines, such as '/'",
        ),
        ("Food > Tea\n\nFood >  > Milk", "t.txt line 3: 'Food >  > Milk' is not valid; expected a name at each level,"),
        ("Food > Tea\nFood > ", "t.txt line 2: 'Food > ' is not valid; expected a name at each level"),
        (
            "Food > Tea\nFood > \x1b[31m",
            r"t.txt line 2: '\x1b[31m' is not valid; expected a name of visible characters",
        ),
        (
            "Food > Tea\nFood > Milk\nFood  > Tea\u200b",
            "t.txt line 3: 'Food > Tea' is a duplicate of t.txt line 1; expected each path once",
        ),
        (
            "1 - Food\n2 - Food > Tea\n2 - Food > Milk",
            "t.txt line 3: the code '2' is a duplicate of t.txt line 2; expected each code once",
        ),
        (
            "1 - Food\n2 - Food > Tea\nFood > Milk",
            "t.txt line 3: 'Food > Milk' is not valid; expected an id before the path, as in other lines, such as '166",
        ),
        (
            "1 - Food\n2 - Food > Tea\n3 - Tools > Saws",
            "t.txt line 3: 'Tools > Saws' is not valid; expected 'Tools' to be listed too, as other nodes with nodes",
        ),
        (
            "Food\nFood > Tea\nFood > Tea > Green > Fine",
            "t.txt line 3: 'Food > Tea > Green > Fine' is not valid; expec",
        ),
        (
            "Food > Tea\nFood > Milk\nFood > Rice\ngid://x/Y/1 : Tools > Saws",
            "t.txt line 1: 'Food > Tea' is not valid; expected an id before the path, as in other lines, such as 'gid:",
        ),
        (
            "Tools : Food > Tea\nb : Tools > Saws",
            "t.txt line 1: the code 'Tools' is the path of another node; expected a code that is not",
        ),
    ],
)
def test_mistakes_name_the_line(text: str, message: str) -> None:
    assert said(text).startswith(message)


@settings(deadline=None)
@given(every_path(), st.sampled_from([None, "{i} - {path}", "a-{i} : {path}", "gid://x/Y/{i}  : {path}"]), st.randoms())
def test_what_is_written_is_read_back(paths: list[Path], form: str | None, rng: random.Random) -> None:
    if max(map(len, paths)) == 1:
        return
    texts = [" > ".join(path) for path in paths]
    lines = texts if form is None else [form.format(i=1000 + i, path=text) for i, text in enumerate(texts)]
    taxonomy = read_lines("\n".join(lines), "t.txt")
    assert [node.path for node in taxonomy.nodes] == paths
    rng.shuffle(lines)
    again = read_lines("\r\n".join(lines), "t.txt")
    assert {node.code: node.path for node in again.nodes} == {node.code: node.path for node in taxonomy.nodes}


@settings(deadline=None)
@given(every_path())
def test_leaves_written_alone_are_read_back(paths: list[Path]) -> None:
    bare = leaves(paths)
    if max(map(len, paths)) == 1:
        return
    lines = [f"gid://x/Y/{i} : {' > '.join(path)}" for i, path in enumerate(bare)]
    taxonomy = read_lines("\n".join(lines), "t.txt")
    codes = {path: " > ".join(path) for path in paths} | {path: f"gid://x/Y/{i}" for i, path in enumerate(bare)}
    assert taxonomy == grown(paths, codes)
