"""Data keep coming: a quiet night, a night with documents of a new kind, and a kill between any two steps."""

import json
import random
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from laud_ray import config, loop
from laud_ray.report.run.read import read
from laud_ray.stats.promotion import Decision
from laud_ray.steps.work import WaitingError, Work
from laud_ray.store.run import claim, look_at
from laud_ray.types import RoundResult
from laud_ray.update import ask, learn
from tests.commands import laud
from tests.e2e.killing import killed

KINDS = {
    "Tea": "green black oolong mint sencha",
    "Coffee": "latte mocha espresso arabica decaf",
    "Juice": "apple orange pear mango grape",
}
# Coffee by other words, which the first model has never seen and takes for something else.
NOVEL = "portafilter grinder burr tamper descaler gasket"


def names(n: int, seed: int, start: int, novel: float = 0.0) -> list[str]:
    rng = random.Random(seed)
    rows = []
    for i in range(start, start + n):
        kind = rng.choice(list(KINDS))
        if rng.random() < novel:
            rows.append(f"{rng.choice(NOVEL.split())} {rng.choice(NOVEL.split())} steel {i},Coffee")
        else:
            rows.append(f"{rng.choice(KINDS[kind].split())} {rng.choice('xyz')}{i},{kind}")
    return rows


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("update")
    write(folder / "names.csv", names(900, 0, 0))
    write(folder / "quiet.csv", names(300, 1, 5000))
    write(folder / "novel.csv", names(300, 2, 6000, novel=0.4))
    return folder


