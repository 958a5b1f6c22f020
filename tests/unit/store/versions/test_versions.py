"""A run's answers after its taxonomy has changed."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from laud_ray.quality.aggregation import MODEL
from laud_ray.store import rechecks
from laud_ray.store.rechecks import SecondQuery
from laud_ray.store.store import Query, Store
from laud_ray.store.versions import record
from laud_ray.store.versions.proposal import Proposal, propose, put_in_force
from laud_ray.store.versions.record import history, outstanding
from laud_ray.store.versions.renewals import record as ask_again
from laud_ray.taxonomy import Taxonomy, read_table
from laud_ray.types import Annotation, Document, Estimate, Figures, RoundResult

FIRST = {"1": "Food", "11": "Food > Tea", "12": "Food > Milk", "13": "Food > Curd", "2": "Tools", "21": "Tools > Saws"}
SECOND = {
    "1": "Food",
    "11": "Food > Tea",
    "111": "Food > Tea > Green",
    "112": "Food > Tea > Black",
    "12": "Food > Dairy",
    "3": "Rice",
    "2": "Tools",
    "21": "Tools > Hand saws",
}
ALSO = {"12": "Curd"}


def tree(nodes: Mapping[str, str], also: Mapping[str, str] = {}) -> Taxonomy:
    columns = {"code": list(nodes), "path": list(nodes.values()), "also": [also.get(code, "") for code in nodes]}
    return read_table(columns, "t.csv")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run with an answer of every kind, of both purposes."""
    store = Store(f"sqlite:///{tmp_path / 'laud.db'}")
    labels = ["Food > Tea", "Food > Milk", "Food > Curd", "Tools > Saws", None]
    for purpose in ("evaluation", "seed"):
        queries = [
            Query(Document(f"{purpose[0]}{i}", f"text {purpose} {i}"), "why", "Tools > Saws", 0.5, "Food > Curd")
            for i in range(len(labels))
        ]
        store.add_queries(purpose, 1, queries)
        store.add_annotations([Annotation(f"{purpose[0]}{i}", label, "replay", 0.5) for i, label in enumerate(labels)])
    figure = Estimate(0.5, 0.4, 0.6, 20)
    for number in (0, 1):
        figures = Figures(20, figure, figure, 0.1, ())
        result = RoundResult(number, f"round-{number:04d}", 5 * number, 5, 100, figures, None, True, {})
        store.close_round(result, "linear", "budget: 5 of 5 annotations are spent" if number else None)
    return store


def proposed(store: Store, new: Mapping[str, str] = SECOND, left: int = 0) -> Proposal:
    return propose(store, tree(FIRST), tree(new, ALSO), left)


def labels(store: Store) -> dict[str, object]:
    return {a.query.document.id: a.label if a.answered else "?" for a in store.queries()}


def test_the_differences_and_what_follows_from_them(store: Store) -> None:
    assert proposed(store, left=3).lines() == [
        "2 of 6 nodes are unchanged; 2 renamed, 1 split, 1 merged, 3 new",
        "renamed: 'Food > Milk' (12) -> 'Food > Dairy' (12)",
        "renamed: 'Tools > Saws' (21) -> 'Tools > Hand saws' (21)",
        "split: 'Food > Tea' (11) -> 'Green', 'Black'",
        "merged: 'Food > Curd' (13) -> 'Food > Dairy' (12)",
        "new: 'Food > Tea > Green' (111)",
        "new: 'Food > Tea > Black' (112)",
        "new: 'Rice' (3)",
        "6 of 10 answers are kept, 6 of them under another path",
        "asked again: 2 documents of the evaluation sample, beside the budget",
        "asked again: 2 documents that were asked about for training, within the budget",
        "asked about: 3 new leaves, within the budget",
        "the budget has 3 annotations left",
    ]
    assert history(store.engine) is None
    assert propose(store, tree(FIRST), tree(FIRST), 0).lines()[-3:] == [
        "10 of 10 answers are kept",
        "asked about: no leaf",
        "the budget has 0 annotations left",
    ]


def test_answers_are_read_in_the_words_of_the_version_in_force(store: Store) -> None:
    before = labels(store)
    put_in_force(store, proposed(store), {"configuration": "new"})
    assert store.setting("configuration") == "new"
    assert before["s0"] == "Food > Tea"
    assert labels(store) == {
        "e0": "?",
        "e1": "Food > Dairy",
        "e2": "Food > Dairy",
        "e3": "Tools > Hand saws",
        "e4": "?",
        "s0": "Food > Tea",
        "s1": "Food > Dairy",
        "s2": "Food > Dairy",
        "s3": "Tools > Hand saws",
        "s4": None,
    }
    asked = {a.query.document.id: a for a in store.queries()}
    assert [name for name, one in asked.items() if one.unclear] == ["s0"]
    assert (asked["s1"].query.predicted, asked["s1"].query.sought) == ("Tools > Hand saws", "Food > Dairy")


