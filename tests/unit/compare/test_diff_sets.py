"""What changed between two outputs of a multilabel task: whole sets, and each label."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from laud_ray.compare.changes import ClassChange, Diff, Flow, Turned
from laud_ray.compare.diff import compare
from laud_ray.errors import CorpusError
from laud_ray.report.changes import diff_json, diff_view
from tests.relabeled import rows, write

CODED = pa.list_(pa.dictionary(pa.int32(), pa.string()))
SETS = st.none() | st.lists(st.sampled_from(["Tea", "Coffee", "Milk; fresh", "=x"]), unique=True, max_size=3)


def output(place: Path, sets: list[list[str] | None], confidence: list[float] | None = None) -> str:
    """An output of so many documents, whose ids are their numbers."""
    ids = [str(i) for i in range(len(sets))]
    table = rows(ids, [None if one is None else "x" for one in sets], confidence)
    lists = pa.array(sets, pa.list_(pa.string())).cast(CODED)
    place_of = table.column_names.index("label")
    return str(write(place, table.set_column(place_of, "labels", lists), parts=1))


def shown(found: Diff) -> str:
    console = Console(width=120, highlight=False)
    with console.capture() as capture:
        console.print(diff_view(found))
    return capture.get()


@pytest.fixture
def two(tmp_path: Path) -> Diff:
    old = [["Tea", "Coffee"], ["Tea"], [], ["Tea"], None, ["Milk"]]
    new = [["Coffee", "Tea"], ["Coffee"], ["Tea"], [], [], None]
    return compare(
        output(tmp_path / "old", old, [0.9, 0.8, 0.6, 0.5, 0.0, 0.9]),
        output(tmp_path / "new", new, [0.8, 0.7, 0.9, 0.5, 0.6, 0.0]),
    )


def test_by_hand(two: Diff) -> None:
    assert two.sets
    assert (two.compared, two.changed) == (4, 3)
    assert two.classes == (ClassChange("Tea", 3, 2, 1, 2), ClassChange("Coffee", 1, 2, 1, 0))
    assert two.without_label == Turned(began=1, ended=1)
    assert two.cardinality == (1.0, 1.0)
    assert set(two.flows) == {
        Flow('["Tea"]', '["Coffee"]', 1, 0.8, 0.7),
        Flow("[]", '["Tea"]', 1, 0.6, 0.9),
        Flow('["Tea"]', "[]", 1, 0.5, 0.5),
    }


def test_people_see_sets_and_programs_lists(two: Diff) -> None:
    text = shown(two)
    for part in ("3 of 4 sets of labels changed (75.0 %)", "1.00 → 1.00", "no label 60.0 % → Tea 90.0 %", "removed"):
        assert part in text
    assert "[" not in text
    document = json.loads(json.dumps(diff_json(two), allow_nan=False))
    assert document["labels_a_document"] == {"old": 1.0, "new": 1.0}
    assert {"old": [], "new": ["Tea"]} in [{key: flow[key] for key in ("old", "new")} for flow in document["flows"]]
    assert (document["examples"][0]["old"], document["examples"][0]["new"]) == ([], ["Tea"])


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(SETS, SETS), min_size=1, max_size=12))
def test_against_plain_python(tmp_path_factory: pytest.TempPathFactory, pairs: list) -> None:
    place = tmp_path_factory.mktemp("sets")
    found = compare(output(place / "old", [a for a, _ in pairs]), output(place / "new", [b for _, b in pairs]))
    both = [(set(a), set(b)) for a, b in pairs if a is not None and b is not None]
    gained = Counter(name for a, b in both for name in b - a)
    lost = Counter(name for a, b in both for name in a - b)
    assert (found.compared, found.changed) == (len(both), sum(a != b for a, b in both))
    assert sum(flow.documents for flow in found.flows) == found.changed
    assert {one.label: (one.old, one.new, one.gained, one.lost) for one in found.classes} == {
        name: (sum(name in a for a, _ in both), sum(name in b for _, b in both), gained[name], lost[name])
        for name in {name for a, b in both for name in a | b}
    }


def test_labels_are_not_compared_with_lists(tmp_path: Path) -> None:
    flat = str(write(tmp_path / "flat", rows(["0"], ["Tea"])))
    lists = output(tmp_path / "lists", [["Tea"]])
    for pair in ((flat, lists), (lists, flat)):
        with pytest.raises(CorpusError, match=r"flat: has one label a row, and \S+lists has lists of labels"):
            compare(*pair)


def test_a_column_label_of_lists_is_read_too(tmp_path: Path) -> None:
    places = []
    for name, sets in (("old", [["Tea"], []]), ("new", [["Tea"], ["Milk"]])):
        lists = pa.array(sets, pa.list_(pa.string()))
        places.append(str(write(tmp_path / name, pa.table({"id": ["a", "b"], "label": lists}), parts=1)))
    found = compare(*places)
    assert (found.sets, found.compared, found.changed) == (True, 2, 1)
