"""The steps of a run, as far as they need no Ray."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray import config
from laud_ray.config import BudgetConfig, RoundsRule, RunConfig
from laud_ray.data.corpus import Corpus, Range
from laud_ray.data.near_duplicates import NearDuplicates
from laud_ray.errors import CorpusError, EngineError
from laud_ray.evaluation import draw
from laud_ray.evaluation.agreement import agreement
from laud_ray.evaluation.labelled_file import LabelledFigures, evaluate_labelled
from laud_ray.evaluation.measure import evaluate, why_unanswered
from laud_ray.evaluation.strata import Population, merge_unanswered
from laud_ray.events import Outcome
from laud_ray.labels import Unknown
from laud_ray.oracles.asking import annotate
from laud_ray.passes.incomplete import drop_incomplete
from laud_ray.passes.scoring import score_table, score_texts
from laud_ray.passes.shortlists import SHORTLIST, to_candidates
from laud_ray.passes.summary import summarise
from laud_ray.query import build
from laud_ray.steps.selection.picking import select
from laud_ray.steps.selection.seed_walk import ClassRanking, next_wave, not_found, ranking_depth
from laud_ray.steps.stop import ended, reconsider
from laud_ray.steps.training.model import memory_size, to_memory
from laud_ray.storage.folder import Folder
from laud_ray.store.ledger import Answer, Call, Caps, Ledger
from laud_ray.store.run import claim
from laud_ray.store.store import Answered, Query, Sampled, Store
from laud_ray.store.versions.acceptance import Accept
from laud_ray.types import Annotation, Document, Estimate, Figures, Floats, Label, RoundResult, Scorer, Task

NAMES = ("Tea", "Coffee", "Juice")


TEA_OR_OTHER = Task("tea", "binary", (Label("Tea"), Label("other")))


def query(key: str, text: str | None = None) -> Query:
    return Query(Document(key, text or f"text of {key}"), "why")


def answered(key: str, label: str | None, text: str | None = None) -> Answered:
    return Answered(query(key, text), "seed", 1, True, label)


def walk(rankings: Sequence[Sequence[Query]], truth: dict[str, str | None], *, per_class: int, cap: int) -> list[str]:
    """Walk to the end with an oracle that knows the truth; return the ids in the order of asking."""
    asked: list[Answered] = []
    while wave := next_wave(rankings, asked, NAMES, per_class=per_class, cap=cap):
        asked += [Answered(q, "seed", 1, True, truth[q.document.id]) for q in wave]
    return [a.query.document.id for a in asked]


def test_seed_walks_down_until_each_class_is_confirmed() -> None:
    words = {
        key: f"{key} {word}"
        for key, word in zip("abcdefgh", ("milk", "soap", "nuts", "bread", "eggs", "rice", "tape", "fish"), strict=True)
    }
    rankings = [[query(k, words[k]) for k in order] for order in ("abc", "def", "gh")]
    truth: dict[str, str | None] = dict(
        zip("abcdefgh", ("Coffee", "Tea", "Tea", None, "Juice", "Coffee", "Juice", "Tea"), strict=True)
    )
    # First wave a, d, g. a is Coffee and d an abstention, so only Tea lacks one: b.
    assert walk(rankings, truth, per_class=1, cap=100) == ["a", "d", "g", "b"]
    assert walk(rankings, truth, per_class=1, cap=2) == ["a", "d"]
    # Two a class: Tea and Coffee from both ends, whoever's ranking found them.
    assert walk(rankings, truth, per_class=2, cap=100) == ["a", "b", "d", "e", "g", "h", "f"]


def test_seed_passes_over_near_duplicates_and_reports_classes_never_found() -> None:
    rankings = [
        [query("a", "Green Tea 20 bags"), query("b", "green tea, 20 bags!"), query("c", "Oolong leaves")],
        [],
        [],
    ]
    asked = [answered("a", "Juice", "Green Tea 20 bags")]
    wave = next_wave(rankings, asked, NAMES, per_class=1, cap=10)
    assert [q.document.id for q in wave] == ["c"]
    assert not_found(asked, NAMES) == ("Tea", "Coffee")


def test_a_class_that_cannot_be_found_gets_its_share_and_no_more() -> None:
    words = ["milk", "soap", "nuts", "bread", "eggs", "rice", "tape", "fish", "lamp", "sock", "beer", "cake"]
    rankings = [[query(f"{name}{i}", f"{words[i]} {name}") for i in range(12)] for name in NAMES]
    truth: dict[str, str | None] = {f"{name}{i}": "Coffee" for name in NAMES for i in range(12)}
    order = walk(rankings, truth, per_class=1, cap=12)
    assert [key for key in order if key.startswith("Tea")] == ["Tea0", "Tea1", "Tea2", "Tea3"]
    assert len(order) == 4 + 1 + 4


def test_seed_continues_the_same_after_a_restart_within_a_wave() -> None:
    rankings = [[query(f"{name}{i}", f"{name} {i * 7919}") for i in range(5)] for name in NAMES]
    asked = [answered("Tea0", "Tea", "Tea 0")]
    once = next_wave(rankings, asked, NAMES, per_class=2, cap=9)
    assert [q.document.id for q in once] == ["Tea1", "Coffee0", "Coffee1", "Juice0", "Juice1"]
    assert next_wave(rankings, asked, NAMES, per_class=2, cap=9) == once


def test_ranking_depth_reaches_far_for_few_classes() -> None:
    assert ranking_depth(2, 300) >= 300
    assert 20 <= ranking_depth(167, 300) < 100


def test_near_duplicates() -> None:
    seen = NearDuplicates(["Choc Milk 1L", "Soap"])
    assert "choc. milk 1 l" not in seen  # another trigram set: 1l and 1 l
    assert "CHOC milk, 1l" in seen
    assert "Choc Milk 2L organic" not in seen
    assert "" not in seen


class Brittle:
    """A scorer that cannot bear some texts."""

    labels = NAMES

    def __init__(self) -> None:
        self.calls = 0

    def score(self, texts: Sequence[str]) -> Floats:
        self.calls += 1
        if "poison" in texts:
            raise ValueError("cannot read this")
        return np.tile(np.float32([0.2, 0.5, 0.3]), (len(texts), 1))


def test_one_bad_text_costs_one_row() -> None:
    texts = [f"t{i}" for i in range(200)]
    texts[77] = "poison"
    scorer = Brittle()
    proba, failures = score_texts(scorer, texts)
    assert failures == {77: "ValueError: cannot read this"}
    assert np.allclose(np.delete(proba, 77, 0).sum(1), 1)
    assert scorer.calls < 30


def test_score_table_by_hand() -> None:
    proba = np.float32([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]])
    usable = np.asarray([True, False, True, True])
    table = score_table(
        list("wxyz"), summarise(proba), np.asarray([1, -1, 0, 1]), usable, [None, "empty text", None, None], NAMES, "m"
    )
    found = table.to_pylist()
    assert [row["label"] for row in found] == ["Tea", None, "Coffee", "Tea"]
    assert found[2]["top_labels"] == ["Coffee", "Juice", "Tea"]
    assert found[2]["top_probabilities"] == pytest.approx([0.7, 0.2, 0.1])
    assert found[2]["margin"] == pytest.approx(0.5)
    assert found[0]["entropy"] == pytest.approx(1.0397208)
    assert found[1] == {
        **dict.fromkeys(("label", "confidence", "margin", "entropy")),
        "id": "x",
        "top_labels": [],
        "top_probabilities": [],
        "model": "m",
        "error": "empty text",
    }


def test_score_table_of_nothing_but_errors() -> None:
    table = score_table(
        ["a"], summarise(np.zeros((0, 3), np.float32)), np.asarray([-1]), np.asarray([False]), ["empty"], NAMES, "m"
    )
    assert table.to_pylist()[0]["label"] is None


def shortlist(utilities: Sequence[float], texts: Sequence[str]) -> pa.Table:
    n = len(texts)
    return pa.table(
        {
            "id": [str(i) for i in range(n)],
            "text": list(texts),
            "criterion": pa.array([0] * n, pa.int32()),
            "utility": pa.array(utilities, pa.float32()),
            "tie": np.linspace(0, 1, n),
            "top_labels": [["Tea", "Juice"]] * n,
            "top_probabilities": [[0.5, 0.4]] * n,
        }
    )


def test_select_passes_over_near_duplicates_until_it_must_not() -> None:
    strategy, rng = build("margin", counts=[0, 0, 0]), np.random.default_rng(0)
    table = shortlist([-0.1, -0.2, -0.3, -0.4], ["apple pie", "Apple pie!", "brown bread", "soap bar"])
    pool = to_candidates(table, 1)
    picked = select(strategy, "margin", table, pool, ["soap bar"], 2, rng=rng)
    assert [q.document.id for q in picked] == ["0", "2"]
    assert picked[0].reason == "margin: Tea 0.50 or Juice 0.40"
    everything = select(strategy, "margin", table, pool, ["soap bar"], 9, rng=rng)
    assert [q.document.id for q in everything] == ["0", "2", "1", "3"]


def a_corpus(tmp_path: Path, sizes: Sequence[int], proba: Floats) -> tuple[Corpus, Folder]:
    """Ranges of the sizes with the given probabilities of Tea as scores; every tenth row is an error."""
    folder, scores = Folder(str(tmp_path / "corpus")), Folder(str(tmp_path / "scores"))
    start = 0
    for number, size in enumerate(sizes):
        rows = np.arange(start, start + size)
        name = f"part-{number:05d}.parquet"
        errors = ["bad" if i % 10 == 9 else None for i in rows]
        folder.write_table(
            name,
            pa.table(
                {
                    "id": [f"d{i}" for i in rows],
                    "text": [None if i % 10 == 9 else f"text {i}" for i in rows],
                    "error": pa.array(errors, pa.string()),
                    "duplicate_of": pa.array([None] * size, pa.string()),
                }
            ),
        )
        two = np.stack([proba[rows], 1 - proba[rows]], 1).astype(np.float32)
        usable = np.asarray([e is None for e in errors])
        ids = [f"d{i}" for i in rows]
        scores.write_table(
            name, score_table(ids, summarise(two), np.arange(size), usable, errors, ("Tea", "other"), "m")
        )
        start += size
    ranges = tuple(Range(f"part-{i:05d}.parquet", size) for i, size in enumerate(sizes))
    return Corpus(folder, ranges, {"unique": sum(sizes)}, "f"), scores


def test_uniform_sample_is_uniform_and_leaves_errors_out(tmp_path: Path) -> None:
    corpus, scores = a_corpus(tmp_path, [300, 100, 200], np.full(600, 0.5))
    times = np.zeros(600)
    for seed in range(60):
        drawn = draw.draw(Population(corpus, lambda round: scores, None), 90, seed=(seed, 1))
        assert len({one.document_id for one in drawn}) == 90
        assert {(one.stratum, one.stratum_size) for one in drawn} == {(0, 540)}
        times[[int(one.document_id[1:]) for one in drawn]] += 1
    assert times[9::10].sum() == 0
    expected = 60 * 90 / 540
    for start, end in ((0, 300), (300, 400), (400, 600)):
        rows = [i for i in range(start, end) if i % 10 != 9]
        assert times[rows].mean() == pytest.approx(expected, rel=0.12)


def test_a_stratified_sample_is_cut_by_score_and_looks_most_where_it_is_unsure(tmp_path: Path) -> None:
    proba = np.random.default_rng(0).permutation(np.linspace(0, 1, 1000))
    corpus, scores = a_corpus(tmp_path, [400, 600], proba)
    everything = Population(corpus, lambda round: scores, "Tea")
    tea_first = replace(everything, cuts=(draw.cut(everything, 0, [3]),))
    drawn = draw.draw(tea_first, 90, seed=(0, 1))
    sizes = {one.stratum: one.stratum_size for one in drawn}
    assert sum(sizes.values()) == 900
    # The scores are spread evenly: thirds, of which the middle one is the least sure of itself.
    assert list(sizes.values()) == pytest.approx([300] * 3, abs=20)
    counts = {h: sum(one.stratum == h for one in drawn) for h in sizes}
    assert sum(counts.values()) == 90
    assert counts[1] == max(counts.values())
    tea = {h: [proba[int(one.document_id[1:])] for one in drawn if one.stratum == h] for h in sizes}
    assert max(tea[0]) <= min(tea[1]) <= max(tea[1]) <= min(tea[2])
    assert draw.draw(tea_first, 90, seed=(0, 1)) == drawn
    texts = {q.document.id: q.document.text for q in draw.to_queries(corpus, drawn)}
    assert texts == {one.document_id: f"text {one.document_id[1:]}" for one in drawn}


def test_strata_without_answers_join_the_nearest() -> None:
    drawn = [Sampled("p", i, f"d{i}", h, size) for i, (h, size) in enumerate([(0, 100), (1, 20), (2, 5)])]
    strata, sizes = merge_unanswered(drawn, [drawn[0], drawn[2]])
    assert (strata.tolist(), sizes) == ([0, 2], {0: 120, 2: 5})


def test_figures_count_the_documents_that_are_not_in_them_by_why(tmp_path: Path) -> None:
    corpus, scores = a_corpus(tmp_path, [20], np.asarray([0.9] * 20))
    drawn = [Sampled(corpus.ranges[0].name, row, f"d{row}", 0, 20) for row in range(10)]
    answers: dict[str, str | None] = {f"d{row}": "Tea" if row < 4 or row == 9 else None for row in range(9)}
    answers["d9"] = "Tea"
    reasons = {"d5": "pending", "d6": "unread", "d7": "pending"}
    del answers["d8"]
    found = evaluate(scores, drawn, answers, TEA_OR_OTHER, seed=0, reasons=reasons)
    assert found.n == 4
    assert found.unanswered == {"pending": 2, "abstained": 1, "unread": 1, "not asked": 1, "not scored": 1}
    trusted = {"d0": "Tea", "d1": "Tea", "d4": None, "d5": None, "d9": "Tea"}
    powered = evaluate(scores, drawn, answers, TEA_OR_OTHER, seed=0, reasons=reasons, trusted=trusted)
    assert (powered.n, powered.trusted) == (9, 2)
    assert powered.unanswered == {"abstained": 1, "pending": 1, "not scored": 1}
    whole = evaluate(scores, drawn[:4], answers, TEA_OR_OTHER, seed=0)
    assert whole.unanswered == {}


def test_why_documents_have_no_answer(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/laud.db")
    ledger = Ledger(store)
    store.add_queries("evaluation", 0, [query(f"d{i}") for i in range(6)])
    came = {
        "d0": [Answer("A", "Tea")],
        "d1": [Answer("what?"), Answer("C", "unsure")],
        "d2": [Answer("what?"), Answer("well")],
        "d3": [None, Answer("hm")],
        "d4": [None, None],
    }
    for name, answers in came.items():
        for i, answer in enumerate(answers):
            number = ledger.begin(Call(f"{name}-{i}", "llm:m", "openai", "m", "v", name, 0, i, 10, 0.5), Caps())
            assert number
            if answer is None:
                ledger.fail(number, "400: too long", billed=False)
            else:
                ledger.finish(number, answer)
        store.add_annotations([Annotation(name, answers[-1] and answers[-1].label if name == "d0" else None, "llm:m")])
    assert why_unanswered(store) == {"d2": "unread", "d3": "unread", "d4": "refused", "d5": "pending"}


def test_agreement_of_two_passes_on_the_stop_set(tmp_path: Path) -> None:
    corpus, before = a_corpus(tmp_path, [20], np.asarray([0.9] * 4 + [0.1] * 16))
    _, after = a_corpus(tmp_path / "after", [20], np.asarray([0.9] * 2 + [0.1] * 14 + [0.9] * 4))
    stop = [Sampled(corpus.ranges[0].name, row, f"d{row}", 0, 20) for row in range(20)]
    binary = Task("t", "binary", (Label("Tea"), Label("other")))
    # Rows 9 and 19 are errors. Tea: 4 before, 5 after (0, 1, 16, 17, 18), both in 2.
    kappa, change = agreement(before, after, stop, binary)
    by_chance = (4 * 5 + 14 * 13) / 18**2
    assert kappa == pytest.approx((13 / 18 - by_chance) / (1 - by_chance))
    assert change == pytest.approx(1 - 2 * 2 / 9)
    _, of_both = agreement(before, after, stop, replace(binary, kind="multiclass"))
    assert of_both == pytest.approx((1 - 2 * 2 / 9 + 1 - 2 * 11 / 27) / 2)
    assert agreement(before, after, [], binary) == (None, None)


class Half:
    """An oracle that answers for every other document it is asked about."""

    def annotate(self, documents: Sequence[Document]) -> Sequence[Annotation]:
        return [Annotation(d.id, "Tea", "half", cost=0.5) for d in documents[::2]]


def test_annotate_stores_what_comes_and_leaves_the_rest_pending(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/laud.db")
    store.add_queries("query", 1, [query(f"d{i}") for i in range(100)])
    seen: list[tuple[int, int]] = []
    assert annotate(store, Half(), "query", 1, lambda done, total: seen.append((done, total))) == 50
    assert seen == [(32, 100), (50, 100)]
    assert annotate(store, Half(), "query", 1, lambda done, total: None) == 25
    assert store.counts() == {"seed": 0, "query": 75, "evaluation": 0, "audit": 0, "trusted": 0, "abstained": 0}
    assert store.cost() == pytest.approx(37.5)


def test_class_ranking_is_the_probabilities() -> None:
    proba = np.float32([[0.2, 0.8]])
    assert ClassRanking().utility(proba) is proba


class FirstLetter:
    """Says Tea of texts that begin with t, and else the second label."""

    labels = ("Tea", "Coffee")

    def score(self, texts: Sequence[str]) -> Floats:
        return np.asarray([[0.9, 0.1] if text.startswith("t") else [0.1, 0.9] for text in texts])


def evaluated(scorer: Scorer, task: Task, path: Path) -> LabelledFigures:
    return evaluate_labelled(scorer, task, str(path), text="text", label="label", seed=0, max_chars=8)


def test_texts_that_cannot_be_scored_do_not_count_and_long_ones_are_cut(tmp_path: Path) -> None:
    class Picky(FirstLetter):
        def score(self, texts: Sequence[str]) -> Floats:
            if any("poison" in text or len(text) > 8 for text in texts):
                raise ValueError("cannot read this")
            return super().score(texts)

    task = Task("drinks", "multiclass", (Label("Tea"), Label("Coffee")))
    (tmp_path / "a.csv").write_text("text,label\npoison 1,Tea\nt1,Tea\npoison 2,Tea\nt2 and so on,Coffee\n")
    found = evaluated(Picky(), task, tmp_path / "a.csv")
    assert (found.figures.n, found.figures.accuracy.value) == (2, 0.5)
    assert found.left_out == {"cannot be scored (first: ValueError: cannot read this)": 2}
    (tmp_path / "b.csv").write_text("text,label\npoison 1,Tea\n")
    with pytest.raises(CorpusError, match="b.csv: none of its 1 texts can be scored; the first: ValueError: cannot"):
        evaluated(Picky(), task, tmp_path / "b.csv")


def test_an_engine_that_fails_measures_nothing(tmp_path: Path) -> None:
    class Broken(FirstLetter):
        def score(self, texts: Sequence[str]) -> Floats:
            raise RuntimeError("CUDA error: unspecified launch failure")

    (tmp_path / "a.csv").write_text("text,label\nt1,Tea\nc1,Coffee\n")
    with pytest.raises(EngineError, match="CUDA error"):
        evaluated(Broken(), Task("drinks", "multiclass", (Label("Tea"), Label("Coffee"))), tmp_path / "a.csv")


def test_labels_that_are_not_the_tasks_count_as_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nt1,Tea\nt2,Juice\nc1,Coffee\nc2,Milk\n,Tea\n")
    task = Task("drinks", "multiclass", (Label("Tea"), Label("Coffee")))
    found = evaluated(FirstLetter(), task, tmp_path / "a.csv")
    assert (found.figures.n, found.figures.accuracy.value, found.unknown_labels) == (4, 0.5, 2)
    assert found.left_out == {"without a text": 1}
    assert [(row.label, row.support, row.predicted) for row in found.figures.per_class] == [
        ("Tea", 1, 2),
        ("Coffee", 1, 2),
    ]
    # Each class: precision 1/2, recall 1. Juice and Milk lower the precision; they are no classes with an F1 of 0.
    assert found.figures.macro_f1.value == pytest.approx(2 / 3)


def test_rows_that_cannot_count_are_counted_by_why(tmp_path: Path) -> None:
    rows = [b"t1,Tea", b"c1,Coffee", b",Tea", b" ,Tea", b"t2,", b",", b"t\xff,Tea"]
    task = Task("drinks", "multiclass", (Label("Tea"), Label("Coffee")))
    table = pa.table({"text": [row.split(b",")[0] for row in rows], "label": [row.split(b",")[1] for row in rows]})
    pq.write_table(table, tmp_path / "a.parquet")
    found = evaluated(FirstLetter(), task, tmp_path / "a.parquet")
    assert found.figures.n == 2
    assert found.left_out == {"without a text": 2, "without a label": 1, "without both": 1, "not UTF-8": 1}


def test_labels_are_read_as_the_tasks_are_and_unknown_ones_are_listed(tmp_path: Path) -> None:
    rows = ["t1,Tea\u00a0", "t1, TEE", "c1,\u200bCoffee", "c2,Coffe", "c2,Coffe ", "c3,Coffee", "c3,Tea"]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows, *(f"x{i},y{i}" for i in range(20))]))
    task = Task("drinks", "multiclass", (Label("Tea", also=("TEE",)), Label("Coffee")))
    found = evaluated(FirstLetter(), task, tmp_path / "a.csv")
    assert (found.figures.n, found.unknown_labels, len(found.unknown), found.two_labels) == (27, 22, 10, 1)
    assert found.figures.accuracy.value == pytest.approx(4 / 27)
    assert found.unknown[0] == Unknown("Coffe", 2, "Coffee")
    assert found.unknown[1] == Unknown("y0", 1, None)


def test_in_a_binary_task_all_other_labels_are_other(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nt1,Tea\nc1,Coffee\nc2,Milk\n")
    task = Task("tea", "binary", (Label("Tea"), Label("other", rest=(Label("Coffee"),))))
    found = evaluated(FirstLetter(), task, tmp_path / "a.csv")
    assert (found.figures.accuracy.value, found.unknown_labels) == (1.0, 1)


def test_a_file_without_any_label_of_the_task_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nt1,tea\nc1,coffee\n")
    task = Task("drinks", "multiclass", (Label("Tea"), Label("Coffee")))
    with pytest.raises(
        CorpusError,
        match=r"a.csv: the column 'label' holds 'coffee' \(1, nearest: 'Coffee'\), 'tea' .*; expected .*'Tea'",
    ):
        evaluated(FirstLetter(), task, tmp_path / "a.csv")


def closed_rounds(store: Store, *annotations: int, budget: int) -> RunConfig:
    """Close a round for each count of annotations; return the configuration they were made with."""
    figure = Estimate(0.5, 0.4, 0.6, 20)
    for number, spent in enumerate(annotations):
        measured = Figures(20, figure, figure, 0.1, ())
        result = RoundResult(number, f"round-{number}", spent, budget, 100, measured, None, True, {})
        store.close_round(result, "linear", f"budget: {spent} of {budget}" if spent == budget else None)
    settings = {
        "task": {"name": "drinks", "labels": list(NAMES)},
        "corpus": {"path": "x.csv", "text": "text"},
        "storage": "x",
        "oracle": {"kind": "replay", "label": "label"},
        "budget": {"annotations": budget},
    }
    return config.parse(json.dumps(settings))


def test_a_finished_run_is_reopened_by_a_higher_budget_alone(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'laud.db'}")
    settings = closed_rounds(store, 0, 10, 20, budget=20)
    raised = settings.model_copy(update={"budget": BudgetConfig(annotations=40)})
    assert reconsider(settings, store) == "budget: 20 of 20 annotations are spent"
    rounds = (RoundsRule(kind="rounds", maximum=2),)
    assert reconsider(raised.model_copy(update={"stop": rounds}), store) == "rounds: 2 of 2 rounds are trained"
    assert store.stop_reason() == "rounds: 2 of 2 rounds are trained"
    assert reconsider(raised, store) is None
    assert store.stop_reason() is None
    assert [result.annotations for result in store.history()] == [0, 10, 20]


def test_an_ended_run_is_known_without_the_loop(tmp_path: Path) -> None:
    settings = closed_rounds(Store(f"sqlite:///{tmp_path / 'other.db'}"), 0, 10, budget=10)
    settings = settings.model_copy(update={"storage": str(tmp_path / "run")})
    accept: Accept = lambda lines: pytest.fail("nothing has changed")  # noqa: E731
    assert ended(settings, accept) is None
    assert not (tmp_path / "run").exists(), "a new run is left to the loop"
    with claim(settings) as folder:
        closed_rounds(folder.store, 0, 10, budget=10)
        folder.store.set("current", "round-1")
    assert ended(settings, accept) == Outcome("finished", "budget: 10 of 10 annotations are spent", "round-1")
    assert ended(settings.model_copy(update={"budget": BudgetConfig(annotations=20)}), accept) is None


def test_a_round_whose_queries_are_recorded_is_not_judged_again(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'laud.db'}")
    settings = closed_rounds(store, 0, 10, budget=20)
    store.add_queries("query", 1, [query("a")])
    tighter = settings.model_copy(update={"budget": BudgetConfig(annotations=10)})
    assert reconsider(tighter, store) is None


def test_before_the_first_trained_round_nothing_stops(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'laud.db'}")
    assert reconsider(closed_rounds(store, 0, budget=1), store) is None


def test_ranges_that_lost_scores_or_shortlist_are_found(tmp_path: Path) -> None:
    scores = Folder(str(tmp_path))
    corpus = Corpus(Folder("x"), tuple(Range(name, 1) for name in "abcd"), {}, "")
    for name in ("a", "b", "c", f"{SHORTLIST}/a", f"{SHORTLIST}/c", f"{SHORTLIST}/d"):
        scores.write(name, b"x")
    assert drop_incomplete(corpus, scores) == ["b", "d"]
    assert scores.names() == {"a", "c"}


def test_the_evaluation_sample_is_not_remembered() -> None:
    assert to_memory(["a", "b", "c", "d", "e"], {"a", "c"}, 2) == ("b", "d")
    assert to_memory(["a", "b"], {"a", "b"}, 2) == ()
    assert to_memory(["a", "b"], set(), 0) == ()


def test_a_memory_is_as_large_as_pays() -> None:
    def of(k: int) -> Task:
        return Task("t", "multiclass", tuple(Label(str(i)) for i in range(k)))

    assert memory_size(None, of(120), 50_000) == 3000
    assert memory_size(None, of(121), 50_000) == 0
    assert memory_size(None, of(10), 250) == 250
    assert memory_size(None, of(10), 249) == 0
    assert memory_size(None, Task("t", "binary", (Label("a"), Label("other"))), 50_000) == 0
    several = Task("t", "multilabel", of(300).labels)
    assert [memory_size(None, several, documents) for documents in (50_000, 7_600, 7_400)] == [8000, 7600, 0]
    assert memory_size(7, of(121), 3) == 7
    assert memory_size(0, of(2), 50_000) == 0
