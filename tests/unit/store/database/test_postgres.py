"""A run whose database is PostgreSQL: locks, lost connections, writers at once, plain errors. On a real server."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from laud_ray import config
from laud_ray.config import RunConfig
from laud_ray.errors import ConfigError, RunError, StoreError
from laud_ray.storage.folder import Folder
from laud_ray.store import model_records, registry
from laud_ray.store.database.connection import open_database, read, write
from laud_ray.store.database.postgres import named
from laud_ray.store.ledger import Call, Caps, Ledger
from laud_ray.store.run import RunFolder, claim, is_held, look_at
from laud_ray.store.store import Query, Store
from laud_ray.types import Annotation, ClassFigures, Document, Estimate, Figures, RoundResult
from tests.postgres import PASSWORD, Server

TEXT = """
task: {{name: drinks, labels: [Tea, Coffee]}}
corpus: {{path: drinks.csv, text: text}}
storage: {storage}
store: {store}
oracle: {{kind: replay, label: label}}
budget: {{annotations: 3}}
"""
HOLDER = """
import sys, time
from laud_ray import config
from laud_ray.store.run import claim
with claim(config.load(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def settings(storage: Path | str, store: str) -> RunConfig:
    return config.parse(TEXT.format(storage=storage, store=store))


@pytest.fixture
def run(tmp_path: Path, postgres: Server) -> RunConfig:
    """A run with three queries and a model."""
    made = settings(tmp_path / "run", postgres.url)
    with claim(made) as folder:
        folder.store.add_queries("seed", 1, [Query(Document(key, key), "why") for key in "abc"])
    (tmp_path / "run" / "models" / "zero-shot").mkdir(parents=True)
    return made


@pytest.fixture
def store(run: RunConfig) -> Iterator[Store]:
    with claim(run) as folder:
        yield folder.store


def test_a_run_comes_back_and_its_files_hold_no_password(run: RunConfig) -> None:
    with look_at(run.storage) as folder:
        assert [a.query.document.id for a in folder.store.queries()] == ["a", "b", "c"]
        assert not is_held(folder)
    files = [path for path in Path(run.storage).rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"config.yaml", "schema.json"}
    assert not any(PASSWORD.encode() in path.read_bytes() for path in files)


def test_runs_share_a_database_and_know_nothing_of_each_other(run: RunConfig, tmp_path: Path) -> None:
    other = settings(tmp_path / "other", str(run.store))
    with claim(other) as two, look_at(run.storage) as one:
        assert (len(one.store.queries()), len(two.store.queries())) == (3, 0)
        assert is_held(two)
        assert not is_held(one)


def test_a_second_process_is_refused_until_the_first_is_killed(run: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(run.dump())
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "task.yaml")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        (Path(run.storage) / ".lock").unlink()  # what a process on another machine would not see
        with look_at(run.storage) as folder:
            assert is_held(folder)
        with pytest.raises(RunError, match=r"run: another process is working on this run; expected one at a time$"):
            claim(run).__enter__()
        os.kill(first.pid, signal.SIGKILL)
    with claim(run) as folder:
        assert len(folder.store.queries()) == 3


def test_who_lost_the_lock_to_another_process_writes_no_more(
    run: RunConfig, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on two machines that share no disk.
    monkeypatch.setattr("laud_ray.storage.local.locks.held", lambda *_: nullcontext())
    with claim(run) as old:
        postgres.drop_connections()
        old.store.set("still", "mine")
        with claim(run) as new:
            new.store.set("now", "another's")
            with pytest.raises(RunError, match="another process took over this run while"):
                old.store.set("now", "old")
            assert new.store.setting("now") == "another's"


def test_a_lost_connection_costs_nothing(store: Store, postgres: Server) -> None:
    """Every write that a run does, with all connections ended over and over; each is done once."""
    stop = threading.Event()
    dropped = []

    def drop() -> None:
        while not stop.wait(0.05):
            dropped.append(postgres.drop_connections())

    breaker = threading.Thread(target=drop)
    breaker.start()
    try:
        for i in range(25):
            store.add_queries("query", 1, [Query(Document(f"q{i}", "text"), "why")])
            store.add_annotations([Annotation(f"q{i}", "Tea", "replay", 1.0)])
            store.add_timing(1, "train", 1.0)
            store.set("current", f"m{i}")
            assert store.add_feedback(f"text {i}", "Tea", "ann") == (store.feedback()[-1].id, True)
    finally:
        stop.set()
        breaker.join()
    assert sum(dropped) >= 3, "too few connections were lost for a test"
    assert store.cost() == 25.0
    assert store.timings() == {1: {"train": 25.0}}
    assert len(store.queries("query")) == len(store.feedback()) == 25
    assert store.setting("current") == "m24"


def test_a_connection_lost_in_the_commit_is_looked_into(store: Store, postgres: Server) -> None:
    """The commit arrives, its answer does not: nothing is done twice."""
    from sqlalchemy import event

    engine, fallen = store.engine, []

    def cut(connection: object) -> None:
        if not fallen:
            fallen.append(True)
            raw = connection.connection.driver_connection  # type: ignore[attr-defined]
            raw.commit()
            raw.execute("SELECT 1")
            postgres.drop_connections()

    event.listen(engine, "commit", cut)
    store.add_timing(7, "train", 2.0)
    assert fallen
    assert store.timings()[7] == {"train": 2.0}


def test_a_server_that_restarts_is_waited_for(store: Store, postgres: Server) -> None:
    store.set("before", "1")
    stopped = threading.Thread(target=lambda: postgres.control("restart", "-m", "fast"))
    stopped.start()
    for i in range(20):
        store.set("count", str(i))
    stopped.join()
    assert (store.setting("before"), store.setting("count")) == ("1", "19")


def test_what_the_server_refuses_is_not_tried_again(store: Store) -> None:
    from sqlalchemy.exc import IntegrityError

    with pytest.raises(IntegrityError):
        store.add_queries("seed", 1, [Query(Document("a", "a"), "again")])


def result(round: int, model: str) -> RoundResult:
    nan = Estimate(float("nan"), 0.0, 1.0, 0)
    figures = Figures(0, nan, nan, 0.0, (ClassFigures("Tea", 0, float("nan"), 0.0, 0.0),))
    return RoundResult(round, model, 0, 3, 10, figures, None, True, {}, 0)


def test_figures_that_are_no_numbers_and_texts_with_nul_are_kept(store: Store) -> None:
    store.close_round(result(0, "zero-shot"), "encoder", None)
    assert str(store.history()[0].figures.accuracy.value) == "nan"
    store.add_feedback("gr\0een", "Tea", "ann")
    assert store.feedback()[-1].text == "gr\u2400een"


def test_many_writers_at_once(store: Store, run: RunConfig) -> None:
    """Feedback, promotions, a closing round and calls, from threads with connections of their own."""
    store.close_round(result(0, "zero-shot"), "encoder", None)
    ledger, begun, told = Ledger(store), [], []
    call = Call("k", "llm", "e", "m", "1", "a", 0, 0, tokens=1, dollars=0.0)

    def work(name: str) -> None:
        with look_at(run.storage) as folder:
            for i in range(10):
                told.append(folder.store.add_feedback(f"text {i}", "Tea", "all")[1])
                model_records.promote(folder.store.engine, f"{name}-{i % 2}")
                begun.append(ledger.begin(replace(call, key=f"{name} {i}"), Caps(calls=15)))

    threads = [threading.Thread(target=work, args=(name,)) for name in "wxyz"]
    for thread in threads:
        thread.start()
    store.close_round(result(1, "round-0001"), "encoder", None)
    for thread in threads:
        thread.join()
    assert (len(told), sum(told), len(store.feedback())) == (40, 10, 10)
    assert sum(number is not None for number in begun) == 15
    assert len([m for m in model_records.models(store.engine) if m.current]) <= 1
    assert store.setting("current") is not None


def test_a_lost_schema_is_never_replaced_by_a_new_one(run: RunConfig, postgres: Server) -> None:
    schema = named(Folder(run.storage))
    postgres.execute(f'DROP SCHEMA "{schema}" CASCADE')
    message = f"has models, but the database of `store` has no schema {schema}, which held the run's annotations"
    for opened in (claim(run), look_at(run.storage)):
        with pytest.raises(RunError, match=message):
            opened.__enter__()
    (Path(run.storage) / "schema.json").unlink()
    for opened in (claim(run), look_at(run.storage)):
        with pytest.raises(
            RunError,
            match=r"has models, but (schema.json, .* is missing|the database of `store` has no schema laud_run_\w+)",
        ):
            opened.__enter__()


def test_another_kind_of_database_is_refused(run: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the run's database is in PostgreSQL; expected the key `store`"):
        claim(run.model_copy(update={"store": None})).__enter__()
    local = run.model_copy(update={"store": None, "storage": str(tmp_path / "local")})
    with claim(local):
        pass
    with pytest.raises(RunError, match="laud.db holds the run's annotations; expected no key `store`"):
        claim(local.model_copy(update={"store": run.store})).__enter__()


def test_what_is_wrong_with_the_server_is_one_line(
    run: RunConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    down = run.model_copy(update={"store": "postgresql://laud@127.0.0.1:1/postgres", "storage": str(tmp_path / "x")})
    with pytest.raises(StoreError, match=r"x database: .*127\.0\.0\.1.*refused") as found:
        claim(down).__enter__()
    assert "\n" not in str(found.value)
    monkeypatch.setenv("PGPASSWORD", "not-for-messages")
    with pytest.raises(StoreError, match="password authentication failed") as found:
        look_at(run.storage).__enter__()
    assert not re.search("not-for-messages|\n", str(found.value))


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (f"postgresql://laud:{PASSWORD}@db/laud", "store: .* holds a user and password; expected a URL without"),
        (f"postgresql://laud@db/laud?password={PASSWORD}", "store: .* holds the parameter password"),
        ("mysql://laud@db/laud", "store: 'mysql' is not a supported database"),
        (f"laud {PASSWORD}", "store: is not the URL of a database"),
    ],
)
def test_a_store_that_cannot_be_is_refused_without_its_password(store: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as found:
        settings("run", f'"{store}"')
    assert PASSWORD not in str(found.value)


def test_models_and_promotion_over_the_registry(run: RunConfig) -> None:
    with claim(run) as folder:
        _model(folder, "zero-shot")
        _model(folder, "round-0001")
        folder.store.close_round(result(0, "zero-shot"), "encoder", None)
        folder.store.close_round(result(1, "round-0001"), "encoder", None)
        promoted = registry.promote(run.storage, "zero-shot")
        assert (promoted.old, promoted.new) == ("round-0001", "zero-shot")
        assert folder.store.setting("current") == "zero-shot"


def _model(folder: RunFolder, name: str) -> None:
    (folder.models / name).write("model.json", b'{"kind": "linear", "labels": ["Tea"], "files": {}}')


def test_a_database_is_made_once_by_many(postgres: Server) -> None:
    failures = []

    def make() -> None:
        try:
            open_database(postgres.url, schema="laud_race").dispose()
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    engine = open_database(postgres.url, schema="laud_race")
    assert read(engine, lambda c: c.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar()) == 1
    write(engine, lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(
        RunError, match="the database has revision '9999', but this version of laud_ray supports revisions up to"
    ):
        open_database(postgres.url, schema="laud_race")
