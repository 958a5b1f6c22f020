"""What changed between two outputs, against plain Python, and what is said to outputs that cannot be compared."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from laud_ray.compare.changes import ClassChange, Diff, Example, Flow, Turned
from laud_ray.compare.diff import compare
from laud_ray.errors import CorpusError, LaudError
from laud_ray.report.changes import diff_json, diff_view
from laud_ray.storage.folder import filesystem
from tests.commands import laud
from tests.relabeled import rows, write

LABELS = ["Milk", "Yogurt & kefir", "Crème/brûlée 50% [new]", "=x", "Bread"]


def shown(found: Diff, width: int = 80) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(diff_view(found))
    return capture.get()


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    """Six documents each, five of them in both; b moves, c moves, d fails, e is mended."""
    old = rows(["a", "b", "c", "d", "e", "f"], ["x", "x", "y", "y", None, "x"], [0.9, 0.8, 0.4, 0.7, 0.0, 0.6])
    labels = ["x", "y", "x", None, "z", "z"]
    new = rows(["a", "b", "c", "d", "e", "g"], labels, [0.95, 0.6, 0.75, 0, 0.5, 0.3], model="round-0002")
    return str(write(tmp_path / "old", old)), str(write(tmp_path / "new", new))


def test_by_hand(two: tuple[str, str]) -> None:
    found = compare(*two)
    assert (found.both, found.only_old, found.only_new, found.repeated) == (5, 1, 1, 0)
    assert (found.compared, found.changed, found.share) == (3, 2, pytest.approx(2 / 3))
    assert found.flows == (Flow("x", "y", 1, 0.8, 0.6), Flow("y", "x", 1, 0.4, 0.75))
    assert found.classes == (ClassChange("x", 2, 2, 1, 1), ClassChange("y", 1, 1, 1, 1))
    assert found.without_label == Turned(began=1, ended=1)
    assert found.abstained == Turned(began=0, ended=1)
    assert (found.old.models, found.new.models) == (("round-0001",), ("round-0002",))
    assert (found.old.documents, found.old.without_label, found.old.abstained) == (6, 1, 1)
    assert (found.new.documents, found.new.without_label, found.new.abstained) == (6, 1, 1)
    moved = found.confidence_changed
    assert (moved.n, moved.old_mean, moved.new_mean) == (2, pytest.approx(0.6), pytest.approx(0.675))
    assert found.confidence_same.old_median == pytest.approx(0.9, abs=0.001)
    assert found.examples == (
        Example("c", "the text of c", "y", "x", 0.4, 0.75),
        Example("b", "the text of b", "x", "y", 0.8, 0.6),
    )


def test_the_view_and_the_json_say_it(two: tuple[str, str]) -> None:
    found = compare(*two, examples=1)
    text = shown(found, 120)
    for part in ("2 of 3 labels changed (66.7 %)", "5 in both, 1 only in old", "round-0002", "y 40.0 % → x 75.0 %"):
        assert part in text
    assert "the text of b" not in text
    document = json.loads(json.dumps(diff_json(found), allow_nan=False))
    assert document["changed"] == {"n": 3, "count": 2, "share": pytest.approx(2 / 3)}
    assert document["documents"] == {"both": 5, "only_old": 1, "only_new": 1, "repeated_ids": 0}
    assert document["examples"][0]["id"] == "c"
    assert all(len(line) <= 60 for line in shown(found, 60).splitlines())


def test_nothing_changed(tmp_path: Path) -> None:
    table = rows(["a", "b"], ["x", "y"])
    found = compare(str(write(tmp_path / "old", table)), str(write(tmp_path / "new", table, parts=1)))
    assert (found.changed, found.share, found.flows, found.examples) == (0, 0, (), ())
    assert "0 of 2 labels changed (0.0 %)" in shown(found)


def test_nothing_in_common_is_said(tmp_path: Path) -> None:
    old, new = write(tmp_path / "old", rows(["a"], ["x"])), write(tmp_path / "new", rows(["b"], ["x"]))
    found = compare(str(old), str(new))
    assert (found.compared, found.share) == (0, None)
    assert "No id is in both outputs" in shown(found)
    assert diff_json(found)["changed"] == {"n": 0, "count": 0, "share": None}


def test_without_a_document(tmp_path: Path) -> None:
    empty = rows([], [])
    found = compare(
        str(write(tmp_path / "old", empty, parts=1)), str(write(tmp_path / "new", rows(["a"], ["x"]), parts=1))
    )
    assert (found.both, found.only_new, found.share) == (0, 1, None)


def test_a_label_is_text_not_markup(tmp_path: Path) -> None:
    old, new = (
        write(tmp_path / name, rows(["[red]a[/]"], [label])) for name, label in (("old", "[b]x"), ("new", "[/b]"))
    )
    assert "[b]x 90.0 % → [/b] 90.0 %" in shown(compare(str(old), str(new)))


DOCUMENTS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.sampled_from("abcdefgh"), st.text(max_size=3)),
        st.one_of(st.none(), st.sampled_from(LABELS)),
        st.floats(0, 1, width=32),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=DOCUMENTS, new=DOCUMENTS)
def test_it_is_what_plain_python_counts(
    tmp_path: Path, old: list[tuple[str | None, str | None, float]], new: list[tuple[str | None, str | None, float]]
) -> None:
    for name, side in (("old", old), ("new", new)):
        ids, labels, confidence = zip(*side, strict=True)
        pq.write_table(rows(list(ids), list(labels), list(confidence)), tmp_path / f"{name}.parquet")
    found = compare(str(tmp_path / "old.parquet"), str(tmp_path / "new.parquet"), examples=100)
    counted = [Counter(key for key, *_ in side if key is not None) for side in (old, new)]
    repeated = {key for counter in counted for key, count in counter.items() if count > 1}
    before, after = ({key: label for key, label, _ in side if key not in {None, *repeated}} for side in (old, new))
    both = before.keys() & after.keys()
    pairs = {key: (before[key], after[key]) for key in both if before[key] is not None and after[key] is not None}
    moved = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
    assert found.repeated == len(repeated)
    assert (found.both, found.only_old, found.only_new) == (
        len(both),
        len(before.keys() - after.keys()),
        len(after.keys() - before.keys()),
    )
    assert (found.compared, found.changed) == (len(pairs), len(moved))
    assert {(flow.old, flow.new): flow.documents for flow in found.flows} == Counter(moved.values())
    assert {one.id: (one.old, one.new) for one in found.examples} == moved
    assert found.without_label.began == sum(before[key] is not None and after[key] is None for key in both)
    assert found.old.without_id == sum(key is None for key, *_ in old)
    for one in found.classes:
        assert one.new == one.old + one.gained - one.lost
        assert one.old == sum(pair[0] == one.label for pair in pairs.values())
    confidences = [one.new_confidence for one in found.examples]
    assert confidences == sorted(confidences, key=lambda value: -(value or 0))


def test_200_000_rows_with_little_memory(tmp_path: Path) -> None:
    n = 200_000
    rng = np.random.default_rng(0)
    first = rng.integers(len(LABELS), size=n)
    second = np.where(rng.random(n) < 0.07, rng.integers(len(LABELS), size=n), first)
    names = np.asarray(LABELS)
    old_order, new_order = rng.permutation(n), rng.permutation(n)
    ids = np.asarray([f"sku-{i:040d}" for i in range(n)])
    old = rows(ids[old_order].tolist(), names[first[old_order]].tolist(), rng.random(n).tolist())
    new = rows(ids[new_order].tolist(), names[second[new_order]].tolist(), rng.random(n).tolist())
    old_path, new_path = write(tmp_path / "old", old, parts=5), write(tmp_path / "new", new, parts=3)
    found = compare(str(old_path), str(new_path), memory="60MB")
    assert (found.compared, found.changed) == (n, int((first != second).sum()))
    table = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(table, (first, second), 1)
    np.fill_diagonal(table, 0)
    assert {(f.old, f.new): f.documents for f in found.flows} == {
        (LABELS[a], LABELS[b]): int(table[a, b]) for a, b in zip(*table.nonzero(), strict=True)
    }
    assert {one.label: (one.old, one.new) for one in found.classes} == {
        name: (int((first == i).sum()), int((second == i).sum())) for i, name in enumerate(LABELS)
    }
    assert found == compare(str(old_path), str(new_path))  # with more memory, and once more


@pytest.mark.parametrize(("by", "keep"), [("label", False), ("label", True), ("error", False), ("model", False)])
def test_partitioned_is_the_same(tmp_path: Path, by: str, keep: bool) -> None:
    labels = [*LABELS * 4, None, None]
    ids = [f"{i}" for i in range(len(labels))]
    old, new = rows(ids, labels), rows(ids, [*labels[1:], labels[0]], model="round-0002")
    plain = compare(str(write(tmp_path / "old", old)), str(write(tmp_path / "new", new)))
    parted = compare(str(tmp_path / "old"), str(write(tmp_path / "parted", new, by=by, keep=keep)))
    assert parted.changed == plain.changed > 0
    for name in ("both", "compared", "flows", "classes", "without_label", "confidence_changed", "examples"):
        assert getattr(parted, name) == getattr(plain, name)
    assert parted.new.models == plain.new.models


def test_any_parquet_with_ids_and_labels(tmp_path: Path) -> None:
    old = {"id": [1, 2, 3], "label": pa.array(["x", "y", "x"], pa.large_string())}
    new = {
        "label": [b"x", b"x", b"x"],
        "id": ["1", "2", "3"],
        "confidence": [0.5, float("nan"), None],
        "t": ["p", "q", "r"],
    }
    pq.write_table(pa.table(old), tmp_path / "old.parquet")
    pq.write_table(pa.table(new), tmp_path / "new.pq")
    found = compare(str(tmp_path / "old.parquet"), str(tmp_path / "new.pq"), text="t")
    assert found.examples == (Example("2", "q", "y", "x", None, None),)
    assert (found.changed, found.compared, found.confidence_same.n) == (1, 3, 0)
    json.dumps(diff_json(found), allow_nan=False)
    assert "–" in shown(found)


def test_not_on_this_disk(tmp_path: Path, two: tuple[str, str]) -> None:
    fs, path = filesystem("memory://diff/new")
    pafs.copy_files(two[1], path, destination_filesystem=fs)
    away, here = compare(two[0], "memory://diff/new"), compare(*two)
    assert (away.flows, away.examples, away.both) == (here.flows, here.examples, here.both)
    fs.delete_file(f"{path}/_SUCCESS")
    with pytest.raises(CorpusError, match="not finished"):
        compare(two[0], "memory://diff/new")


def test_what_cannot_be_compared(tmp_path: Path, two: tuple[str, str]) -> None:
    old, _ = two
    write(tmp_path / "half", rows(["a"], ["x"]), parts=2, finished=False)
    (tmp_path / "a.csv").write_text("id,label\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    pq.write_table(pa.table({"id": ["a"], "name": ["x"]}), tmp_path / "bare.parquet")
    pq.write_table(pa.table({"id": ["a"], "label": [["x"]]}), tmp_path / "lists.parquet")
    (tmp_path / "link").symlink_to(old)
    for place, message in {
        "half": r"not finished: no _SUCCESS, 2 of 3 ranges are committed; "
        r"run the same `laud relabel` command again to finish it",
        "nowhere": r"nowhere: does not exist; expected a folder that `laud relabel` wrote",
        "a.csv": r"a.csv: has no Parquet file; expected",
        "broken.parquet": r"broken.parquet: cannot be opened",
        "bare.parquet": r"bare.parquet: no column label in id, name; expected",
        "lists.parquet": r"old: has one label a row, and \S+lists.parquet has lists of labels",
        "link": r"are the same place; expected two outputs",
    }.items():
        with pytest.raises(CorpusError, match=message) as raised:
            compare(old, str(tmp_path / place))
        assert "\n" not in str(raised.value)
    with pytest.raises(CorpusError, match=r"no column 'title'; expected one of abstained, confidence"):
        compare(*two, text="title")


def test_a_part_that_is_broken_is_named(tmp_path: Path, two: tuple[str, str]) -> None:
    part = Path(two[1]) / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(CorpusError, match=r"new: cannot be read: .*part-00001.parquet"):
        compare(*two)


def test_too_little_memory_is_one_line(two: tuple[str, str]) -> None:
    with pytest.raises(LaudError, match=r"failed under \S+ with 1KB of memory") as raised:
        compare(*two, memory="1KB")
    assert "\n" not in str(raised.value)


def test_the_command(two: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert laud("diff", *two, "--json", "--examples", "0") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["examples"] == []
    assert err == ""
    assert laud("diff", *two) == 0
    assert "2 of 3 labels changed" in capsys.readouterr().out
    assert laud("diff", two[0], two[0]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1


@pytest.mark.parametrize("option", ["--json", "--examples=2000"])
def test_head_may_close_the_pipe(tmp_path: Path, option: str) -> None:
    ids = [f"a rather long id of a document, number {i}" for i in range(2_000)]
    old, new = (write(tmp_path / name, rows(ids, [label] * len(ids))) for name, label in (("old", "x"), ("new", "y")))
    command = [sys.executable, "-m", "laud_ray", "diff", str(old), str(new), "--examples=2000", option]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
