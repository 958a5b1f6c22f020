"""An alarm that no decision has cured calls for a person until it is settled."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from laud_ray import config
from laud_ray.errors import RunError
from laud_ray.store.run import RunFolder, claim, look_at
from laud_ray.store.store import Query, Sampled
from laud_ray.store.tables import put_setting
from laud_ray.store.updates import alarms, evidence, generations
from laud_ray.store.updates.evidence import BASE, Evidence
from laud_ray.types import Annotation, Document
from laud_ray.update.open_run import Current
from laud_ray.update.settle import acknowledge, left_by
from tests.commands import laud

AT = datetime(2026, 11, 30, 3, 0, tzinfo=UTC)
CURRENT = Current("round-0001", 1, ("Tea", "Coffee"), ("Tea", "Coffee"))
KEEP = "keep: not worse by more than 2 points on the old documents; not better on the new ones"
TEXT = """
task: {{name: drinks, labels: [Tea, Coffee]}}
corpus: {{path: drinks.csv, text: text}}
storage: {storage}
oracle: {{kind: replay, label: label}}
update: {update}
"""


def made(storage: Path, update: str = "{}") -> config.RunConfig:
    return config.parse(TEXT.format(storage=storage, update=update))


def noticed(run: RunFolder, state: generations.State, model: str = CURRENT.name) -> None:
    """Generation 2 raised an alarm by novelty; of two random documents the oracle has a label for one."""
    store = run.store
    store.set("current", CURRENT.name)
    generations.record(store.engine, 2, "new.csv", AT, 10)
    found = [Evidence(2, test, 5.0, "{}", test == "novelty") for test in ("confidence", "novelty")]
    generations.advance(store.engine, [2], "scored", model)
    evidence.record(store.engine, found, state, {})
    store.add_queries("evaluation", 1, [Query(Document(id, id), "at random") for id in "ab"])
    store.add_annotations([Annotation("a", "Tea", "replay"), Annotation("b", None, "replay")])


def left(run: RunFolder, verdict: Any, lower: float | None) -> alarms.Alarm | None:
    drawn = [Sampled("part-g0002-00000.parquet", row, id, 1, 10) for row, id in enumerate("ab")]
    store = SimpleNamespace(engine=run.store.engine, queries=run.store.queries, sample=lambda purpose: drawn)
    work = cast(Any, SimpleNamespace(config=run.config, store=store, task=run.config.task.to_task()))
    return left_by(work, CURRENT, cast(Any, SimpleNamespace(model="round-0002")), verdict, KEEP, [2], lower)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    with claim(made(tmp_path / "run")) as folder:
        noticed(folder, "decided")
        yield folder


def test_a_model_that_was_kept_back_leaves_the_alarm_to_a_person(run: RunFolder) -> None:
    found = left(run, "keep", 0.99)
    assert found is not None
    assert found.words == (
        "generation 2 raised an alarm (novelty), and the current model is still round-0001: round-0002 was kept back "
        "(not worse by more than 2 points on the old documents; not better on the new ones); 1 of 2 random new "
        "documents have no label"
    )
    assert found.commands("runs/a") == (
        "laud labels runs/a add NAME && laud run runs/a/config.yaml",
        "laud promote runs/a round-0002",
        "laud update runs/a --acknowledge",
    )


def test_a_promotion_cures_it(run: RunFolder) -> None:
    assert left(run, "promote", 0.1) is None


def test_a_model_that_became_current_before_the_decision_cures_it(tmp_path: Path) -> None:
    with claim(made(tmp_path / "run")) as run:
        noticed(run, "decided", "round-0000")
        assert left(run, "keep", None) is None


@pytest.mark.parametrize("verdict", ["promote", "keep"])
@pytest.mark.parametrize(("lower", "cured"), [(0.8, True), (0.79, False), (None, False)])
def test_a_floor_must_be_reached(tmp_path: Path, verdict: str, lower: float | None, cured: bool) -> None:
    with claim(made(tmp_path / "run", "{floor: 0.8}")) as run:
        noticed(run, "decided")
        found = left(run, verdict, lower)
        assert (found is None) is cured
        if found is not None:
            assert found.model == ("round-0002" if verdict == "promote" else "round-0001")
            assert "below update.floor: 0.8" in found.words


def test_it_is_open_until_another_model_is_current_or_a_person_acknowledges(run: RunFolder) -> None:
    found, store = left(run, "keep", None), run.store
    with store.engine.begin() as connection:
        alarms.put_in(connection, found)
    assert alarms.open_alarm(store) == found
    with store.engine.begin() as connection:
        put_setting(connection, "current", "round-0002")
    assert alarms.open_alarm(store) is None
    last = alarms.last(store)
    assert last is not None
    assert last.settled == "round-0002 became current"
    with store.engine.begin() as connection:
        put_setting(connection, "current", "round-0001")
        alarms.put_in(connection, None)  # a later decision cured it
    assert alarms.last(store) is None


def test_a_person_acknowledges_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "run")
    with claim(made(tmp_path / "run")) as run:
        noticed(run, "decided")
        found = left(run, "keep", None)
        with run.store.engine.begin() as connection:
            alarms.put_in(connection, found)
    assert laud("update", place, "--acknowledge") == 0
    assert capsys.readouterr().out == f"{place}: the alarm of generation 2 is settled; round-0001 stays current\n"
    assert laud("update", place, "--acknowledge") == 0
    assert capsys.readouterr().out == f"{place}: no alarm is open\n"
    assert laud("update", place, "new.csv", "--acknowledge") == 2


def test_an_alarm_about_which_nothing_is_asked_is_acknowledged_too(tmp_path: Path) -> None:
    place = str(tmp_path / "run")
    with claim(made(tmp_path / "run", "{annotations: 0}")) as run:
        noticed(run, "alarm")
    assert "the alarm of generation 2 is settled" in acknowledge(place)
    with look_at(place) as run:
        assert [one.state for one in generations.updated(run.store.engine)] == ["decided"]
        base = evidence.base(run.store.setting(BASE))
    assert base is not None
    assert (base.generation, base.model) == (2, "round-0001")


def test_an_update_with_more_to_do_is_not_acknowledged(tmp_path: Path) -> None:
    with claim(made(tmp_path / "run")) as run:
        noticed(run, "asked")
    with pytest.raises(RunError, match="an update has more to do"):
        acknowledge(str(tmp_path / "run"))
