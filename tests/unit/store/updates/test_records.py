"""Generations, evidence, questions and decisions are recorded together with what they belong to."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from laud_ray.store.database import integrity
from laud_ray.store.store import Query, Sampled, Store
from laud_ray.store.updates import decisions, evidence, generations, questions
from laud_ray.store.updates.evidence import Base, Evidence
from laud_ray.types import Document

AT = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/laud.db")
    generations.record(made.engine, 2, "one.csv", AT, 10)
    generations.record(made.engine, 3, "two.csv", AT, 20)
    yield made
    integrity.check(made.engine, "laud.db")
    made.close()


def test_a_generation_advances_with_its_model(store: Store) -> None:
    generations.advance(store.engine, [2, 3], "scored", "round-0001")
    generations.advance(store.engine, [3], "quiet")
    found = generations.updated(store.engine)
    assert [(one.number, one.state, one.model) for one in found] == [
        (2, "scored", "round-0001"),
        (3, "quiet", "round-0001"),
    ]
    assert (found[0].source, found[0].added, found[0].documents) == ("one.csv", AT, 10)


def test_evidence_and_the_state_it_leads_to_are_recorded_together(store: Store) -> None:
    base = Base(1, "round-0001", AT.isoformat())
    found = [Evidence(2, test, 0.5, "{}", test == "novelty") for test in ("confidence", "labels", "novelty")]
    evidence.record(store.engine, found, "alarm", {evidence.BASE: evidence.base_setting(base)})
    assert evidence.evidence(store.engine) == found
    assert evidence.base(store.setting(evidence.BASE)) == base
    assert [one.state for one in generations.updated(store.engine)] == ["alarm", "appended"]
    with pytest.raises(IntegrityError):
        evidence.record(store.engine, found, "quiet", {})
    assert generations.updated(store.engine)[0].state == "alarm"


def test_questions_are_recorded_all_or_none(store: Store) -> None:
    queries = [Query(Document(f"d{i}", f"text {i}"), "why") for i in range(3)]
    drawn = [Sampled("part-g0002-00000.parquet", 4, "d0", 3, 10)]
    with pytest.raises(IntegrityError):
        questions.record(store.engine, [2], 1, drawn, queries[:1], [*queries[1:], queries[0]])
    assert (store.sample("evaluation"), store.queries(), generations.updated(store.engine)[0].state) == (
        [],
        [],
        "appended",
    )
    questions.record(store.engine, [2], 1, drawn, queries[:1], queries[1:])
    assert store.sample("evaluation") == drawn
    assert [(one.purpose, one.round) for one in store.queries()] == [("evaluation", 1), ("query", 1), ("query", 1)]
    assert generations.updated(store.engine)[0].state == "asked"


def test_a_round_has_one_decision(store: Store) -> None:
    with store.engine.begin() as connection:
        decisions.add_in(connection, 3, 4, "round-0004", "keep", "keep: not better")
    (found,) = decisions.decided(store.engine)
    assert (found.generation, found.round, found.model, found.verdict, found.words) == (
        3,
        4,
        "round-0004",
        "keep",
        "keep: not better",
    )
    with pytest.raises(IntegrityError), store.engine.begin() as connection:
        decisions.add_in(connection, 3, 4, "round-0004", "promote", "again")
