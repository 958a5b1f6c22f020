"""What happens to documents in a worker, as far as it needs no Ray."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from laud_ray.passes.scoring import distinct, load_rules, load_scorer, score_table, with_failures
from laud_ray.passes.summary import summarise
from laud_ray.stats.multilabel.rules import Rules
from laud_ray.storage.folder import Folder
from laud_ray.storage.model_folder import DESCRIPTION, seal
from laud_ray.types import Floats, Scorer


def test_distinct_texts_in_the_order_of_their_first_row() -> None:
    column = pa.chunked_array([["b", None, "a"], ["b", "c"], pa.array([], pa.string())])
    texts, inverse = distinct(column)
    assert texts == ["b", "a", "c"]
    assert inverse.tolist() == [0, -1, 1, 0, 2]
    assert inverse.dtype == np.int64


def test_nothing_but_missing_texts() -> None:
    texts, inverse = distinct(pa.array([None, None], pa.string()))
    assert texts == []
    assert inverse.tolist() == [-1, -1]


def test_failures_reach_every_row_of_their_text() -> None:
    errors = pa.chunked_array([[None, "empty text"], [None, None, None]], pa.string())
    found, usable = with_failures(errors, {2: "ValueError: x", 0: "ValueError: y"}, np.asarray([2, -1, 1, 0, 2]))
    assert found.to_pylist() == ["ValueError: x", "empty text", None, "ValueError: y", "ValueError: x"]
    assert usable.tolist() == [False, False, True, False, False]
    assert with_failures(errors, {}, np.asarray([0, -1, 1, 2, 3]))[1].tolist() == [True, False, True, True, True]


@pytest.mark.parametrize("k", [2, 5, 6, 300])
def test_the_likeliest_labels_are_those_of_a_full_sort(k: int) -> None:
    rng = np.random.default_rng(k)
    proba = rng.dirichlet(np.full(k, 0.3), 500).astype(np.float32)
    proba[::7] = 1 / k  # all alike: then in the order of the labels
    labels = [f"l{i}" for i in range(k)]
    inverse = rng.integers(0, 500, 900)
    table = score_table(
        list(map(str, range(900))), summarise(proba), inverse, np.ones(900, np.bool_), [None] * 900, labels, "m"
    ).to_pylist()
    order = np.argsort(-proba, axis=1, kind="stable")[:, :5]
    entropy = -(proba.astype(np.float64) * np.log(np.maximum(proba, 1e-12))).sum(1)
    for row, at in zip(table, inverse, strict=True):
        assert row["top_labels"] == [labels[c] for c in order[at]]
        assert row["top_probabilities"] == proba[at, order[at]].tolist()
        assert row["label"] == row["top_labels"][0]
        assert row["margin"] == proba[at, order[at, 0]] - proba[at, order[at, 1]]
        assert row["entropy"] == pytest.approx(entropy[at], abs=1e-4)


def test_rows_of_a_multilabel_task_have_their_sets_of_labels() -> None:
    proba = np.array([[0.9, 0.2, 0.6], [0.1, 0.1, 0.2], [0.5, 0.55, 0.0]], np.float32)
    rules = Rules(np.array([0.5, 0.3, 0.5]), exclusive=((0, 1),))
    inverse, usable = np.array([2, 0, -1, 1, 0]), np.array([True, True, False, True, True])
    errors = [None, None, "empty text", None, None]
    table = score_table(list("vwxyz"), summarise(proba, rules=rules), inverse, usable, errors, ["A", "B", "C"], "m")
    rows = table.to_pylist()
    assert [row["labels"] for row in rows] == [["B"], ["A", "C"], None, [], ["A", "C"]]
    assert [row["label"] for row in rows] == ["B", "A", None, "C", "A"]
    assert rows[1]["top_labels"] == ["A", "C", "B"]
    assert rows[1]["top_probabilities"] == pytest.approx([0.9, 0.6, 0.2])
    assert rows[1]["confidence"] == pytest.approx(0.9 * 0.6 * 0.8)
    assert rows[3]["confidence"] == pytest.approx(0.9 * 0.9 * 0.8)
    assert rows[1]["margin"] == pytest.approx(0.1)
    assert rows[3]["entropy"] == pytest.approx(2 * 0.325083 + 0.500402, abs=1e-5)
    assert {rows[2][name] for name in ("confidence", "margin", "entropy", "labels")} == {None}


def test_the_rules_are_those_of_the_description_or_the_thresholds_of_the_scorer(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    (tmp_path / "some").mkdir()
    seal(tmp_path / "flat", {"kind": "linear", "labels": ["A", "B"]})
    described = {"kind": "linear", "labels": ["A", "B"], "kind_of_task": "multilabel", "thresholds": [0.2, 0.3]}
    seal(tmp_path / "some", described | {"at_most": 1, "exclusive": [["A", "B"]]})
    plain = SimpleNamespace(labels=("A", "B"))
    several = SimpleNamespace(labels=("A", "B"), thresholds=np.array([0.4, 0.6]))
    assert load_rules(Folder(str(tmp_path / "flat")), plain) is None  # type: ignore[arg-type]
    found = load_rules(Folder(str(tmp_path / "some")), several)  # type: ignore[arg-type]
    assert found is not None
    assert (found.thresholds.tolist(), found.at_most, found.exclusive) == ([0.2, 0.3], 1, ((0, 1),))
    found = load_rules(Folder(str(tmp_path / "none")), several)  # type: ignore[arg-type]
    assert found is not None
    assert (found.thresholds.tolist(), found.at_most) == ([0.4, 0.6], None)


def test_a_process_keeps_the_last_two_models_apart(tmp_path: Path) -> None:
    opened: list[str] = []

    class Named:
        def __init__(self, path: str) -> None:
            self.labels = (Path(path).name, "other")

        def score(self, texts: Sequence[str]) -> Floats:
            return np.tile(np.float32([1, 0]), (len(texts), 1))

    def load(path: str) -> Scorer:
        opened.append(Path(path).name)
        return Named(path)

    for name in ("a", "a", "b", "a", "b", "c", "b", "a"):
        assert load_scorer(Folder(str(tmp_path / name)), load).labels[0] == name
    assert opened == ["a", "b", "c", "a"]


def test_a_model_that_is_made_anew_in_the_same_place_is_loaded_anew(tmp_path: Path) -> None:
    """As when a run's configuration is changed before anything is asked, and its zero-shot model is made again."""
    folder, opened = Folder(str(tmp_path / "zero-shot")), list[str]()

    class Sealed:
        def __init__(self, path: str) -> None:
            self.labels = (Path(path, DESCRIPTION).read_text(), "other")

        def score(self, texts: Sequence[str]) -> Floats:
            return np.tile(np.float32([1, 0]), (len(texts), 1))

    def load(path: str) -> Scorer:
        opened.append(Path(path, DESCRIPTION).read_text())
        return Sealed(path)

    for content in ("one", "one", "two", "two", "one"):
        folder.write(DESCRIPTION, content.encode())
        assert load_scorer(folder, load).labels[0] == content
    assert opened == ["one", "two"]
