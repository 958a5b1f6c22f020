"""Killed anywhere and run again, a run ends as if nothing had happened."""

import random
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from laud_ray import config, loop
from laud_ray.errors import RunError
from laud_ray.store.run import claim
from laud_ray.types import RoundResult
from tests.e2e.killing import killed

KINDS = {
    "Tea": "green black oolong mint sencha",
    "Coffee": "latte mocha espresso arabica decaf",
    "Juice": "apple orange pear mango grape",
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    place = tmp_path_factory.mktemp("data")
    rng = random.Random(0)
    rows = [
        f"{rng.choice(words.split())} {rng.choice('xyz')}{i},{kind}"
        for i in range(240)
        for kind, words in KINDS.items()
    ]
    (place / "names.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    return {
        "task": {"name": "drinks", "labels": list(KINDS)},
        "corpus": {"path": str(place / "names.csv"), "text": "text"},
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label", "noise": 0.1, "abstain": 0.1},
        "init": {"per_class": 2},
        # Abstentions would make it look at where documents lie: test_space.py kills a run that does.
        "query": {"batch": 10, "strategy": "mix", "answerable": False},
        "evaluation": {"size": 60, "stop_set": 50},
        "budget": {"annotations": 16},
    }


def write(settings: dict[str, object], storage: Path) -> Path:
    path = storage.with_suffix(".yaml")
    path.write_text(yaml.safe_dump({**settings, "storage": str(storage)}))
    return path


@pytest.fixture(scope="module")
def unbroken(ray_session: str, settings: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    storage = tmp_path_factory.mktemp("runs") / "unbroken"
    outcome = loop.run(config.load(str(write(settings, storage))))
    assert (outcome.state, outcome.reason) == ("finished", "budget: 16 of 16 annotations are spent")
    return storage


def answers(storage: Path) -> list[tuple[object, ...]]:
    asked = (
        "select q.document_id, q.purpose, q.round, q.text, q.reason, a.label from queries q "
        "left join annotations a using (document_id) order by q.position"
    )
    with sqlite3.connect(storage / "laud.db") as database:
        return database.execute(asked).fetchall()


def history(storage: Path) -> list[RoundResult]:
    with claim(config.load(str(storage / "config.yaml"))) as folder:
        return [replace(result, seconds={}) for result in folder.store.history()]


def assert_same(storage: Path, unbroken: Path) -> None:
    assert answers(storage) == answers(unbroken)
    assert history(storage) == history(unbroken)
    with sqlite3.connect(storage / "laud.db") as database:
        assert database.execute("select count(*), count(distinct document_id) from annotations").fetchone() == (76, 76)
    for part in (unbroken / "rounds" / "0002" / "scores").glob("*.parquet"):
        assert (storage / "rounds" / "0002" / "scores" / part.name).read_bytes() == part.read_bytes()
    head = Path("models") / "round-0002" / "head.safetensors"
    assert (storage / head).read_bytes() == (unbroken / head).read_bytes()
    assert not [p for p in storage.rglob(".*") if p.name != ".lock"]


def test_an_unbroken_run_keeps_its_promises(unbroken: Path) -> None:
    rows = answers(unbroken)
    evaluation = {row[0] for row in rows if row[1] == "evaluation"}
    assert len(evaluation) == 60
    assert not evaluation & {row[0] for row in rows if row[1] != "evaluation"}
    assert len(rows) == 76
    rounds = history(unbroken)
    assert (rounds[0].annotations, rounds[-1].annotations) == (0, 16)


def test_killed_at_every_step(ray_session: str, settings: dict[str, object], unbroken: Path, tmp_path: Path) -> None:
    """Each start is killed at the first boundary where none was, until one reaches the end."""
    path = write(settings, tmp_path / "killed")
    kills, last = killed(ray_session, "boundaries", tmp_path / "killed.txt", "run", path)
    assert kills >= 10, "the run was killed too seldom for a test"
    assert last == "budget: 16 of 16 annotations are spent"
    assert_same(tmp_path / "killed", unbroken)


def test_killed_at_random_instants(
    ray_session: str, settings: dict[str, object], unbroken: Path, tmp_path: Path
) -> None:
    path = write(settings, tmp_path / "random")
    kills, _ = killed(ray_session, "instants", "1", "run", path)
    assert kills >= 1
    assert_same(tmp_path / "random", unbroken)


def test_a_second_process_and_another_configuration_are_refused(unbroken: Path) -> None:
    same = config.load(str(unbroken / "config.yaml"))
    with claim(same), pytest.raises(RunError, match="another process is working on this run"), claim(same):
        pass
    other = same.model_copy(update={"seed": 5, "query": same.query.model_copy(update={"batch": 7})})
    with pytest.raises(RunError, match=r"\(seed: 0 -> 5; query.batch: 10 -> 7\)"):
        loop.run(other)
    assert config.load(str(unbroken / "config.yaml")) == same


def test_a_finished_run_does_nothing(unbroken: Path) -> None:
    events: list[loop.Event] = []
    before = answers(unbroken)
    outcome = loop.run(config.load(str(unbroken / "config.yaml")), events.append)
    assert (outcome.state, outcome.model, events) == ("finished", "round-0002", [])
    assert answers(unbroken) == before
