"""The size of an audience: what it reaches, what is measured of it, and the rule that is written."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.audience.evidence import Evidence, compare, require_label
from laud_ray.audience.reach import measure_reach
from laud_ray.audience.size import Sized, choose, size
from laud_ray.cluster.workers import Workers
from laud_ray.errors import CorpusError, DamageError, RunError
from laud_ray.relabel.ranges.audience import inside
from laud_ray.relabel.ranges.scored import Answered
from laud_ray.relabel.rule import Rule, read_rule, require_fit, write_rule
from laud_ray.relabel.sets import Sets
from laud_ray.relabel.source import Source
from laud_ray.report.audience.not_shown import not_shown
from laud_ray.report.audience.size_view import size_json, size_view
from laud_ray.stats import Sample
from laud_ray.storage.folder import Folder
from laud_ray.store.store import Sampled
from laud_ray.taxonomy import read_lines
from laud_ray.types import Label, Task
from tests.commands import laud
from tests.relabeled import rows, write

LABELS = ("Tea", "Milk")
FLAT = Task("food", "multiclass", (Label("Tea", ""), Label("Milk", "")))
TREE = read_lines("Food > Tea\nFood > Milk > Cow\nTools", "t.txt")
SOURCE = Source("run", "round-0001", Folder("model"), "sum", LABELS, Workers(), 2000, "text", "id", lambda _: None)


def labelled(folder: Path, n: int = 400) -> str:
    """Every second of n names is tea, with rising confidence; three names in a row have one user."""
    confidence = np.linspace(0.2, 0.99, n)
    table = rows([f"n{i}" for i in range(n)], ["Tea" if i % 2 else "Milk" for i in range(n)], confidence.tolist())
    users = pa.array([None if i < 4 else f"u{i // 3}" for i in range(n)], pa.string())
    return str(write(folder / "labels", table.append_column("who", users)))


def sampled(n: int, right: float = 1.0, corpus: int = 100_000) -> Evidence:
    """Of n documents half have the label; the surest ones are right."""
    scores = np.where(np.arange(n) % 2, np.linspace(0.2, 0.99, n), np.nan).astype(np.float32)
    nothing = np.zeros(n, np.int64)
    sample = Sample(nothing, nothing, np.ones(n), nothing, {0: corpus})
    return Evidence(scores, np.nan_to_num(scores, nan=-1.0) >= 0.2 + 0.79 * (1 - right), sample)


def sized(folder: Path, evidence: Evidence, target: float = 0.9, user: str | None = None) -> Sized:
    return choose(SOURCE, "Tea", target, evidence, measure_reach(labelled(folder), "Tea", None, user))


def test_names_and_users_are_counted_at_each_threshold(tmp_path: Path) -> None:
    reach = measure_reach(labelled(tmp_path), "Tea", None, "who")
    assert (reach.rows, reach.labelled, reach.without_user) == (400, 200, 2)
    assert (reach.thresholds[-1], reach.names[-1], len(reach.names)) == (0, 200, 20)
    assert (np.diff(reach.thresholds) < 0).all()
    confidence = np.linspace(0.2, 0.99, 400).astype(np.float32)[1::2]
    assert reach.names.tolist() == [int((confidence >= one).sum()) for one in reach.thresholds]
    assert reach.expected[-1] == pytest.approx(confidence.mean(), rel=1e-6)
    assert reach.users is not None
    for threshold, users in zip(reach.thresholds, reach.users, strict=True):
        reached = {
            i // 3 for i in range(4, 400) if i % 2 and np.linspace(0.2, 0.99, 400).astype(np.float32)[i] >= threshold
        }
        assert users == len(reached)
    assert reach.all_users == len({i // 3 for i in range(4, 400)})
    assert measure_reach(labelled(tmp_path), "Milk", None, None).labelled == 200


def test_a_column_of_users_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no column 'whom'"):
        measure_reach(labelled(tmp_path), "Tea", None, "whom")


def test_the_largest_audience_that_is_shown_is_chosen(tmp_path: Path) -> None:
    everything = sized(tmp_path, sampled(400))
    assert everything.audience is not None
    assert (everything.audience.threshold, everything.audience.names) == (0, 200)
    assert everything.audience.recall.value == 1
    surest = sized(tmp_path, sampled(800, right=0.5))
    assert surest.audience is not None
    assert 0.5 < surest.audience.threshold < 0.65
    assert surest.low >= 0.9
    assert surest.audience.precision.value >= 0.9


def printed(found: Sized) -> str:
    from rich.console import Console

    console = Console(width=160, file=io.StringIO())
    console.print(size_view(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_is_not_shown_has_its_table_and_what_is_missing(tmp_path: Path) -> None:
    few = sized(tmp_path, sampled(40), target=0.95)
    assert few.audience is None
    why, shows, way = not_shown(few)
    assert why.startswith(
        "No audience of Tea is shown to have a precision of 95 %: round-0001 gives the label to 20 of 40"
    )
    assert why.endswith("95 % takes at least 59 in the audience, without an error.")
    assert shows.startswith("They show a precision of 86.1 % with 95 % confidence")
    assert few.missing is not None
    assert f"would show it: run `laud evaluate run --budget {few.missing.answers}`, and then this command again" in way
    text = printed(few)
    assert text.count("%") > 20
    assert "›" not in text
    assert all(one.split(": ")[0] in text for one in (why, shows, way))
    shown = json.loads(json.dumps(size_json(few), allow_nan=False))
    assert (shown["audience"], shown["shown"], shown["why"]) == (None, False, " ".join((why, shows, way)))
    assert shown["missing"]["command"] == f"laud evaluate run --budget {shown['missing']['answers']}"
    assert len(shown["steps"]) == 20


def test_a_model_that_is_not_precise_enough_is_said_to_be(tmp_path: Path) -> None:
    wrong = sized(tmp_path, sampled(400, right=0.0, corpus=800), target=0.95)
    assert (wrong.audience, wrong.missing) == (None, None)
    assert wrong.low < 0.5
    assert not_shown(wrong)[-1].startswith("Probably no threshold has a precision of 95 %. A better model may have one")
    assert size_json(wrong)["missing"] is None


def test_more_answers_than_the_corpus_has_are_not_offered(tmp_path: Path) -> None:
    few = sized(tmp_path, sampled(40, corpus=240), target=0.95)
    assert (few.missing is not None, few.left, few.instead is not None) == (True, 200, True)
    assert few.missing is not None
    assert few.instead is not None
    (lower, other), way = few.instead, not_shown(few)[-1]
    assert few.missing.answers > few.left >= other.answers
    assert "and the corpus has 200 more documents. " in way
    assert f"For `--precision {lower:g}`, about {other.answers} may be enough: run `laud evaluate run --budget" in way
    found = size_json(few)["instead"]
    assert isinstance(found, dict)
    assert found["precision"] == lower


def test_a_label_that_no_name_gets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="'Juice' is given to none of 400 names by round-0001"):
        choose(SOURCE, "Juice", 0.9, sampled(40), measure_reach(labelled(tmp_path), "Juice", None, None))


def test_the_view_names_the_bound_and_marks_the_audience(tmp_path: Path) -> None:
    text = printed(sized(tmp_path, sampled(400), user="who"))
    assert "Tea: 200 of 400 names and 133 of 133 users with a confidence of at least 0" in text
    assert "at least 98.5 % with 95 % confidence, where 90 % was asked for" in text
    assert "2 names with the label have no user" in text
    assert text.count("›") == 1


def test_a_rule_is_read_as_it_was_written(tmp_path: Path) -> None:
    path, found = str(tmp_path / "rules" / "tea.json"), sized(tmp_path, sampled(400), user="who")
    write_rule(path, found.rule())
    read = read_rule(path)
    assert read == found.rule()
    assert read.rule == Rule("round-0001", "sum", "Tea", 0.0)
    assert (read.facts["names"], read.facts["run"]) == ({"all": 400, "reached": 200}, "run")
    require_fit(read.rule, SOURCE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not valid JSON"),
        ("[]", "has invalid contents"),
        ("{}", "lacks the key 'kind'"),
        ('{"kind": "x"}', "lacks the key|has invalid contents"),
        ('{"kind": "laud audience rule", "rule": {"threshold": "much"}, "precision": {}}', "has invalid contents"),
    ],
)
def test_a_broken_rule_is_one_line(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "rule.json").write_text(content)
    with pytest.raises(DamageError, match=message):
        read_rule(str(tmp_path / "rule.json"))
    with pytest.raises(RunError, match="does not exist; expected a rule"):
        read_rule(str(tmp_path / "none.json"))


def test_a_rule_that_was_changed_by_hand_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rule.json"
    write_rule(str(path), sized(tmp_path, sampled(400)).rule())
    path.write_text(path.read_text().replace('"threshold": 0.0', '"threshold": 0.1'))
    with pytest.raises(DamageError, match="its checksum differs"):
        read_rule(str(path))


def test_a_rule_about_another_model_or_label_is_refused() -> None:
    with pytest.raises(RunError, match="is about the model 'round-0002', whose confidences differ"):
        require_fit(Rule("round-0002", "other", "Tea", 0.5), SOURCE)
    with pytest.raises(RunError, match="the label 'Juice' is not valid"):
        require_fit(Rule("round-0001", "sum", "Juice", 0.5), SOURCE)
    treed = replace(SOURCE, taxonomy=TREE)
    require_fit(Rule("round-0001", "sum", "Food > Milk", 0.5), treed)


def test_a_rule_selects_rows_by_label_and_confidence() -> None:
    answered = Answered(
        np.array([[0, 1], [0, 1], [1, 0], [0, 1]], np.int32),
        np.array([[0.9, 0.1], [0.7, 0.3], [0.95, 0.05], [0.99, 0.01]], np.float32),
        np.array([True, True, True, False]),
        pa.nulls(4),
        4,
        None,
        np.arange(4),
    )
    rule = Rule("m", "s", "Tea", 0.9)
    assert inside(rule, answered, LABELS, None).tolist() == [True, False, False, False]
    assert inside(replace(rule, threshold=0.0), answered, LABELS, None).tolist() == [True, True, False, False]


def test_a_rule_about_an_inner_node_selects_its_leaves_by_the_nodes_probability() -> None:
    """The leaves are Tea, Cow and Tools; the confidences are those of the path of the likeliest leaf."""
    answered = Answered(
        np.array([[0], [1], [1], [2]], np.int32),
        np.full((4, 1), 0.4, np.float32),
        np.ones(4, np.bool_),
        pa.nulls(4),
        4,
        None,
        np.arange(4),
        np.array([[0.9, 0.4, np.nan], [0.95, 0.7, 0.4], [0.6, 0.5, 0.4], [0.8, np.nan, np.nan]], np.float32),
    )
    leaves = tuple(TREE.label(int(one)) for one in TREE.leaves)
    found = {
        label: inside(Rule("m", "s", label, 0.7), answered, leaves, TREE).tolist() for label in ("Food", "Food > Milk")
    }
    assert found == {"Food": [True, True, False, False], "Food > Milk": [False, True, False, False]}


def test_a_sample_is_compared_by_label_or_subtree(tmp_path: Path) -> None:
    drawn = [Sampled("part-00000.parquet", i, f"d{i}", 0, 100) for i in range(4)]
    table = pa.table(
        {"label": ["Tea", "Tea", "Milk", None], "confidence": pa.array([0.9, 0.6, 0.8, None], pa.float32())}
    )
    Folder(str(tmp_path)).write_table("part-00000.parquet", table)
    answers = {"d0": "Tea", "d1": "Milk", "d2": "Tea", "d3": "Tea"}
    found = compare(Folder(str(tmp_path)), drawn, answers, FLAT, "Tea")
    assert np.nan_to_num(found.scores, nan=-1).tolist() == pytest.approx([0.9, 0.6, -1])
    assert found.right.tolist() == [True, False, True]
    assert (found.precision(0.0).value, found.recall(0.0).value, found.precision(0.7).value) == (0.5, 0.5, 1.0)
    with pytest.raises(RunError, match="no document of the sample has an answer"):
        compare(Folder(str(tmp_path)), drawn, {}, FLAT, "Tea")
    treed = replace(FLAT, kind="taxonomy", taxonomy=TREE)
    paths = pa.array([[0.9, 0.5], [0.8, 0.7, 0.6], [0.7], None], pa.list_(pa.float32()))
    labels = ["Food > Tea", "Food > Milk > Cow", "Tools", None]
    Folder(str(tmp_path / "tree")).write_table("part-00000.parquet", pa.table({"label": labels, "confidences": paths}))
    answers = {"d0": "Food > Milk > Cow", "d1": "Food > Milk", "d2": "Food > Tea", "d3": "Tools"}
    food = compare(Folder(str(tmp_path / "tree")), drawn, answers, treed, "Food")
    assert np.nan_to_num(food.scores, nan=-1).tolist() == pytest.approx([0.9, 0.8, -1])
    assert food.right.tolist() == [True, True, True]
    milk = compare(Folder(str(tmp_path / "tree")), drawn, answers, treed, "Food > Milk")
    assert np.nan_to_num(milk.scores, nan=-1).tolist() == pytest.approx([-1, 0.7, -1])
    assert milk.right.tolist() == [True, True, False]


def test_a_label_of_a_set_has_its_own_probability_and_answers(tmp_path: Path) -> None:
    """d2 was not asked about Tea, and d4 has no answer: neither counts. d3 lacks Tea, and no label applies to it."""
    drawn = [Sampled("part-00000.parquet", i, f"d{i}", 0, 100) for i in range(6)]
    sets: list[list[str]] = [["Tea", "Milk"], ["Milk"], ["Tea"], ["Tea"], ["Tea"], []]
    proba = [[0.9, 0.6], [0.7, 0.2], [0.8, 0.1], [0.6, 0.1], [0.9, 0.1], [0.3, 0.1]]
    table = pa.table(
        {
            "labels": sets,
            "top_labels": [["Milk", "Tea"] if i == 1 else ["Tea", "Milk"] for i in range(6)],
            "top_probabilities": pa.array(proba, pa.list_(pa.float32())),
            "confidence": pa.array([0.5] * 6, pa.float32()),
        }
    )
    Folder(str(tmp_path)).write_table("part-00000.parquet", table)
    some = '{"no":["Milk"],"yes":[]}'
    answers = {"d0": '["Milk","Tea"]', "d1": '["Tea"]', "d2": some, "d3": "[]", "d4": None, "d5": '["Milk"]'}
    found = compare(Folder(str(tmp_path)), drawn, answers, replace(FLAT, kind="multilabel"), "Tea")
    assert np.nan_to_num(found.scores, nan=-1).tolist() == pytest.approx([0.9, -1, 0.6, -1])
    assert found.right.tolist() == [True, True, False, False]
    assert (found.precision(0.0).value, found.recall(0.0).value, found.precision(0.7).value) == (0.5, 0.5, 1.0)


def test_a_label_is_counted_in_lists(tmp_path: Path) -> None:
    given = [["Tea", "Milk"], ["Milk", "Tea"], ["Milk"], [], None, ["Tea"]]
    scores = [[0.9, 0.5], [0.8, 0.4], [0.7], [], None, [0.6]]
    values = pa.array(given, pa.list_(pa.string()))
    coded = pa.ListArray.from_arrays(values.offsets, values.values.dictionary_encode(), mask=values.is_null())
    table = pa.table(
        {"id": [str(i) for i in range(6)], "labels": coded, "confidences": pa.array(scores, pa.list_(pa.float32()))}
    )
    place = tmp_path / "labels"
    place.mkdir()
    pq.write_table(table.append_column("who", pa.array(["a", "a", "b", "c", "d", None])), place / "part-00000.parquet")
    (place / "_SUCCESS").write_text("")
    reach = measure_reach(str(place), "Tea", None, "who")
    assert (reach.rows, reach.labelled, reach.without_user, reach.all_users) == (6, 3, 1, 4)
    assert reach.expected[-1] == pytest.approx((0.9 + 0.4 + 0.6) / 3)
    assert reach.users is not None
    assert reach.users[-1] == 1


def test_a_rule_selects_sets_that_have_its_label() -> None:
    sets = Sets(
        np.array([[0, 1], [1, 0], [1, -1], [-1, -1]], np.int32),
        np.array([[0.9, 0.4], [0.9, 0.5], [0.9, 0], [0, 0]], np.float32),
        np.ones(4, np.float32),
        np.ones(4, np.float32),
    )
    answered = Answered(
        np.array([[0, 1], [1, 0], [1, 0], [0, 1]], np.int32),
        np.array([[0.9, 0.4], [0.9, 0.5], [0.9, 0.3], [0.2, 0.1]], np.float32),
        np.ones(4, np.bool_),
        pa.nulls(4),
        4,
        None,
        np.arange(4),
        sets=sets,
    )
    rule = Rule("m", "s", "Tea", 0.6)
    assert inside(rule, answered, LABELS, None).tolist() == [True, False, False, False]
    assert inside(replace(rule, threshold=0.0), answered, LABELS, None).tolist() == [True, True, False, False]


def test_an_unknown_label_is_one_line_with_a_suggestion() -> None:
    with pytest.raises(RunError, match=r"'Tee' is not valid; expected a label of run, such as 'Tea', 'Milk' - did you"):
        require_label(FLAT, "Tee", "run")
    assert require_label(replace(FLAT, kind="taxonomy", taxonomy=TREE), "Food > Milk", "run") == "Food > Milk"
    assert require_label(replace(FLAT, kind="multilabel"), "Tea", "run") == "Tea"


def test_an_output_of_another_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from laud_ray.audience import size as module

    place = Path(labelled(tmp_path))
    identity = {"model": {"name": "round-0009", "checksum": "other"}, "options": {}}
    (place / "_manifest.json").write_text(json.dumps({"identity": identity}))

    class Nothing:
        def __enter__(self) -> "Nothing":
            return self

        def __exit__(self, *error: object) -> None: ...

        def __getattr__(self, name: str) -> "Nothing":
            return self

        def __call__(self, *arguments: object) -> "Nothing":
            return self

    monkeypatch.setattr(module, "look_at", lambda run: Nothing())
    monkeypatch.setattr(module, "require_label", lambda task, label, place: label)
    monkeypatch.setattr(module, "evidence", lambda *arguments: sampled(400))
    with pytest.raises(RunError, match="was labelled by another model, round-0009"):
        size(SOURCE, str(place), "Tea", 0.9, lambda event: None)
    identity["model"] = {"name": "round-0001", "checksum": "sum"}
    (place / "_manifest.json").write_text(json.dumps({"identity": identity}))
    assert size(SOURCE, str(place), "Tea", 0.9, lambda event: None).names == 400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["size", "RUN", "n.csv", "--label", "Tea"], "Missing option '--precision'"),
        (["size", "RUN", "n.csv", "--label", "Tea", "--precision", "1"], "expected a share above 0 and below 1"),
        (["size", "/none", "n.csv", "--label", "Tea", "--precision", "0.9"], "/none"),
        (["size", "/none", "n.csv", "--label", "Tea", "--precision", "0.9", "--out", "/"], "--out: '/' is not valid"),
        (["measure", "x.csv", "--rule", "/none.json"], "/none.json: does not exist; expected a rule"),
        (["measure", "x.csv", "--rule", "/none.json", "--precision", "0.9"], "is in the --rule too"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert laud("audience", *arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
