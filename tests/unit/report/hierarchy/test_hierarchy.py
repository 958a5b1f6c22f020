"""What people and scripts read about a run with a taxonomy."""

import json
from dataclasses import asdict, replace
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console, RenderableType

from laud_ray.evaluation.buy import Bought
from laud_ray.evaluation.labelled_file import LabelledFigures
from laud_ray.report.bought import bought_json, bought_view
from laud_ray.report.hierarchy.json_form import hierarchy_json
from laud_ray.report.hierarchy.tree import Branch, branches
from laud_ray.report.labelled import labelled_json, labelled_view
from laud_ray.report.run import page, tables, terminal
from laud_ray.report.run.json_form import to_json
from laud_ray.report.run.summary import LeavesShown, QueryShown, RunSummary
from laud_ray.stats import figures as flat_figures
from laud_ray.stats.hierarchy import leaf_figures
from laud_ray.store import round_results
from laud_ray.taxonomy import read_lines
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Figures, RoundResult, Task
from tests.catalog import answered, catalog
from tests.unit.stats.hierarchy.trees import sampled

TREE = read_lines("Food\nFood > Tea\nFood > Tea > <b>Green</b>\nFood > Tea > Black\nFood > Bread\nTools", "t.txt")
TRUE, PREDICTED = np.array([2, 2, 2, 2, 4, 5, 1] * 5), np.array([2, 3, 2, 4, 4, 2, 2] * 5)


@cache
def figures() -> Figures:
    return leaf_figures(sampled(TRUE, PREDICTED), task_of("food", TREE), seed=0)


@cache
def large() -> Figures:
    taxonomy = catalog(30, 20, 50)
    return leaf_figures(answered(taxonomy, 3000), task_of("shop", taxonomy), seed=0)


def run_of(found: Figures, leaves: LeavesShown, labels: tuple[str, ...]) -> RunSummary:
    history = tuple(
        RoundResult(
            i, f"round-000{i}", 50 * i, 400, 900, found, None if not i else 0.5, accepted=True, seconds={"train": 60.0}
        )
        for i in range(3)
    )
    return RunSummary(
        name="shop", kind="taxonomy", labels=labels, state="finished", stop_reason="budget", current_model="round-0002",
        history=history, corpus={"documents": 1000}, annotations={"query": 100}, budget=400, cost=0.0, not_found=(),
        queries=(), models=(), config_yaml="", versions={}, storage="runs/shop", leaves=leaves,
    )  # fmt: skip


def small_run() -> RunSummary:
    return run_of(figures(), LeavesShown(4, 3, 3, 2), task_of("food", TREE).names)


@cache
def large_page() -> str:
    return page.render(run_of(large(), LeavesShown(30_000, 3, 812, 0), ()))


def shown(view: RenderableType, width: int = 110) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(view)
    return capture.get()