def test_what_is_asked_again_has_its_new_answer(store: Store) -> None:
    put_in_force(store, proposed(store), {})
    assert store.counts()["evaluation"] == 5
    store.add_annotations([Annotation("e0", "Food > Tea > Green", "replay", 2.0), Annotation("e4", None, "replay")])
    ask_again(store.engine, 2, 1, ["s0"])
    assert labels(store)["s0"] == "?"
    store.add_annotations([Annotation("s0", "Food > Tea > Black", "replay", 1.0)])
    found = labels(store)
    assert (found["e0"], found["e4"], found["s0"]) == ("Food > Tea > Green", None, "Food > Tea > Black")
    assert not any(a.unclear for a in store.queries())
    counts = store.counts()
    assert (counts["seed"], counts["renewed"], counts["evaluation"]) == (5, 1, 7)
    assert store.cost() == 0.5 * 10 + 2.0 + 1.0
    store.add_queries("query", 2, [Query(Document("q", "another"), "why")])
    store.add_annotations([Annotation("q", "Rice", "replay")])
    assert labels(store)["q"] == "Rice"


def test_feedback_has_the_words_of_the_model_that_predicted(store: Store) -> None:
    store.add_feedback("one", "Food > Milk", "ann")
    put_in_force(store, proposed(store), {})
    store.add_feedback("two", "Food > Curd", "ann", "Tools > Saws", "round-0001")
    store.add_feedback("three", "Food > Dairy", "ann")
    said = [(one.text, one.label, one.predicted) for one in store.feedback()]
    assert said == [
        ("one", "Food > Dairy", None),
        ("two", "Food > Dairy", "Tools > Hand saws"),
        ("three", "Food > Dairy", None),
    ]


def test_second_answers_are_carried_until_the_document_is_asked_again(store: Store) -> None:
    documents = [Document("s0", "text seed 0"), Document("s1", "text seed 1")]
    rechecks.record(store.engine, 1, [SecondQuery(one, 2, "why", "Food > Curd") for one in documents])
    rechecks.add(store.engine, 2, [Annotation(one.id, "Food > Milk", "replay") for one in documents])
    put_in_force(store, proposed(store), {})
    ask_again(store.engine, 2, 1, ["s0"])
    said = [(one.document_id, one.attempt, one.label) for one in rechecks.opinions(store.engine)]
    assert said == [("s1", 1, "Food > Dairy"), ("s1", 2, "Food > Dairy"), ("s1", 2, "Food > Dairy")]


def test_a_document_that_was_asked_again_can_be_audited_once_more(store: Store) -> None:
    documents = [Document(f"s{i}", f"text seed {i}") for i in (0, 1)]
    rechecks.record(store.engine, 1, [SecondQuery(one, 2, "why", "Food > Curd") for one in documents])
    rechecks.add(store.engine, 2, [Annotation("s1", "Food > Milk", "replay")])
    put_in_force(store, proposed(store), {})
    ask_again(store.engine, 2, 1, ["s0"])
    # The audit question of the old version is answered in the words of the new one, before its document is asked again.
    rechecks.add(store.engine, 2, [Annotation("s0", "Food > Tea > Black", "replay")])
    assert {one.document_id for one in rechecks.opinions(store.engine)} == {"s1"}, "its first answer is pending"
    store.add_annotations([Annotation("s0", "Food > Tea > Green", "another")])
    said = [(one.attempt, one.label, one.who) for one in rechecks.opinions(store.engine) if one.document_id == "s0"]
    assert said == [(1, "Food > Tea > Green", "another"), (2, "Food > Tea > Black", "replay")]
    assert rechecks.attempts(store.engine) == {"s0": 2, "s1": 2}
    rechecks.record(store.engine, 2, [SecondQuery(documents[0], 3, "why", "Rice")])
    rechecks.add(store.engine, 3, [Annotation("s0", "Food > Tea > Green", "another")])
    said = [(one.attempt, one.label, one.who) for one in rechecks.opinions(store.engine) if one.document_id == "s0"]
    assert said[2:] == [(3, "Rice", MODEL), (3, "Food > Tea > Green", "another, asked again")]


def test_a_change_back_restores_what_was_merged(store: Store) -> None:
    before = labels(store)
    put_in_force(store, proposed(store), {})
    put_in_force(store, propose(store, tree(SECOND, ALSO), tree(FIRST), 0), {})
    found = labels(store)
    again = {name for name, label in found.items() if label == "?"}
    assert {name: label for name, label in found.items() if name not in again} == {
        name: label for name, label in before.items() if name not in again
    }
    assert again == {"e0", "e4"}, "their questions are open, and are asked about the version in force"


def test_a_label_is_carried_through_all_versions(store: Store) -> None:
    put_in_force(store, proposed(store), {})
    third = {**SECOND, "12": "Food > Milk and curd", "112": "Food > Black tea"}
    put_in_force(store, propose(store, tree(SECOND, ALSO), tree(third, ALSO), 0), {})
    found = labels(store)
    assert (found["s1"], found["s2"], found["s0"]) == ("Food > Milk and curd", "Food > Milk and curd", "Food > Tea")
    versions = history(store.engine)
    assert versions is not None
    assert versions.current.number == 3
    assert [versions.of_round(round) for round in (0, 1, 2, 3)] == [1, 1, 3, 3]
    assert sorted(outstanding(versions)) == [
        ("Food > Black tea", 2, False),
        ("Food > Tea > Green", 2, True),
        ("Rice", 2, True),
    ]
    assert {a.query.document.id for a in store.queries() if not a.answered} == {"e0", "e4"}


def test_a_version_whose_transaction_fails_is_not_in_force(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("killed")

    before = labels(store)
    monkeypatch.setattr(record, "put_setting", fail)
    with pytest.raises(OSError, match="killed"):
        put_in_force(store, proposed(store), {"configuration": "new"})
    assert history(store.engine) is None
    assert labels(store) == before
