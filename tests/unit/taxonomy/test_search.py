"""Nodes are found by any words of their paths, by their codes, and by misspelt names."""

import pytest
from hypothesis import given

from laud_ray.taxonomy import Node, Taxonomy
from laud_ray.taxonomy.search import NodeSearch, fold
from tests.trees import Path, closed, every_path, grown

PATHS = {
    ("Drinks", "Tea", "Green tea"),
    ("Drinks", "Tea", "Black tea"),
    ("Drinks", "Coffee"),
    ("Food", "Crème fraîche"),
    ("Food", "Tea biscuits"),
    ("Food", "Steak"),
    ("Household", "Coffee machines"),
}


def named(found: tuple[int, ...], taxonomy: Taxonomy) -> list[str]:
    return [taxonomy.nodes[node].name for node in found]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("tea", ["Tea", "Tea biscuits", "Black tea", "Green tea"]),
        ("TEA gr", ["Green tea"]),
        ("drinks gre", ["Green tea"]),
        ("drinks tea", ["Tea", "Black tea", "Green tea"]),
        ("creme", ["Crème fraîche"]),
        ("eak", ["Steak"]),
        ("coffee", ["Coffee", "Coffee machines"]),
        ("Drinks > Tea > Black tea", ["Black tea"]),
        ("food", ["Food", "Steak", "Tea biscuits", "Crème fraîche"]),
        ("zzz", []),
        (" > ", []),
    ],
)
def test_all_words_are_somewhere_in_the_path_and_names_come_first(query: str, names: list[str]) -> None:
    taxonomy = grown(closed(PATHS))
    found = NodeSearch(taxonomy).find(query)
    assert (named(found.nodes, taxonomy), found.total) == (names, len(names))


def test_codes_and_descriptions_are_found_too() -> None:
    nodes = (
        Node("50", ("Food",), -1),
        Node("5010", ("Food", "Tea"), 0, "an infusion of leaves", ("Chai",)),
        Node("5020", ("Food", "Milk"), 0),
    )
    search = NodeSearch(Taxonomy(nodes))
    assert search.find("50").nodes == (0, 1, 2), "a code that is the query comes first"
    assert search.find("5010").nodes == (1,)
    assert search.find("infus").nodes == (1,)
    assert search.find("chai").nodes == (1,)


def test_the_number_of_results_is_bounded_and_the_total_told() -> None:
    taxonomy = grown(closed({("All", f"Thing {i}") for i in range(300)}))
    found = NodeSearch(taxonomy).find("thing", 50)
    assert (len(found.nodes), found.total) == (50, 300)


@given(every_path())
def test_every_node_is_first_for_its_path_or_its_code(paths: list[Path]) -> None:
    taxonomy = grown(paths)
    search = NodeSearch(taxonomy)
    for node in range(len(taxonomy.nodes)):
        assert search.find(taxonomy.label(node)).nodes[:1] == (node,)


@given(every_path())
def test_what_is_found_has_every_word_in_its_path(paths: list[Path]) -> None:
    taxonomy = grown(paths)
    search = NodeSearch(taxonomy)
    for query in ("tea", "gr", "a other", "5"):
        for node in search.find(query).nodes:
            path = fold(taxonomy.label(node))
            assert all(word in path for word in query.split())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Grean tea", "Green tea"),
        ("Drinks > Tea > Blck tea", "Black tea"),
        ("Elsewhere > Coffe", "Coffee"),
        ("qwxyz", None),
        ("", None),
    ],
)
def test_a_misspelt_name_is_near_the_right_one(text: str, name: str | None) -> None:
    taxonomy = grown(closed(PATHS))
    node = NodeSearch(taxonomy).nearest(text)
    assert (None if node is None else taxonomy.nodes[node].name) == name


def test_folding_takes_away_case_accents_and_space() -> None:
    assert fold("  Crème \t FRAÎCHE ") == "creme fraiche"
    assert fold("Straße") == "strasse"