class Tags(HTMLParser):
    """Counts how deep the details of a page lie in each other, and holds its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.depth = self.deepest = self.details = 0
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "details":
            self.depth, self.details = self.depth + 1, self.details + 1
            self.deepest = max(self.deepest, self.depth)

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "details"

    def handle_data(self, data: str) -> None:
        self.text += data


def test_status_has_the_levels_and_counts_leaves() -> None:
    text = shown(terminal.status_view(small_run()))
    flat = " ".join(text.split())
    assert "taxonomy, 4 leaves in 3 levels" in flat
    assert "leaves 3 of 4 have an annotation, 1 have none; 2 answers are inner nodes" in flat
    assert "hierarchical F1" in flat
    assert "macro-F1: over the nodes with at least 10 documents of the sample" in flat
    tree = figures().hierarchy
    assert tree is not None
    assert f"{100 * tree.levels[0].accuracy.value:.1f} % [" in flat
    assert "share 1.86 [" in flat
    assert (
        "confused most, with their documents: Food > Tea as Bread (5) Food > Tea > <b>Green</b> as Black (5) Tools as"
        in flat
    )
    assert "n = 30 of 35 sampled documents" not in flat
    for width in (80, 60):
        narrow = shown(terminal.status_view(small_run()), width)
        assert max(map(len, narrow.splitlines())) <= width


def test_rounds_are_compared_by_hierarchical_f1() -> None:
    run = small_run()
    worse = leaf_figures(sampled(TRUE, np.zeros_like(TRUE) + 3), task_of("food", TREE), seed=0)
    first, second, third = run.history
    run = replace(run, history=(first, replace(second, figures=worse, accepted=False), replace(third, figures=worse)))
    lines = shown(tables.rounds_table(run.history), 140).splitlines()
    difference = 100 * (worse.compared.value - figures().compared.value)
    rows = [line for line in lines if "round-000" in line]
    assert [f"{difference:+.1f}" in row for row in rows] == [False, True, True]
    text = " ".join(" ".join(lines).split())
    assert "change: in points of hierarchical F1" in text
    assert "rejected: lower hierarchical F1 than zero-shot" in text
    status = " ".join(shown(terminal.status_view(run), 200).split())
    assert f"better model round-0000, hierarchical F1 {100 * figures().compared.value:.1f} %" in status


def test_thousands_of_leaves_are_counted_not_listed() -> None:
    run = run_of(large(), LeavesShown(30_000, 3, 812, 0), tuple(map(str, range(30_000))))
    text = shown(terminal.status_view(run))
    assert "30,000 leaves in 3 levels" in text
    assert "812 of 30,000 have an annotation, 29,188 have none" in " ".join(text.split())
    assert len(text.splitlines()) < 80


def test_the_page_folds_and_says_where_the_model_errs() -> None:
    source = page.render(small_run())
    tags = Tags(source)
    text = " ".join(tags.text.split())
    assert tags.depth == 0
    assert tags.deepest == 2
    assert "<b>Green</b>" in text
    assert "&lt;b&gt;Green&lt;/b&gt;" in source
    assert "as Bread (5)" in text
    assert "as Black (5), in another branch (5)" in text
    assert "as Food (5)" in text
    assert "Leaves: 3 of 4 have an annotation" in text
    assert "<script" not in source


def test_the_page_of_thirty_thousand_leaves_is_small() -> None:
    source = large_page()
    assert len(source.encode()) < 1_000_000
    tags = Tags(source)
    assert 30 <= tags.details <= 520
    tree = large().hierarchy
    assert tree is not None
    assert len(tree.nodes) == 500
    assert sum(one.level == 1 for one in tree.nodes) == 30
    assert "30,000 leaves in 3 levels" in tags.text


def test_what_a_round_stores_of_thirty_thousand_leaves_is_small_and_comes_back() -> None:
    result = run_of(large(), LeavesShown(30_000, 3, 812, 0), ()).history[1]
    stored = json.dumps(asdict(result))
    assert len(stored) < 1_000_000
    assert round_results.from_json(json.loads(stored)) == result
    assert all((row.estimates is not None) == (row.support >= 10) for row in result.figures.per_class)
    older = json.loads(stored)
    del older["figures"]["hierarchy"], older["figures"]["absent"]
    assert round_results.from_json(older).figures.hierarchy is None


def test_branches_are_the_tree_with_the_most_frequent_first() -> None:
    tree = large().hierarchy
    assert tree is not None
    top = branches(tree.nodes)
    assert [one.node.support for one in top] == sorted((one.node.support for one in top), reverse=True)

    def count(some: list[Branch], level: int) -> int:
        assert all(one.node.level == level for one in some)
        assert all(one.unshown == one.node.children - len(one.below) >= 0 for one in some)
        return len(some) + sum(count(one.below, level + 1) for one in some)

    assert count(top, 1) == len(tree.nodes)


def test_json() -> None:
    report = to_json(small_run())
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    tree = report["hierarchy"]
    assert isinstance(tree, dict)
    assert list(tree) == [
        "n", "accuracy", "precision", "recall", "f1", "common_depth", "backed_off", "macro_f1", "nodes_in_macro_f1",
        "documents_of_a_node", "answered", "levels", "confused", "nodes",
    ]  # fmt: skip
    assert list(tree["levels"][0]) == ["level", "size", "accuracy", "coverage", "macro_f1", "nodes", "left_out"]
    assert [one["size"] for one in tree["levels"]] == [2, 2, 2]
    assert tree["nodes"][0]["label"] == "Food"
    assert tree["nodes"][0]["documents"] == 30
    assert tree["confused"][0] == {"label": "Food > Tea", "other": "Food > Bread", "documents": 5}
    rounds = report["rounds"]
    assert isinstance(rounds, list)
    assert "nodes" not in rounds[0]["hierarchy"]
    assert report["leaves"] == {"all": 4, "levels": 3, "annotated": 3, "above": 2}
    assert hierarchy_json(None) is None


def test_what_evaluate_shows() -> None:
    found = LabelledFigures(figures(), {}, 3, above_leaves=5)
    text = " ".join(shown(labelled_view(found, "round-0002", "test.csv", binary=False)).split())
    assert "hierarchical precision" in text
    assert "3 documents have a label that is not the task's: counted as wrong answers at every level" in text
    assert "5 documents have an inner node of the taxonomy as their label: they count at the levels that" in text
    some = LabelledFigures(figures(), {}, 3, partly_known=2)
    text = " ".join(shown(labelled_view(some, "round-0002", "test.csv", binary=False)).split())
    assert "counted as wrong answers; 2 of the labels are paths that begin in the taxonomy, and count at the" in text
    assert labelled_json(some, "round-0002")["partly_known"] == 2
    report = labelled_json(found, "round-0002")
    assert (report["n"], report["above_leaves"]) == (30, 5)
    tree = report["hierarchy"]
    assert isinstance(tree, dict)
    assert tree["n"] == 35
    assert report["accuracy"] == tree["accuracy"]["value"]
    bought = Bought("round-0002", figures(), 3, 0, "", False, ("accuracy", figures().accuracy), None, None)
    assert "hierarchical precision" in shown(bought_view(bought))
    assert bought_json(bought)["hierarchy"] == tree


@pytest.mark.parametrize(("above", "surprising"), [(False, True), (True, False)])
def test_an_answer_above_the_predicted_leaf_is_no_surprise(above: bool, surprising: bool) -> None:
    query = QueryShown("d", "t", "query", 1, "why", "Food > Tea > Black", 0.5, "Food > Tea", above=above)
    assert query.surprising == surprising
    assert not replace(query, answer=None).surprising


def test_the_page_of_thousands_of_flat_classes_is_small() -> None:
    taxonomy = catalog(30, 20, 50)
    task = Task("shop", "multiclass", task_of("shop", taxonomy).labels)
    sample = answered(taxonomy, 3000)
    leaf = np.searchsorted(taxonomy.leaves, np.stack([sample.true, sample.predicted]))
    found = flat_figures(replace(sample, true=leaf[0], predicted=leaf[1]), task.names, seed=0)
    run = replace(run_of(found, LeavesShown(1, 1, 1, 0), task.names), kind="multiclass", leaves=None)
    source = page.render(replace(run, not_found=task.names[:9000]))
    assert len(source.encode()) < 1_000_000
    text = Tags(source).text
    assert "and 8,500 more classes" in text
    assert f"{found.absent + sum(not row.support for row in found.per_class):,} classes without figures" in text
    status = shown(terminal.status_view(replace(run, not_found=task.names[:9000])))
    assert "and 8,950 more classes" in " ".join(status.split())
