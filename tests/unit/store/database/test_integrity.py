"""A run's database is read as it was written, or refused with the table and the row."""

import json
import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection

from laud_ray.config import PeopleConfig
from laud_ray.errors import DamageError
from laud_ray.people import questions, votes
from laud_ray.people.votes import Vote
from laud_ray.store import people_tables, rechecks
from laud_ray.store.database import integrity
from laud_ray.store.database.connection import open_database
from laud_ray.store.ledger import Answer, Call, Caps, Ledger
from laud_ray.store.model_records import promote
from laud_ray.store.store import Query, Sampled, Store
from laud_ray.store.tables import metadata, now, row_checksum
from laud_ray.store.updates import tables as updates
from laud_ray.store.versions import tables
from laud_ray.types import Annotation, ClassFigures, Document, Estimate, Figures, RoundResult
from tests.postgres import Server

NAN = float("nan")


def fill(store: Store) -> None:
    """Rows in every table, with values that change on their way through a database."""
    texts = ["plain", "gr\0een", "caf\u00e9 \u2028", "x" * 3000]
    queries = [Query(Document(f"d{i}", text), "why", "Tea", np.float32(0.1)) for i, text in enumerate(texts)]
    store.add_queries("seed", 1, queries)
    store.add_annotations([Annotation("d0", "Tea", "replay", 0), Annotation("d1", None, "llm", 1e-9, NAN)])
    again = rechecks.SecondQuery(Document("d0", "plain"), 2, "doubt")
    rechecks.record(store.engine, 1, [again])
    rechecks.add(store.engine, 2, [Annotation("d0", "Coffee", "llm", 0.25, 1)])
    store.set_samples({"evaluation": [Sampled("part-00000.parquet", 3, "d0", 0, 10)]}, {"strata": "[1, 2]"})
    figures = Figures(
        3, Estimate(NAN, 0.0, 1.0, 3), Estimate(0.5, 0.1, 0.9, 3), 0.1, (ClassFigures("Tea", 1, NAN, 0, 1),)
    )
    store.close_round(RoundResult(1, "round-0001", 1, 3, 10, figures, None, True, {"train": 1.5}), "linear", None)
    store.set_stop_reason("the budget is spent")
    store.add_timing(1, "train", 2)
    store.add_feedback("tea", "Coffee", "ann", "Tea", "round-0001")
    promote(store.engine, "zero-shot")
    ledger = Ledger(store)
    number = ledger.begin(Call("k", "oracle", "openai", "m", "1", "d0", 0, 0, 100, 0.5), Caps())
    assert number is not None
    ledger.finish(number, Answer("A", "Tea", 0.9, 10, 1, 0.01, 0.2))
    failed = ledger.begin(Call("k2", "oracle", "openai", "m", "1", "d1", 0, 0, 100, 0.5), Caps())
    assert failed is not None
    ledger.fail(failed, "refused", billed=False)
    rules = PeopleConfig(kind="people")
    questions.ask(store.engine, [Document("d0", "plain")], 1, None, rules, seed=0)
    (question,) = questions.questions(store.engine)
    votes.cast(
        store.engine, "ann", [Vote("v1", question.number, "label", "Tea", "sure", 1.5, ("Tea",))], rules, ["Tea"]
    )
    with store.engine.begin() as connection:
        version = {"version": 1, "tree": "0a", "round": 0, "ended": False, "positions": "{}", "created_at": now()}
        connection.execute(tables.taxonomies.insert().values(version))
        renewed = {"document_id": "d0", "version": 1, "created_at": now()}
        connection.execute(tables.renewed_queries.insert().values(renewed))
        given = {**renewed, "label": "Tea", "oracle": "replay", "cost": 0.5}
        connection.execute(tables.renewed_answers.insert().values(given))
        row = {"question": question.number, "label": "Tea", "who": "owner", "created_at": question.created_at}
        connection.execute(people_tables.gold.insert().values(row))
        _fill_updates(connection)


def _fill_updates(connection: Connection) -> None:
    at = {"generation": 2, "name": "te\0a"}
    added = {"number": 2, "source": "new.csv", "added": now(), "documents": 3, "state": "scored", "model": None}
    connection.execute(updates.generations.insert().values(added))
    tested = {"number": 2, "test": "labels", "log_wealth": -0.1, "state": "{}", "alarm": False}
    connection.execute(updates.watch.insert().values(tested))
    proposed = {**at, "cluster": 0, "fits": None, "texts": "[]", "size": 9, "state": "open", "label": None}
    connection.execute(updates.proposals.insert().values(proposed))
    decided = {"generation": 2, "round": 3, "model": "round-0003", "verdict": "keep", "words": "-", "created_at": now()}
    connection.execute(updates.decisions.insert().values(decided))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = Store(f"sqlite:///{tmp_path}/laud.db")
    fill(store)
    store.close()
    return tmp_path / "laud.db"


