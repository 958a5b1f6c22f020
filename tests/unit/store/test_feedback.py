"""Feedback on served answers: whose word counts, and that nothing is lost or doubled however many write."""

import hashlib
import sqlite3
import subprocess
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from laud_ray.steps.training.model import to_examples
from laud_ray.store.feedback import Feedback, Verdicts, judge
from laud_ray.store.model_records import promotion
from laud_ray.store.store import Answered, Query, Store
from laud_ray.types import Document, Example

NAMES = ("Tea", "Coffee")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path}/laud.db")


def said(*entries: tuple[str, str, str | None], multilabel: bool = False) -> Verdicts:
    """What (who, text, label) entries come to, in this order."""
    rows = [Feedback(i, text, text, label, who, None, None, NOW) for i, (who, text, label) in enumerate(entries)]
    return judge(rows, NAMES, max_chars=100, multilabel=multilabel)


def test_the_id_is_that_of_the_normalised_text(store: Store) -> None:
    key, new = store.add_feedback("  green\u0020\n tea\u0301 ", "Tea", "ann", "Coffee", "round-0001")
    assert key == "feedback-" + hashlib.sha256("green teá".encode()).hexdigest()[:16]
    assert new
    assert store.add_feedback("green teá", "Coffee", "bob") == (key, True)
    first, second = store.feedback()
    assert (first.text, first.label, first.who, first.predicted, first.model) == (
        "green teá",
        "Tea",
        "ann",
        "Coffee",
        "round-0001",
    )
    assert first.created_at.tzinfo is not None
    assert (second.label, second.predicted, second.model) == ("Coffee", None, None)
    with pytest.raises(ValueError, match="the text is empty"):
        store.add_feedback(" \n", "Tea", "ann")


def test_the_same_again_is_not_new_and_a_changed_mind_is(store: Store) -> None:
    told = [("Tea", True), ("Tea", False), (None, True), (None, False), ("Coffee", True), ("Tea", True), ("Tea", False)]
    assert [store.add_feedback("mate", label, "ann")[1] for label, _ in told] == [new for _, new in told]
    assert store.add_feedback("mate", "Tea", "bob")[1]
    assert [entry.label for entry in store.feedback()] == ["Tea", None, "Coffee", "Tea", "Tea"]
    assert [entry.label for entry in store.feedback(until=2)] == ["Tea", None]


def test_the_latest_word_of_a_person_counts() -> None:
    assert said(("ann", "mate", "Tea"), ("ann", "mate", "Coffee")).labels == {"mate": "Coffee"}
    assert said(("ann", "mate", "Tea"), ("ann", "mate", None)) == Verdicts({}, ("mate",))


def test_the_majority_wins_and_of_ties_the_latest() -> None:
    assert said(("a", "mate", "Tea"), ("b", "mate", "Tea"), ("c", "mate", "Coffee")).labels == {"mate": "Tea"}
    assert said(("a", "mate", "Tea"), ("b", "mate", "Coffee")).labels == {"mate": "Coffee"}
    assert said(("b", "mate", "Coffee"), ("a", "mate", "Tea")).labels == {"mate": "Tea"}


def test_wrong_is_still_to_be_answered_until_anybody_says_what() -> None:
    assert said(("a", "mate", None), ("b", "kawa", None), ("c", "mate", "Tea")) == Verdicts({"mate": "Tea"}, ("kawa",))


def test_labels_that_the_task_does_not_have_say_nothing() -> None:
    assert said(("a", "mate", "Juice"), ("b", "kawa", "Coffee"), ("b", "kawa", "coffee")).labels == {"kawa": "Coffee"}


def test_texts_are_cut_as_the_corpus_is() -> None:
    rows = [Feedback(i, text, text, "Tea", "ann", None, None, NOW) for i, text in enumerate(("green tea", "green te"))]
    assert judge(rows, NAMES, max_chars=6).labels == {"green": "Tea"}


