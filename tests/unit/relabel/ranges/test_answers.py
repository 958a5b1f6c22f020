"""The answers of a taxonomy: columns follow the path, and nothing is answered that the thresholds do not allow."""

from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.compare.diff import compare
from laud_ray.relabel.ranges.answers import coded, counts
from laud_ray.relabel.ranges.records import Record
from laud_ray.relabel.ranges.work import label_range
from laud_ray.stats.hierarchy import LEAF, Depth
from laud_ray.taxonomy import node_mass, read_table
from laud_ray.taxonomy.task import FILE, dump, leaf_labels
from laud_ray.types import Scorer
from tests.relabeling import Hashing, cut, job, rows, write

TREE = read_table(
    {
        "code": ["F", "FT", "FM", "FM1", "FM2", "T"],
        "path": ["Food", "Food > Tea", "Food > Milk", "Food > Milk > Cow", "Food > Milk > Goat", "Tools"],
    },
    "labels.csv",
)
LEAVES = tuple(label.name for label in leaf_labels(TREE))
TEXTS: list[object] = ["green tea", "coffee", None, "poison", "juice", "cow", "a hammer", "nails", "oat"]
GOOD = [i for i, text in enumerate(TEXTS) if text not in (None, "poison")]


def hashing_leaves(_: str) -> Scorer:
    return Hashing(LEAVES)


def labelled(tmp_path: Path, depth: Depth = LEAF, name: str = "out", **more: object) -> tuple[pa.Table, Record]:
    data = write(tmp_path / "in.parquet", {"id": [f"d{i}" for i in range(len(TEXTS))], "text": TEXTS})
    todo = replace(job(cut(data, tmp_path / "w"), tmp_path / name), load=hashing_leaves, depth=depth, **more)
    todo.model.write(FILE, dump(TREE))
    record = label_range("part-00000", todo)
    return rows(tmp_path / name), record


def test_the_leaf_its_path_and_the_sums_above_it(tmp_path: Path) -> None:
    found, record = labelled(tmp_path)
    proba = Hashing(LEAVES).score([str(TEXTS[i]) for i in GOOD])
    masses, best = node_mass(TREE, proba), proba.argmax(1)
    for row, i in enumerate(GOOD):
        leaf = int(TREE.leaves[best[row]])
        line = [*TREE.ancestors(leaf).tolist(), leaf]
        one = found.slice(i, 1).to_pylist()[0]
        assert one["label"] == one["top_labels"][0] == TREE.label(leaf)
        assert one["code"] == TREE.nodes[leaf].code
        assert one["path"] == list(TREE.nodes[leaf].path)
        assert one["confidences"] == pytest.approx(masses[row, line].tolist(), abs=1e-6)
        assert one["confidence"] == pytest.approx(proba[row, best[row]], abs=1e-6)
        assert (one["depth"], one["backed_off"], one["abstained"]) == (len(line), False, False)
    assert record.answered == {"leaf": len(GOOD), "none": 0}


def test_rows_in_error_have_no_answer(tmp_path: Path) -> None:
    found, record = labelled(tmp_path, Depth((inf,) * 3))
    for i in (2, 3):
        one = found.slice(i, 1).to_pylist()[0]
        assert [one[key] for key in ("label", "code", "confidence", "depth", "backed_off")] == [None] * 5
        assert one["path"] == one["confidences"] == one["top_labels"] == []
        assert not one["abstained"]
    assert (record.errors, record.rows) == (2, len(TEXTS))


def test_a_level_is_answered_by_its_node_or_a_leaf_above(tmp_path: Path) -> None:
    found, record = labelled(tmp_path, Depth(level=2))
    leaf, _ = labelled(tmp_path, name="leaf")
    for i in GOOD:
        one, whole = found.slice(i, 1).to_pylist()[0], leaf.slice(i, 1).to_pylist()[0]
        assert one["path"] == whole["path"][:2]
        assert one["confidences"] == whole["confidences"]
        assert one["confidence"] == one["confidences"][len(one["path"]) - 1]
        assert one["backed_off"] == (len(whole["path"]) > 2)
        assert one["top_labels"] == whole["top_labels"]
    below = sum(len(one) > 2 for one in leaf["path"].to_pylist())
    assert record.answered == {"leaf": len(GOOD) - below} | ({"2": below} if below else {}) | {"none": 0}


def test_an_answer_has_the_mass_that_its_step_asks_for(tmp_path: Path) -> None:
    cuts = (0.45, 0.5, 0.6)
    found, record = labelled(tmp_path, Depth(cuts), threshold=0.0)
    answered = 0
    for i in GOOD:
        one = found.slice(i, 1).to_pylist()[0]
        upward = one["confidences"][::-1]
        step = next((j for j, mass in enumerate(upward) if mass >= np.float32(cuts[j])), None)
        if step is None:
            assert (one["label"], one["depth"], one["abstained"], one["backed_off"]) == (None, 0, True, False)
            assert one["error"] is None
        else:
            answered += 1
            assert (one["depth"], one["backed_off"]) == (len(upward) - step, step > 0)
            assert one["label"] == " > ".join(one["path"])
    assert sum(record.answered.values()) == len(GOOD)
    assert record.answered["none"] == record.abstained == len(GOOD) - answered
    assert record.errors == 2
    assert sum(record.labels.values()) == answered


def test_the_types_are_those_of_the_rest(tmp_path: Path) -> None:
    labelled(tmp_path)
    schema, text = pq.read_schema(tmp_path / "out/part-00000.parquet"), pa.dictionary(pa.int32(), pa.string())
    wanted = {
        "label": text,
        "code": text,
        "path": pa.list_(text),
        "confidence": pa.float32(),
        "confidences": pa.list_(pa.float32()),
        "depth": pa.int32(),
        "backed_off": pa.bool_(),
    }
    assert {name: schema.field(name).type for name in wanted} == wanted


def test_two_outputs_are_compared(tmp_path: Path) -> None:
    leaf, _ = labelled(tmp_path, name="leaf")
    cut_off, _ = labelled(tmp_path, Depth(level=1), name="top")
    found = compare(str(tmp_path / "leaf"), str(tmp_path / "top"), examples=10)
    changed = sum(a != b for a, b in zip(leaf["label"].to_pylist(), cut_off["label"].to_pylist(), strict=True))
    assert (found.both, found.changed) == (len(TEXTS), changed)


def test_a_dictionary_holds_only_what_is_named() -> None:
    found = coded(np.array([7, -1, 3, 7]), "abcdefghij".__getitem__)
    assert found.to_pylist() == ["h", None, "d", "h"]
    assert found.dictionary.to_pylist() == ["d", "h"]


def test_places_are_counted_from_the_deepest_up() -> None:
    depth = pa.array([3, 2, 2, 0, 1, None], pa.int32())
    inner = pa.array([False, True, False, False, True, None])
    assert list(counts(depth, inner).items()) == [("leaf", 2), ("2", 1), ("1", 1), ("none", 1)]