def check(path: Path) -> None:
    engine = open_database(f"sqlite:///{path}")
    try:
        integrity.check(engine, "laud.db")
    finally:
        engine.dispose()


def test_what_was_written_is_whole(path: Path) -> None:
    check(path)
    with sqlite3.connect(path) as connection:
        for table in [one for one in metadata.sorted_tables if "checksum" in one.c]:
            rows, summed = connection.execute(f"SELECT count(*), count(checksum) FROM {table.name}").fetchone()
            assert rows > 0, table.name
            assert rows == summed, table.name


def test_a_row_has_the_same_checksum_in_every_database(postgres: Server) -> None:
    store = Store(open_database(postgres.url, schema="laud_summed"))
    try:
        fill(store)
        with store.engine.connect() as connection:
            for table in [one for one in metadata.sorted_tables if "checksum" in one.c]:
                for row in connection.execute(table.select()).mappings():
                    assert row["checksum"] in (None, row_checksum(table, dict(row))), table.name
    finally:
        store.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "UPDATE annotations SET label = 'Tee' WHERE document_id = 'd0'",
            "annotations row 1 was changed or is damaged",
        ),
        ("UPDATE annotations SET label = NULL WHERE document_id = 'd0'", "annotations row 1 was changed"),
        ("UPDATE annotations SET label = 'Tea' WHERE document_id = 'd1'", "annotations row 2 was changed"),
        ("UPDATE annotations SET confidence = 0.5", "annotations row 1 was changed"),
        ("UPDATE queries SET text = 'plaim' WHERE document_id = 'd0'", "queries row 1 was changed"),
        ("UPDATE settings SET value = 'round-0009' WHERE key = 'current'", "settings row current was changed"),
        ("UPDATE sample SET row = 4", "sample row 1 was changed"),
        ("UPDATE rounds SET result = '{'", "rounds after row ? cannot be read"),
        ("UPDATE rounds SET result = replace(result, '0.9', '0.8')", "rounds row 1 was changed"),
        ("UPDATE second_answers SET label = 'Tea'", "second_answers row 1 was changed"),
        ("UPDATE feedback SET label = 'Tea'", "feedback row 1 was changed"),
        ("UPDATE oracle_calls SET answer = 'B' WHERE key = 'k'", "oracle_calls row 1 was changed"),
        ("UPDATE models SET accepted = 0", "models row round-0001 was changed"),
        ("UPDATE queries SET created_at = 'yesterday'", "queries after row ? cannot be read"),
    ],
)
def test_a_changed_row_is_named(path: Path, change: str, said: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    with pytest.raises(DamageError) as refused:
        check(path)
    assert str(refused.value).startswith(f"laud.db: {said}")
    assert str(refused.value).endswith("expected the file as laud_ray wrote it: restore it from a backup")
    assert "\n" not in str(refused.value)


def test_rows_from_before_there_were_checksums_are_read(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE annotations SET label = 'Tee', checksum = NULL")
    check(path)


def test_an_unreadable_result_of_a_round_is_one_line(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE rounds SET result = '{\"number\": 1}', checksum = NULL")
    check(path)
    store = Store(f"sqlite:///{path}")
    with pytest.raises(DamageError, match=r"^round 1: its result in the run's database cannot be read \(KeyError"):
        store.history()
    store.close()


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(path) as connection:
        return {t.name: connection.execute(f"SELECT * FROM {t.name}").fetchall() for t in metadata.sorted_tables}


def test_no_flipped_bit_is_read_as_other_data(path: Path) -> None:
    data, was = path.read_bytes(), contents(path)
    outcomes = {"noticed": 0, "without effect": 0}
    for bit in random.Random(2).sample(range(8 * len(data)), 400):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            check(path)
        except Exception:  # noqa: BLE001 - whatever SQLite finds first
            outcomes["noticed"] += 1
            continue
        assert contents(path) == was, bit
        outcomes["without effect"] += 1
    assert min(outcomes.values()) > 10


def test_checksums_are_those_of_values_not_of_their_python(tmp_path: Path) -> None:
    table = metadata.tables["annotations"]
    made: Callable[..., str] = lambda **values: row_checksum(table, {"document_id": "a", **values})  # noqa: E731
    assert made(cost=0) == made(cost=0.0) == made(cost=np.float64(0), confidence=NAN, label=None)
    assert made(cost=0, label="a\0") == made(cost=0, label="a\u2400")
    assert made(cost=0, created_at=datetime(2026, 1, 1)) == made(cost=0, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert made(cost=0) != made(cost=0.1)
    assert json.dumps(made(cost=0))