def test_of_one_text_the_person_is_right_and_not_the_oracle() -> None:
    asked = [
        Answered(Query(Document(text, text), "why"), "query", 1, True, label)
        for text, label in (("a", "Tea"), ("b", "Tea"), ("c", None), ("d", None))
    ]
    assert to_examples(asked, {}) == [Example("a", "Tea"), Example("b", "Tea")]
    assert to_examples(asked, {"z": "Tea", "b": "Coffee", "c": "Coffee"}) == [
        Example("a", "Tea"),
        Example("b", "Coffee"),
        Example("c", "Coffee"),
        Example("z", "Tea"),
    ]


def test_what_a_round_learns_stays_what_it_was(store: Store) -> None:
    assert store.feedback_of(1) == []
    store.add_feedback("mate", "Tea", "ann")
    assert store.feedback_of(1) == []
    assert [entry.text for entry in store.feedback_of(2)] == ["mate"]
    store.add_feedback("mate", "Coffee", "ann")
    assert [entry.label for entry in store.feedback_of(2)] == ["Tea"]
    assert [entry.label for entry in store.feedback_of(3)] == ["Tea", "Coffee"]


WRITER = """
import sys
import traceback
from laud_ray.store.store import Store
store = Store(sys.argv[1])
print(sum(store.add_feedback(f"text {i}", "Tea", who)[1] for i in range(40) for who in ("all", sys.argv[2])))
"""


@pytest.mark.parametrize("fresh", [True, False])
def test_many_processes_write_at_once(tmp_path: Path, fresh: bool) -> None:
    """Each says what all say, and something of its own; a run of an older version lacks the table at first."""
    url = f"sqlite:///{tmp_path}/laud.db"
    if not fresh:
        Store(url).close()
        with sqlite3.connect(tmp_path / "laud.db") as database:
            database.executescript("drop table feedback; drop table alembic_version")
    command = [sys.executable, "-c", WRITER, url]
    writers = [
        subprocess.Popen([*command, f"p{i}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for i in range(4)
    ]
    told = [writer.communicate(timeout=120) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4, told
    entries = Store(url).feedback()
    assert len(entries) == len({(e.who, e.text) for e in entries}) == 40 * 5
    assert sum(int(out) for out, _ in told) == 40 * 5


def test_a_run_of_an_older_version_opens(tmp_path: Path) -> None:
    old = Store(f"sqlite:///{tmp_path}/laud.db")
    old.set("current", "round-0002")
    old.close()
    with sqlite3.connect(tmp_path / "laud.db") as database:
        database.executescript("drop table feedback; drop table alembic_version")
        database.execute("drop table promotions")
    store = Store(f"sqlite:///{tmp_path}/laud.db")
    assert (store.feedback(), promotion(store.engine), store.setting("current")) == ([], None, "round-0002")
    assert store.add_feedback("mate", "Tea", "ann")[1]


def test_an_error_of_the_database_shows_nothing_of_what_was_said(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE feedback")
    with pytest.raises(OperationalError) as failed:
        store.add_feedback("private text", "Tea", "a person")
    shown = "".join(traceback.format_exception(failed.value))
    assert "no such table: feedback" in shown
    assert "private text" not in shown.replace('store.add_feedback("private text"', "")
    assert "a person" not in shown.replace('"a person")', "")


def test_a_set_of_labels_counts_as_a_whole() -> None:
    both, none = '["Coffee","Tea"]', "[]"
    found = said(
        *(("ann", "x", both), ("bob", "x", both), ("cid", "x", '["Tea"]'), ("ann", "y", none), ("ann", "z", None)),
        multilabel=True,
    )
    assert found == Verdicts({"x": both, "y": none}, ("z",))
    assert said(("ann", "x", '["Juice","Tea"]'), multilabel=True) == Verdicts({}, ())


def test_a_label_that_looks_like_a_list_is_a_label_of_its_own_task() -> None:
    """`["Tea"]` is no set in a task of one label, and a label's name is no set in a multilabel task."""
    rows = [
        Feedback(0, "a", "a", '["Tea"]', "ann", None, None, NOW),
        Feedback(1, "b", "b", "Tea", "ann", None, None, NOW),
    ]
    assert judge(rows, NAMES, 100).labels == {"b": "Tea"}
    assert judge(rows, NAMES, 100, multilabel=True).labels == {"a": '["Tea"]'}
    assert judge(rows[:1], ('["Tea"]', "Milk"), 100).labels == {"a": '["Tea"]'}
