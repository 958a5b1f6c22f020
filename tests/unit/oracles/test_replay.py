"""A replay column: labels are read as the task reads them, contradictions counted, unknown ones listed."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from laud_ray import oracles
from laud_ray.config import CorpusConfig, ReplayConfig
from laud_ray.data.corpus import Corpus
from laud_ray.data.label_counts import MOST_LABELS
from laud_ray.data.sharding.normalise import normalise
from laud_ray.errors import ConfigError, CorpusError
from laud_ray.label_sets import LabelSet
from laud_ray.labels import known_labels
from laud_ray.oracles.replay import ReplayOracle
from laud_ray.storage.folder import Folder
from laud_ray.taxonomy import read_table
from laud_ray.taxonomy.task import task_of
from laud_ray.types import Document, Label, Task


def replayed(tmp_path: Path, task: Task, labels: Sequence[str | None]) -> Corpus:
    """A corpus of the texts t0, t1, ... with a sealed column; texts are numbered anew after ten."""
    tmp_path.mkdir(exist_ok=True)
    lines = [json.dumps({"text": f"t{i % 10}", "label": label}) for i, label in enumerate(labels)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    config = CorpusConfig(path=str(tmp_path / "a.jsonl"), text="text")
    return normalise(config, Folder(str(tmp_path / "corpus")), sealed="label", labels=known_labels(task))


def test_a_replay_column_is_read_as_labels_are(tmp_path: Path) -> None:
    task = Task("t", "multiclass", (Label("Milk", also=("lait",)), Label("Bread")))
    corpus = replayed(
        tmp_path, task, ["Milk", "Milk ", "\u200blait", "Bread\u00a0", "milk", "milk ", "Brad", "", None, "x"]
    )
    said = {a.document_id: a.label for a in ReplayOracle(corpus, task).annotate(texts_of(corpus))}
    assert Counter(said.values()) == {"Milk": 3, "Bread": 1, None: 6}
    (line,) = oracles.remarks(ReplayConfig(kind="replay", label="label"), task, corpus)
    assert line == (
        "oracle.label: 4 documents have a label that the task does not have; the oracle abstains from them: "
        "'milk' (2, nearest: 'Milk'), 'Brad' (1, nearest: 'Bread'), 'x' (1)"
    )


def test_a_large_tree_has_more_labels_than_are_counted_of_a_flat_column(tmp_path: Path) -> None:
    paths = [f"A > {i}" for i in range(MOST_LABELS + 5)]
    task = task_of("t", read_table({"path": paths}, "t"))
    lines = [json.dumps({"text": f"t{i}", "label": label}) for i, label in enumerate([*paths, "A > strange"])]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    config = CorpusConfig(path=str(tmp_path / "a.jsonl"), text="text")
    corpus = normalise(config, Folder(str(tmp_path / "corpus")), sealed="label")
    (line,) = oracles.remarks(ReplayConfig(kind="replay", label="label"), task, corpus)
    assert line.startswith("oracle.label: 1 documents have a label that the task does not have;")
    assert "'A > strange' (1" in line


def test_texts_with_two_labels_are_counted_by_class(tmp_path: Path) -> None:
    labels = ["a", "a", "b", "a", "a", "b", "x", "a", "a", "a", "a", "b", "a", "c", "A", "b", "y", "", "a", "a"]
    many = Task("t", "multiclass", tuple(Label(name, also=("A",) if name == "a" else ()) for name in "abcxy"))
    (line,) = oracles.remarks(ReplayConfig(kind="replay", label="label"), many, replayed(tmp_path, many, labels))
    assert line == "oracle.label: 4 texts occur with two different labels in 'label'; the label of the first row counts"
    binary = Task("t", "binary", (Label("a", also=("A",)), Label("other", rest=(Label("b"), Label("c")))))
    strange, two = oracles.remarks(
        ReplayConfig(kind="replay", label="label"), binary, replayed(tmp_path, binary, labels)
    )
    assert strange.startswith(
        "oracle.label: 2 documents have a label that the task does not have; they count as other: 'x'"
    )
    assert two.startswith("oracle.label: 3 texts occur with two")


def test_a_replay_column_without_a_label_of_the_task_is_refused_with_the_nearest(tmp_path: Path) -> None:
    task = Task("t", "multiclass", (Label("Milk"), Label("Bread")))
    with pytest.raises(CorpusError, match=r"oracle.label: the column 'label' holds 'milk' \(2, nearest: 'Milk'\); exp"):
        oracles.check_column(
            ReplayConfig(kind="replay", label="label"), task, replayed(tmp_path, task, ["milk", "milk"])
        )


def texts_of(corpus: Corpus) -> list[Document]:
    rows = [row for part in corpus.ranges for row in corpus.read(part.name).to_pylist()]
    return [Document(row["id"], row["text"]) for row in rows]


def test_a_replay_column_names_nodes_of_a_taxonomy(tmp_path: Path) -> None:
    paths = [f"Group {i} > Part {j}" for i in range(2) for j in range(4)]
    task = task_of("shop", read_table({"path": paths, "code": [f"c{i}" for i in range(8)]}, "t.csv"))
    corpus = replayed(tmp_path, task, ["Group 0 > Part 1", "c5", "Group 1", "Part 1", "x", None])
    texts = texts_of(corpus)
    said = {a.document_id: a.label for a in ReplayOracle(corpus, task).annotate(texts)}
    assert Counter(said.values()) == {"Group 0 > Part 1": 1, "Group 1 > Part 1": 1, "Group 1": 1, None: 3}
    for seed in range(20):  # a wrong answer is a leaf that the right node is not above
        wrong = ReplayOracle(corpus, task, noise=1.0, seed=seed).annotate(texts)
        for one in wrong:
            right = said[one.document_id]
            assert (one.label is None) == (right is None)
            assert one.label is None or (one.label in task.names and not one.label.startswith(str(right)))


def test_all_labels_of_a_large_taxonomy_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laud_ray.data.sharding.ordering.MOST_LABELS", 2)
    task = task_of("shop", read_table({"path": [f"Group {i % 3} > Part {i}" for i in range(9)]}, "t.csv"))
    corpus = replayed(tmp_path, task, list(task.names))
    assert oracles.remarks(ReplayConfig(kind="replay", label="label"), task, corpus) == []


def test_wrong_answers_are_those_of_earlier_versions() -> None:
    names = ("a", "b", "c", "d")
    oracle = ReplayOracle(Corpus(Folder("."), (), {}, ""), Task("t", "multiclass", tuple(map(Label, names))))
    for gold in names:
        for seed in range(30):
            others = [name for name in names if name != gold]
            wanted = str(np.random.default_rng(seed).choice(others))
            assert oracle._wrong(gold, np.random.default_rng(seed)) == wanted


SETS = Task("t", "multilabel", (Label("Tea", also=("thé",)), Label("Milk"), Label("Bread")))


def replayed_sets(tmp_path: Path, labels: Sequence[object], task: Task = SETS) -> Corpus:
    return replayed(tmp_path, task, labels)  # type: ignore[arg-type]


def test_a_replay_column_of_lists_gives_sets(tmp_path: Path) -> None:
    corpus = replayed_sets(tmp_path, [["thé", "Milk"], [], None, ["Bread"], "Milk", ["Cocoa"], ["Cocoa", "Tea"], [""]])
    said = {a.document_id: a.label for a in ReplayOracle(corpus, SETS).annotate(texts_of(corpus))}
    assert Counter(said.values()) == {
        '["Milk","Tea"]': 1,
        "[]": 2,
        None: 2,
        '["Bread"]': 1,
        '["Milk"]': 1,
        '["Tea"]': 1,
    }
    config = ReplayConfig(kind="replay", label="label")
    oracles.check_column(config, SETS, corpus)
    assert oracles.remarks(config, SETS, corpus) == [
        "oracle.label: 2 labels of documents are not labels of the task; they are left out: 'Cocoa' (2)",
        "oracle.label: 1 documents have an empty list, which means that no label applies",
    ]


def test_texts_with_different_sets_are_counted(tmp_path: Path) -> None:
    labels = [["Tea", "Milk"], ["Tea"], *[None] * 8, ["Milk", "thé"], ["Tea", "Bread"]]
    (line,) = oracles.remarks(ReplayConfig(kind="replay", label="label"), SETS, replayed_sets(tmp_path, labels))
    assert line == (
        "oracle.label: 1 text occurs with different sets of labels in 'label'; the labels of the first row count"
    )


def test_texts_of_several_labels_need_a_separator(tmp_path: Path) -> None:
    config, labels = ReplayConfig(kind="replay", label="label"), ["Tea", "Tea|Milk", "Bread"]
    with pytest.raises(
        ConfigError, match=r"^task.separator: is missing, .* holds 'Tea\|Milk', which is several labels"
    ):
        oracles.check_column(config, SETS, replayed_sets(tmp_path, labels))
    task = replace(SETS, separator="|")
    corpus = replayed_sets(tmp_path / "b", labels, task)
    oracles.check_column(config, task, corpus)
    said = {a.label for a in ReplayOracle(corpus, task).annotate(texts_of(corpus))}
    assert said == {'["Tea"]', '["Milk","Tea"]', '["Bread"]'}


def test_a_replay_column_of_lists_without_a_label_of_the_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"the column 'label' holds 'milk' \(2, nearest: 'Milk'\)"):
        oracles.check_column(
            ReplayConfig(kind="replay", label="label"), SETS, replayed_sets(tmp_path, [["milk"], ["milk", "x"]])
        )


def test_a_wrong_set_has_one_wrong_label(tmp_path: Path) -> None:
    corpus = replayed_sets(tmp_path, [["Tea", "Milk"], [], ["Bread"], ["Tea", "Milk", "Bread"]])
    right = {a.document_id: a.label for a in ReplayOracle(corpus, SETS).annotate(texts_of(corpus))}
    for seed in range(10):
        wrong = ReplayOracle(corpus, SETS, noise=1.0, seed=seed).annotate(texts_of(corpus))
        for one in wrong:
            before, now = (set(LabelSet.parse(str(label)).yes) for label in (right[one.document_id], one.label))
            assert (len(now - before), len(before - now)) in {(1, 1), (1, 0), (0, 1)}
            assert before != now
