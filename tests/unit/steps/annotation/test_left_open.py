"""Rounds that close before all people have answered: what is learned when, whatever is killed in between."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from laud_ray import config
from laud_ray.data.sharding.normalise import normalise
from laud_ray.people import groups, leases
from laud_ray.people.questions import rules_of
from laud_ray.people.votes import Vote, cast
from laud_ray.steps.annotation import annotate as stage
from laud_ray.steps.annotation.answers import asked
from laud_ray.steps.start import start
from laud_ray.steps.work import WaitingError, Work
from laud_ray.store.run import claim
from laud_ray.store.store import Query, Store
from laud_ray.types import Document

TEXTS = [f"{word} {i}" for word in ("tea", "soap") for i in range(40)]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    (tmp_path / "names.csv").write_text("text\n" + "\n".join(TEXTS) + "\n")
    settings = {
        "task": {"name": "goods", "labels": ["Tea", "Soap"]},
        "corpus": {"path": str(tmp_path / "names.csv"), "text": "text"},
        "storage": str(tmp_path / "run"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "people", "close_at": 0.8},
        "evaluation": {"size": 20},
        "budget": {"annotations": 100},
    }
    monkeypatch.setattr(stage, "suggestions", lambda work, round: lambda documents: None)
    with claim(config.parse(json.dumps(settings))) as folder:
        normalise(folder.config.corpus, folder.corpus)
        yield start(folder, lambda event: None)


def ask(work: Work, round: int, *ids: str) -> None:
    work.store.add_queries("query", round, [Query(Document(id, f"text {id}"), "why") for id in ids])


def give(work: Work, n: int) -> int:
    rules = rules_of(work.config)
    assert rules is not None
    held = leases.take(work.store.engine, "ann", n, seconds=60)
    sent = [Vote(uuid.uuid4().hex, one.question.number, "label", "Tea") for one in held]
    return sum(one.outcome == "counted" for one in cast(work.store.engine, "ann", sent, rules, work.task.names))


def learned(work: Work) -> int:
    return sum(one.answered for one in asked(work))


def test_a_crash_before_the_round_is_closed_neither_waits_again_nor_loses_an_answer(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(work, 1, *(f"d{i}" for i in range(10)))
    with pytest.raises(WaitingError, match="people have 10 of 10 questions of round 1 to answer") as waiting:
        stage.annotate(work, "query", 1)
    assert give(work, 7) == 7
    with pytest.raises(WaitingError, match="3 of 10"):
        stage.annotate(work, "query", 1)
    assert learned(work) == 0, "until there are enough answers, any can be taken back"
    assert not groups.is_ready(work.store.engine, waiting.value.awaited)
    assert give(work, 1) == 1
    assert groups.is_ready(work.store.engine, waiting.value.awaited)

    def dies(store: Store, key: str, value: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Store, "set", dies)
        with pytest.raises(KeyboardInterrupt):
            stage.annotate(work, "query", 1)
    assert learned(work) == 8
    stage.annotate(work, "query", 1)
    assert len(stage.left_open(work.store)) == 2
    give(work, 1)
    stage.annotate(work, "query", 1)
    assert learned(work) == 8, "the model of this round is trained on what was there when it closed"


def test_what_came_late_is_learned_by_the_next_round_and_the_last_ones_are_awaited(work: Work) -> None:
    ask(work, 1, *(f"d{i}" for i in range(10)))
    with pytest.raises(WaitingError):
        stage.annotate(work, "query", 1)
    give(work, 8)
    stage.annotate(work, "query", 1)
    give(work, 1)
    ask(work, 2, "e0")
    with pytest.raises(WaitingError, match="1 of 1 questions of round 2"):
        stage.annotate(work, "query", 2)
    assert learned(work) == 9
    with work.store.engine.begin() as connection:
        (number,) = connection.exec_driver_sql("select position from questions where document_id = 'e0'").one()
    rules = rules_of(work.config)
    assert rules is not None
    cast(work.store.engine, "bob", [Vote(uuid.uuid4().hex, number, "label", "Soap")], rules, work.task.names)
    stage.annotate(work, "query", 2)
    stage.annotate_left_open(work, 2)  # round 2 has queries: nothing else is awaited
    with pytest.raises(WaitingError, match="people have 1 question of earlier rounds to answer") as waiting:
        stage.annotate_left_open(work, 3)
    assert give(work, 1) == 1
    assert groups.is_ready(work.store.engine, waiting.value.awaited)
    stage.annotate_left_open(work, 3)
    assert (learned(work), stage.left_open(work.store)) == (11, [])