@pytest.fixture(scope="module")
def finished(ray_session: str, place: Path) -> Path:
    settings = {
        "task": {"name": "drinks", "labels": list(KINDS)},
        "corpus": {"path": str(place / "names.csv"), "text": "text"},
        "storage": str(place / "run"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label"},
        "init": {"per_class": 2},
        "query": {"batch": 10, "strategy": "margin"},
        "evaluation": {"size": 60, "stop_set": 50},
        "budget": {"annotations": 26},
        "update": {"annotations": 60, "margin": 0.05},
    }
    path = place / "run.yaml"
    path.write_text(yaml.safe_dump(settings))
    assert loop.run(config.load(str(path))).state == "finished"
    return place / "run"


def copied(finished: Path, to: Path) -> Path:
    shutil.copytree(finished, to)
    return to


def rows(run: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(run / "laud.db") as database:
        return database.execute(query).fetchall()


def test_a_quiet_night_costs_no_answer(finished: Path, place: Path, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "run")
    before = rows(run, "select count(*) from annotations")
    scores = run / "rounds" / rows(run, "select printf('%04d', max(number)) from rounds")[0][0] / "scores"
    first = {path.name: path.read_bytes() for path in scores.glob("*.parquet")}
    assert laud("update", str(run), str(place / "quiet.csv")) == 0
    assert rows(run, "select number, documents, state from generations") == [(2, 300, "quiet")]
    assert [test for (test,) in rows(run, "select test from watch where alarm = 0")] == [
        "confidence",
        "labels",
        "novelty",
    ]
    assert rows(run, "select count(*) from annotations") == before
    assert {name: (scores / name).read_bytes() for name in first} == first  # only what is new was scored
    assert [path.name for path in scores.glob("part-g0002-*")] == ["part-g0002-00000.parquet"]
    (measured,) = (run / "novelty").rglob("part-g0002-*")  # by the vectors of the scores, which are written after it
    assert measured.stat().st_mtime_ns < (scores / "part-g0002-00000.parquet").stat().st_mtime_ns
    assert laud("update", str(run), str(place / "quiet.csv")) == 0
    assert laud("update", str(run)) == 0
    assert rows(run, "select number from generations") == [(2,)]


@pytest.fixture(scope="module")
def unbroken(finished: Path, place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = copied(finished, tmp_path_factory.mktemp("unbroken") / "run")
    assert laud("update", str(run), str(place / "novel.csv")) == 0
    return run


def test_documents_of_a_new_kind_are_noticed_asked_about_and_learned(unbroken: Path, finished: Path) -> None:
    assert rows(unbroken, "select state from generations") == [("decided",)]
    assert ("novelty",) in rows(unbroken, "select test from watch where alarm = 1")
    asked = rows(
        unbroken,
        "select q.purpose, count(*), count(a.label) from queries q join annotations a using (document_id) "
        "where q.round = (select max(number) - 1 from rounds) group by q.purpose order by q.purpose",
    )
    assert asked == [("evaluation", 30, 30), ("query", 30, 30)]
    sampled = rows(
        unbroken,
        "select stratum, stratum_size, count(*) from sample where purpose = 'evaluation' group by stratum order by 1",
    )
    assert sampled == [(0, 900, 60), (1, 300, 30)]
    ((verdict, model, words),) = rows(unbroken, "select verdict, model, words from decisions")
    assert verdict == "promote", words
    assert rows(unbroken, "select value from settings where key = 'current'") == [(model,)]
    assert len(history(unbroken)) == len(history(finished)) + 1
    with look_at(str(unbroken)) as folder:
        shown = read(folder, by_generation=True).updates
    assert shown is not None
    assert {number: one.n for number, one in shown.accuracy.items()} == {1: 60, 2: 30}
    # The next night is compared with all of these documents, as the new model sees them.
    ((base,),) = rows(unbroken, "select value from settings where key = 'watch'")
    assert (json.loads(base)["generation"], json.loads(base)["model"]) == (2, model)


def history(run: Path) -> list[RoundResult]:
    with look_at(str(run)) as folder:
        return [replace(one, seconds={}) for one in folder.store.history()]


def recorded(run: Path) -> list[list[tuple[object, ...]]]:
    """What an update leaves, without times."""
    asked = "select document_id, purpose, round, reason, predicted from queries order by position"
    answers = "select document_id, label from annotations order by position"
    return [
        rows(run, query)
        for query in (
            asked,
            answers,
            "select number, documents, state, model from generations",
            "select number, test, log_wealth, state, alarm from watch order by position",
            "select generation, round, model, verdict, words from decisions",
            "select purpose, range, row, document_id, stratum, stratum_size from sample order by position",
            "select value from settings where key = 'current'",
        )
    ]


def test_killed_at_every_step(ray_session: str, finished: Path, unbroken: Path, place: Path, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "run")
    kills, state = killed(ray_session, "ends", tmp_path / "killed.txt", "update", run, place / "novel.csv")
    assert kills >= 10, "the update was killed too seldom for a test"
    assert state == "promoted"
    assert recorded(run) == recorded(unbroken)
    assert history(run) == history(unbroken)
    name = rows(run, "select value from settings where key = 'current'")[0][0]
    head = Path("models") / str(name) / "head.safetensors"
    assert (run / head).read_bytes() == (unbroken / head).read_bytes()
    assert not [path for path in run.rglob(".*") if path.name != ".lock"]


def test_a_new_label_needs_a_person(finished: Path, place: Path, tmp_path: Path) -> None:
    run = copied(finished, tmp_path / "run")
    other = [row.replace(",Coffee", ",Parts") if "steel" in row else row for row in names(300, 3, 7000, novel=0.4)]
    source = write(tmp_path / "parts.csv", other)
    assert laud("update", str(run), str(source)) == 3
    proposed = rows(run, "select position, name, size, state from proposals")
    assert proposed
    assert {state for *_, state in proposed} == {"open"}
    assert rows(run, "select state from generations") == [("asked",)]
    assert rows(run, "select count(*) from decisions") == [(0,)]
    before = rows(run, "select count(*) from queries")
    assert laud("update", str(run)) == 3  # nobody has decided yet, and nothing is asked twice
    assert rows(run, "select count(*) from queries") == before
    first, *others = (number for number, *_ in proposed)
    assert laud("labels", str(run), "accept", str(first), "--name", "Parts") == 0
    for number in others:
        assert laud("labels", str(run), "merge", str(number), "Parts") == 0
    # More data come before a model knows the label.
    assert laud("update", str(run), str(place / "quiet.csv")) == 0
    ((verdict, words),) = rows(run, "select verdict, words from decisions")
    assert verdict == "promote", words
    assert rows(run, "select state from generations") == [("decided",), ("decided",)]
    with look_at(str(run)) as folder:
        assert "Parts" in folder.config.task.names()
        asked = folder.store.queries("evaluation")
    assert {one.label for one in asked} == {*KINDS, "Parts"}  # those that no label fitted were asked about again


def test_pending_answers_are_waited_for(
    finished: Path,
    unbroken: Path,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = copied(finished, tmp_path / "run")

    def wait(work: Work, purpose: str, round: int, model: int) -> None:
        raise WaitingError(f"people have 30 {purpose} questions to answer", 30)

    with monkeypatch.context() as patched:
        patched.setattr(ask, "annotate", wait)
        assert laud("update", str(run), str(place / "novel.csv"), "--json") == 75
        told = json.loads(capsys.readouterr().out)
        assert (told["state"], told["pending"], told["alarms"][-1]) == ("waiting", 60, "novelty")
        # Another night comes meanwhile: it is compared too, and nothing more is asked.
        asked = rows(run, "select count(*) from queries")
        assert laud("update", str(run), str(place / "quiet.csv")) == 75
        assert rows(run, "select count(*) from queries") == asked
    assert rows(run, "select state from generations") == [("asked",), ("alarm",)]
    # A model that is kept back leaves the alarm to a person, on every night until it is settled.
    with monkeypatch.context() as patched:
        patched.setattr(learn, "decide", lambda old, new, margin: Decision(False, "keep: by this test", old, new))
        assert laud("update", str(run)) == 3
    assert rows(run, "select state from generations") == [("decided",), ("decided",)]
    capsys.readouterr()
    assert laud("update", str(run)) == 3
    told = capsys.readouterr().out
    assert "raised an alarm (novelty), and the current model is still" in told
    assert f"laud update {run} --acknowledge" in told
    assert laud("status", str(run), "--json") == 0
    assert json.loads(capsys.readouterr().out)["alarm"]["open"]
    assert laud("update", str(run), "--acknowledge") == 0
    assert laud("update", str(run)) == 0
    answers = "select document_id, label from annotations order by document_id"
    assert rows(run, answers) == rows(unbroken, answers)
    capsys.readouterr()
    assert laud("status", str(run), "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert [one["state"] for one in status["generations"]] == ["decided", "decided"]
    assert status["decisions"][0]["generation"] == 3
    assert not status["alarm"]["open"]
    assert laud("report", str(run)) == 0
    assert loop.run(config.load(str(run / "config.yaml"))).state == "finished"


def test_what_cannot_be_updated_is_one_line(
    finished: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(finished, tmp_path / "run")

    def refused(*arguments: str) -> str:
        before = (rows(run, "select * from generations"), rows(run, "select count(*) from queries"))
        assert laud("update", str(run), *arguments) == 2
        assert (rows(run, "select * from generations"), rows(run, "select count(*) from queries")) == before
        return capsys.readouterr().err.strip().split("\n")[-1]

    assert "none.csv" in refused(str(place / "none.csv"))
    other = tmp_path / "other.csv"
    other.write_text("name,label\ngreen tea,Tea\n")
    assert "text" in refused(str(other))
    with claim(config.load(str(run / "config.yaml")).model_copy(update={"storage": str(run)})):
        assert "another process is working on this run" in refused(str(place / "quiet.csv"))
    ((current,),) = rows(run, "select value from settings where key = 'current'")
    shutil.move(run / "models" / str(current), tmp_path / "gone")
    assert f"the current model is {current}" in refused(str(place / "quiet.csv"))
    shutil.move(tmp_path / "gone", run / "models" / str(current))
    with sqlite3.connect(run / "laud.db") as database:
        database.execute("update rounds set stop_reason = null")
    assert "has not finished; expected a finished run" in refused(str(place / "quiet.csv"))
