"""A model of a taxonomy is measured: on the evaluation sample, with trusted answers, and on a labelled file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from laud_ray.evaluation.labelled_file import evaluate_labelled
from laud_ray.evaluation.measure import INNER, evaluate
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Sampled
from laud_ray.taxonomy import read_lines
from laud_ray.taxonomy.task import agrees, task_of
from laud_ray.types import Floats

# The leaves are green, black, bread and tools.
FOOD = read_lines("Food\nFood > Tea\nFood > Tea > Green\nFood > Tea > Black\nFood > Bread\nTools", "t.txt")
LEAF, ANY = task_of("food", FOOD), task_of("food", FOOD, inner=True)
GREEN, BLACK, BREAD, TOOLS = LEAF.names
PREDICTED = [GREEN, BLACK, BREAD, TOOLS, GREEN, BREAD, GREEN]
SAID = [GREEN, GREEN, BREAD, TOOLS, "Food > Tea", "Food > Tea", None]


@pytest.fixture
def scores(tmp_path: Path) -> Folder:
    folder = Folder(str(tmp_path / "scores"))
    confidence = pa.array([0.8] * len(PREDICTED), pa.float32())
    folder.write_table("p.parquet", pa.table({"label": PREDICTED, "confidence": confidence}))
    return folder


def drawn(size: int = 100) -> list[Sampled]:
    return [Sampled("p.parquet", row, f"d{row}", 0, size) for row in range(len(PREDICTED))]


def said(answers: Sequence[str | None]) -> dict[str, str | None]:
    return {f"d{row}": label for row, label in enumerate(answers)}


def test_answers_at_inner_nodes_count_at_the_levels_that_they_reach(scores: Folder) -> None:
    found = evaluate(scores, drawn(), said(SAID), LEAF, seed=0)
    tree = found.hierarchy
    assert tree is not None
    assert (found.n, tree.n, found.accuracy.value) == (4, 6, pytest.approx(3 / 4))
    assert found.unanswered == {"abstained": 1, INNER: 2}
    assert [(one.accuracy.n, one.accuracy.value) for one in tree.levels] == [
        (6, 1),
        (5, pytest.approx(4 / 5)),
        (2, pytest.approx(1 / 2)),
    ]
    right = evaluate(scores, drawn(), said(SAID), ANY, seed=0)
    assert (right.n, right.accuracy.value, right.unanswered) == (6, pytest.approx(3 / 6), {"abstained": 1})


def test_trusted_answers_correct_the_flat_figures_and_give_the_trees(scores: Folder) -> None:
    trusted = said([GREEN, GREEN, BREAD, None, "Food > Tea"])
    found = evaluate(scores, drawn(), said(SAID), LEAF, seed=0, trusted=trusted)
    assert found.hierarchy is not None
    assert (found.trusted, found.n, found.hierarchy.n) == (3, 7, 4)
    # Those with a trusted leaf are right in 2 of 3, as the cheap oracle has it.
    assert 0.4 < found.accuracy.value < 0.9
    assert {row.label for row in found.per_class} == set(LEAF.names)
    inner = evaluate(scores, drawn(), said(SAID), ANY, seed=0, trusted=trusted)
    assert inner.trusted == 4
    assert inner.accuracy.value < found.accuracy.value
    assert {row.label for row in inner.per_class} == set(LEAF.names)
    nowhere = evaluate(scores, drawn(), said(SAID), LEAF, seed=0, trusted=said(["Food"] * 3))
    assert (nowhere.trusted, nowhere.accuracy.low, nowhere.accuracy.high) == (0, 0, 1)


def test_a_label_that_the_taxonomy_no_longer_has_is_none_of_its_nodes(scores: Folder) -> None:
    found = evaluate(scores, drawn(), said([GREEN, "Food > Juice"]), LEAF, seed=0)
    assert (found.n, found.accuracy.value) == (2, 0.5)


def test_agreement_with_an_answer() -> None:
    assert agrees(LEAF, GREEN, GREEN)
    assert agrees(LEAF, GREEN, "Food")
    assert not agrees(LEAF, TOOLS, "Food")
    assert not agrees(LEAF, GREEN, "Foo")
    assert not agrees(ANY, GREEN, "Food")
    assert not agrees(LEAF, GREEN, None)


class FirstLetter:
    """Predicts the leaf whose last name begins with the text's first letter."""

    labels = LEAF.names

    def score(self, texts: Sequence[str]) -> Floats:
        last = [name.rsplit(" > ", 1)[-1][:2].casefold() for name in LEAF.names]
        return np.asarray([[0.7 if text[:2] == one else 0.1 for one in last] for text in texts])


def test_a_labelled_file_may_name_paths_names_and_inner_nodes(tmp_path: Path) -> None:
    rows = ["green 1,Food > Tea > Green", "black 1,Green", "to 1,Tools", "gr 2,Food > Tea", "br,Tea", "gr 3,Juice"]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]))
    path = str(tmp_path / "a.csv")
    found = evaluate_labelled(FirstLetter(), LEAF, path, text="text", label="label", seed=0, max_chars=20)
    tree = found.figures.hierarchy
    assert tree is not None
    assert (found.figures.n, found.above_leaves, found.unknown_labels, tree.n) == (4, 2, 1, 6)
    assert found.figures.accuracy.value == pytest.approx(2 / 4)
    assert [one.accuracy.value for one in tree.levels] == pytest.approx([5 / 6, 3 / 5, 1 / 3])
    every = evaluate_labelled(FirstLetter(), ANY, path, text="text", label="label", seed=0, max_chars=20)
    assert (every.figures.n, every.above_leaves, every.figures.accuracy.value) == (6, 0, pytest.approx(2 / 6))


def test_a_path_that_the_taxonomy_lacks_counts_where_it_is_known(tmp_path: Path) -> None:
    rows = ["green 1,Food > Tea > Oolong", "bread 2,Food > Tea > White > Loose", "to 1,Toys > Cars", "br,Juice"]
    rows += ["green 3,Food > Tea > Green"] * 4
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]))
    path = str(tmp_path / "a.csv")
    found = evaluate_labelled(FirstLetter(), LEAF, path, text="text", label="label", seed=0, max_chars=20)
    tree = found.figures.hierarchy
    assert tree is not None
    assert (found.unknown_labels, found.partly_known, found.above_leaves) == (4, 2, 0)
    assert (found.figures.n, found.figures.accuracy.value, tree.n) == (8, 0.5, 8)
    # The true paths have 3 + 4 + 2 + 0 nodes, the predicted ones 3 + 2 + 1 + 2, of which 2 + 1 + 0 + 0 are right.
    assert tree.recall.value == pytest.approx((3 + 12) / (9 + 12))
    assert tree.precision.value == pytest.approx((3 + 12) / (8 + 12))
    assert [(one.accuracy.n, one.accuracy.value) for one in tree.levels] == [
        (8, pytest.approx(6 / 8)),
        (7, pytest.approx(5 / 7)),
        (5, pytest.approx(4 / 5)),
    ]
    assert [one.coverage.value for one in tree.levels] == pytest.approx([8 / 8, 7 / 8, 5 / 7])
    nodes = {one.label: one.support for one in tree.nodes}
    assert nodes == {"Food": 6, "Food > Tea": 6, "Food > Tea > Green": 4, "Tools": 0}
    assert [(one.label, one.other) for one in tree.confused] == [("Food > Tea", "Food > Bread")]
