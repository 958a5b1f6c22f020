"""A taxonomy at the page: bounded parts of the tree, search, answers at branches, and nothing that grows with it."""

import json
from pathlib import Path

import pytest

from laud_ray.config import TaskTree
from laud_ray.people.votes import current, votes
from laud_ray.store import trees
from laud_ray.store.run import CONFIG, look_at
from laud_ray.store.trees import CONFIGURATION
from laud_ray.taxonomy import Node, Taxonomy
from laud_ray.taxonomy.task import FILE, dump
from serve.annotate import desk as module
from serve.annotate.nodes import MOST_BELOW, MOST_FOUND, SMALL, Nodes
from tests.annotating import make_run
from tests.trees import closed, grown

from .conftest import Page

PATHS = {("Drinks", "Tea", "Green tea"), ("Drinks", "Tea", "Black tea"), ("Drinks", "Coffee"), ("Food", "Bread")}
LABELS = ("Drinks > Coffee", "Drinks > Tea > Black tea", "Drinks > Tea > Green tea", "Food > Bread")


def wide(n: int) -> Taxonomy:
    """A tree with n leaves right below one branch."""
    nodes = [Node("all", ("All",), -1), *(Node(f"n{i}", ("All", f"Leaf {i:05d}"), 0) for i in range(n))]
    return Taxonomy((*nodes, Node("z", ("Zoo",), -1)))


def test_the_tree_unfolds_a_level_at_a_time() -> None:
    nodes = Nodes(grown(closed(PATHS)))
    top = nodes.below(None)
    assert [(row["label"], row["leaves"]) for row in top["rows"]] == [("Drinks", 3), ("Food", 1)]
    below = nodes.below("Drinks")
    assert [(row["name"], row["above"], row["leaves"]) for row in below["rows"]] == [
        ("Coffee", ["Drinks"], 0),
        ("Tea", ["Drinks"], 2),
    ]
    assert nodes.below("Drinks > Coffee") == {"from": 0, "rows": [], "total": 0}


def test_a_small_tree_is_sent_whole_and_a_large_one_by_its_top() -> None:
    parts = Nodes(grown(closed(PATHS))).tree()["parts"]
    assert [part["under"] for part in parts] == [None, "Drinks", "Drinks > Tea", "Food"]
    assert [part["under"] for part in Nodes(wide(SMALL)).tree()["parts"]] == [None]


def test_what_leads_to_a_node_is_one_answer() -> None:
    nodes = Nodes(grown(closed(PATHS)))
    found = nodes.at("Drinks > Tea > Green tea")["levels"]
    assert [(level["under"], [row["name"] for row in level["rows"]]) for level in found] == [
        (None, ["Drinks", "Food"]),
        ("Drinks", ["Coffee", "Tea"]),
        ("Drinks > Tea", ["Black tea", "Green tea"]),
    ]
    assert [level["under"] for level in nodes.at("Drinks > Tea")["levels"]] == [None, "Drinks", "Drinks > Tea"]


def test_a_wide_branch_comes_in_parts() -> None:
    nodes = Nodes(wide(1000))
    first = nodes.below("All")
    assert (len(first["rows"]), first["total"]) == (MOST_BELOW, 1000)
    assert [row["name"] for row in nodes.below("All", 995)["rows"]] == [f"Leaf {i:05d}" for i in range(995, 1000)]
    part = nodes.at("All > Leaf 00777")["levels"][1]
    assert (part["from"], part["rows"][177]["name"]) == (600, "Leaf 00777")


def test_nothing_that_is_sent_grows_with_the_tree() -> None:
    nodes = Nodes(wide(30_000))
    answers = [nodes.tree(), nodes.below("All"), nodes.found("leaf"), nodes.at("All > Leaf 20000")]
    assert max(len(json.dumps(one)) for one in answers) < 60_000
    assert nodes.found("leaf")["total"] == 30_000
    assert len(nodes.found("leaf")["rows"]) == MOST_FOUND
    assert nodes.found("n123")["rows"][0]["label"] == "All > Leaf 00123", "by its code"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rules = "hidden: 0.0, team: 3, twice: 0.0"
    return make_run(tmp_path_factory.mktemp("tree") / "run", labels=LABELS, n=8, rules=rules, tree=LABELS)


@pytest.fixture
def ann(people: dict[str, Page]) -> Page:
    return people["ann"]


def test_questions_bring_the_nodes_that_they_name_and_the_labels_are_not_sent(ann: Page) -> None:
    assert ann.get("/v1/labels")["labels"] == []
    (question,) = ann.next()
    assert {row["label"] for row in question["nodes"]} == {label for label, _ in question["candidates"]}
    assert ann.get("/v1/nodes?find=black")["rows"][0]["name"] == "Black tea"
    assert ann.get("/v1/nodes")["total"] == 2
    assert ann.get("/v1/nodes?under=Food")["rows"][0]["label"] == "Food > Bread"


def test_a_branch_is_an_answer_and_settles_as_any_other(people: dict[str, Page], run: Path) -> None:
    """Two people who name the same node agree; one who names a label below the branch does not."""
    ann, bob = people["ann"], people["bob"]
    first, second = ann.next(2)
    assert ann.vote(first["id"], "Drinks > Tea").json()["receipts"][0]["state"] == "open", "the model says otherwise"
    assert ann.vote(second["id"], "Drinks > Tea").json()["receipts"][0]["state"] == "open"
    assert bob.vote(first["id"], "Drinks > Tea").json()["receipts"][0]["state"] == "settled"
    assert bob.vote(second["id"], "Drinks > Tea > Green tea").json()["receipts"][0]["state"] == "open"
    with look_at(str(run)) as folder:
        given = {one.vote.label for one in current(votes(folder.store.engine))}
    assert given == {"Drinks > Tea", "Drinks > Tea > Green tea"}


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/v1/nodes?under=Milk", 404, "'Milk' is not a node of the taxonomy; expected its path"),
        ("/v1/nodes?at=Drinks%20%3E%20Milk", 404, "is not a node of the taxonomy"),
        ("/v1/nodes?from=-1", 422, "from: '-1' is not valid; expected a whole number from 0 on"),
    ],
)
def test_what_is_not_there_is_refused(ann: Page, path: str, status: int, message: str) -> None:
    answer = ann.ask("GET", path)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_a_vote_for_no_node_is_refused(ann: Page) -> None:
    (question,) = ann.next()
    answer = ann.vote(question["id"], "Drinks > Milk")
    assert answer.status_code == 422
    assert "expected one of the task's labels" in answer.json()["error"]["message"]


def test_a_page_notices_another_version_of_the_taxonomy(ann: Page, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's configuration names its taxonomy; it is looked at again every second at most."""
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    before = ann.get("/v1/me")["labels"]
    assert ann.get("/v1/progress")["labels"] == before
    tree = TaskTree.of(grown(closed({*PATHS, ("Food", "Cake")})))
    with look_at(str(run)) as folder:
        task = folder.config.task.with_tree(tree)
        changed = folder.config.model_copy(update={"task": task})
        trees.keep(changed, folder.store.setting, folder.store.set)
        folder.store.set(CONFIGURATION, changed.dump())
        folder.folder.write(FILE, dump(tree.read()))
        folder.folder.write(CONFIG, changed.dump().encode())
    assert ann.get("/v1/me")["labels"] == tree.digest != before
    assert ann.get("/v1/progress")["labels"] == tree.digest
    assert ann.get("/v1/nodes?under=Food")["total"] == 2
