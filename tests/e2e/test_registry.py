"""The registry and feedback as a person uses them: list, promote, go back, and what the next round learns."""

import json
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from laud_ray import config, loop
from laud_ray.config import EncoderZeroShotConfig, VllmZeroShotConfig
from laud_ray.models import kinds
from laud_ray.store.run import claim, look_at
from laud_ray.types import Label, Task
from tests.commands import laud
from tests.unit.client.test_notify import service

KINDS = {"Tea": "green black oolong mint", "Coffee": "latte mocha espresso decaf", "Juice": "apple pear mango grape"}


@pytest.fixture(scope="module")
def finished(ray_session: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with rounds 0 and 1; its configuration lies beside it as run.yaml."""
    place, rng = tmp_path_factory.mktemp("drinks"), random.Random(0)
    rows = [
        f"{rng.choice(words.split())} {rng.choice('xyz')}{i},{kind}"
        for i in range(100)
        for kind, words in KINDS.items()
    ]
    (place / "names.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    settings = {
        "task": {"name": "drinks", "labels": list(KINDS)},
        "corpus": {"path": str(place / "names.csv"), "text": "text", "max_chars": 40},
        "storage": str(place / "run"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label"},
        "init": {"per_class": 2},
        "query": {"batch": 8},
        "evaluation": {"size": 40, "stop_set": 50},
        "budget": {"annotations": 6},
    }
    (place / "run.yaml").write_text(yaml.safe_dump(settings))
    assert loop.run(config.load(str(place / "run.yaml"))).state == "finished"
    return place / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, whose configuration, beside it, has a larger budget."""
    shutil.copytree(finished, tmp_path / "run")
    settings = yaml.safe_load(finished.with_suffix(".yaml").read_text())
    settings |= {"storage": str(tmp_path / "run"), "budget": {"annotations": 14}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path / "run"


def listed(run: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    assert laud("models", str(run), "--json") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return {model["name"]: model for model in json.loads(captured.out)["models"]}


def status(run: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    capsys.readouterr()
    assert laud("status", str(run), "--json") == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_models_are_listed(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(finished, capsys)
    assert list(found) == ["zero-shot", "round-0001"]
    first = found["zero-shot"]
    assert list(first) == ["name", "kind", "round", "accepted", "current", "created_at", "accuracy", "micro_f1"]
    assert first["micro_f1"] is None  # the task has one label a document
    assert (first["kind"], first["round"], first["accepted"]) == ("encoder", 0, True)
    assert found["round-0001"]["kind"] == "linear"
    assert sum(bool(model["current"]) for model in found.values()) == 1
    accuracy = first["accuracy"]
    assert isinstance(accuracy, dict)
    assert (list(accuracy), accuracy["n"]) == (["value", "low", "high", "n"], 40)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", str(first["created_at"]))
    assert laud("models", str(finished)) == 0
    assert re.search(r"round-0001 +linear +1 .*current", capsys.readouterr().out)


@pytest.mark.parametrize("section", [EncoderZeroShotConfig(), VllmZeroShotConfig(engine="vllm", model="x")])
def test_the_kind_of_zero_shot_is_that_of_the_learner_that_makes_it(
    section: EncoderZeroShotConfig | VllmZeroShotConfig,
) -> None:
    task = Task("x", "multiclass", (Label("a"), Label("b")))
    assert type(kinds.zero_shot(section, task)) is kinds.LEARNERS[kinds.ZERO_SHOT[section.engine]]


def test_promoting_and_the_way_back(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert laud("promote", str(run), "zero-shot") == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (f"{run}: round-0001 -> zero-shot\n", "")
    assert listed(run, capsys)["zero-shot"]["current"]
    told = status(run, capsys)
    assert told["current_model"] == "zero-shot"
    assert told["promoted"]["from"] == "round-0001"  # type: ignore[index]
    assert laud("promote", str(run), "zero-shot") == 0
    assert capsys.readouterr().out == f"{run}: zero-shot is already current\n"
    assert laud("promote", str(run), "round-0001") == 0
    assert listed(run, capsys)["round-0001"]["current"]
    # The next accepted round takes over.
    assert laud("promote", str(run), "zero-shot") == 0
    outcome = loop.run(config.load(str(run.with_suffix(".yaml"))))
    assert outcome.model == "round-0002"
    told = status(run, capsys)
    assert (told["current_model"], told["promoted"]) == ("round-0002", None)


def test_promoting_while_the_run_is_held(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with claim(config.load(str(run.with_suffix(".yaml")))):
        assert laud("promote", str(run), "zero-shot") == 0
    assert listed(run, capsys)["zero-shot"]["current"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("round-001", r"no model 'round-001'; expected one of zero-shot, round-0001 - did you mean 'round-0001'\?"),
        ("changed", "head.safetensors: was changed: its checksum differs from that in model.json"),
        ("missing", "is not a model; expected a folder with model.json"),
        ("torn", "is not a complete model"),
    ],
)
def test_what_cannot_be_promoted(run: Path, model: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert laud("promote", str(run), "zero-shot") == 0
    folder = run / "models" / "round-0001"
    match model:
        case "changed":
            (folder / "head.safetensors").write_bytes(b"other")
        case "missing":
            shutil.rmtree(folder)
        case "torn":
            (folder / "head.safetensors").unlink()
    capsys.readouterr()
    assert laud("promote", str(run), model if model == "round-001" else "round-0001") == 2
    captured = capsys.readouterr()
    assert re.search(message, captured.err), captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert listed(run, capsys)["zero-shot"]["current"]


def test_a_run_without_models(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(run / "laud.db") as database:
        for statement in ("delete from rounds", "delete from models", "delete from settings where key = 'current'"):
            database.execute(statement)
    assert listed(run, capsys) == {}
    assert laud("promote", str(run), "zero-shot") == 2
    assert "no model yet; expected a run that has closed its first round" in capsys.readouterr().err


def test_a_run_of_an_older_version(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It lacks people, promotions, feedback, revisions, checksums, walks of the seed, trees, updates, configuration."""
    settings = yaml.safe_load((run / "config.yaml").read_text())
    del settings["serving"]
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    with sqlite3.connect(run / "laud.db") as database:
        people = ("votes", "leases", "gold", "question_states", "questions")
        trees = ("taxonomies", "renewed_answers", "renewed_queries")
        updates = ("generations", "watch", "proposals", "decisions")
        for table in (*people, *trees, *updates, "promotions", "feedback", "alembic_version"):
            database.execute(f"drop table {table}")
        for (table,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
            for _, column, *_ in database.execute(f"pragma table_info({table})").fetchall():
                if column in ("checksum", "sought", "walk"):
                    database.execute(f"alter table {table} drop column {column}")
        database.execute("delete from settings where key = 'configuration'")
        database.execute("update rounds set result = json_remove(result, '$.feedback')")
    told = status(run, capsys)
    assert (told["feedback"], told["promoted"]) == ({"answers": 0, "wrong": 0}, None)
    assert laud("promote", str(run), "zero-shot") == 0
    assert loop.run(config.load(str(run.with_suffix(".yaml")))).model == "round-0002"


def spoken(run: Path) -> list[str]:
    """Say that 30 zebras are juice, that an annotated tea is coffee, and all texts of the sample tea."""
    with look_at(str(run)) as looked:
        store = looked.store
        annotated = next(a.query.document.text for a in store.queries("seed") if a.label == "Tea")
        for i in range(30):
            assert store.add_feedback(f"zebra  z{i}", "Juice", "ann", "Tea", "round-0001")[1]
        assert store.add_feedback(annotated, "Coffee", "ann")[1]
        for query in store.queries("evaluation"):
            assert store.add_feedback(query.query.document.text, "Tea", "bob")[1]
        assert store.add_feedback("nobody knows", None, "bob")[1]
        assert store.add_feedback("nobody knows", None, "cid")[1]
        assert store.add_feedback("what is it", "Water", "cid")[1], "no label of the task"
        return [annotated]


def test_the_next_round_learns_from_feedback(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoken(run)
    before = kinds.load(str(run / "models" / "round-0001")).score(["zebra z99"])
    outcome = loop.run(config.load(str(run.with_suffix(".yaml"))))
    assert outcome.state == "finished"
    after = kinds.load(str(run / "models" / "round-0002")).score(["zebra z99"])
    assert list(KINDS)[int(after.argmax())] == "Juice"
    assert after[0, 2] > before[0, 2]
    description = json.loads((run / "models" / "round-0002" / "model.json").read_text())
    assert description["examples"] == 14 + 30, "the annotated one is not counted twice, the sample not at all"
    told = status(run, capsys)
    assert told["feedback"] == {"answers": 30 + 1 + 40, "wrong": 1}
    counts = told["annotations"]
    assert isinstance(counts, dict)
    assert counts["seed"] + counts["query"] == 14, "feedback is free of budget"
    assert [r["feedback"] for r in told["rounds"]] == [0, 0, 31]  # type: ignore[attr-defined]
    assert laud("status", str(run)) == 0
    assert re.search(r"feedback +71 labels by people.* 1 marked wrong", capsys.readouterr().out)
    assert laud("report", str(run)) == 0
    assert "marked wrong, without a label yet" in (run / "report.html").read_text()


def test_feedback_in_the_middle_of_a_round_waits_for_the_next(run: Path, tmp_path: Path) -> None:
    """Whether a crash comes or not, and what is said meanwhile, a round learns the same."""
    shutil.copytree(run, tmp_path / "other")
    settings = config.load(str(run.with_suffix(".yaml")))
    spoken(run)
    spoken(tmp_path / "other")

    def killed_at(kind: str) -> Callable[[loop.Event], None]:
        """Something more is said, and then the process ends."""

        def late(event: loop.Event) -> None:
            if (event.kind, event.step, event.round) == (kind, "train", 2):
                with look_at(str(run)) as looked:
                    store = looked.store
                    for i in range(9):
                        store.add_feedback(f"late {kind} {i}", "Tea", "ann")
                raise KeyboardInterrupt

        return late

    for kind, trained in (("begin", False), ("end", True)):
        with pytest.raises(KeyboardInterrupt):
            loop.run(settings, killed_at(kind))
        assert (run / "models" / "round-0002").exists() == trained
    loop.run(settings)
    loop.run(settings.model_copy(update={"storage": str(tmp_path / "other")}))
    with look_at(str(run)) as one, look_at(str(tmp_path / "other")) as two:
        assert [replace(r, seconds={}) for r in one.store.history()] == [
            replace(r, seconds={}) for r in two.store.history()
        ]
        assert one.store.history()[2].feedback == 31
        assert len(one.store.feedback()) == len(two.store.feedback()) + 18
    heads = [(place / "models/round-0002/head.safetensors").read_bytes() for place in (run, tmp_path / "other")]
    assert heads[0] == heads[1]


@pytest.fixture
def served(run: Path) -> Iterator[tuple[Path, list[tuple[str, str | None]]]]:
    with service() as (url, seen):
        path = run.with_suffix(".yaml")
        path.write_text(path.read_text() + f"serving: {{url: '{url}', token_env: LAUD_TEST_TOKEN}}\n")
        yield run, seen


def test_the_service_is_told(
    served: tuple[Path, list[tuple[str, str | None]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, seen = served
    monkeypatch.setenv("LAUD_TEST_TOKEN", "s3cret")
    events: list[loop.Event] = []
    assert loop.run(config.load(str(run.with_suffix(".yaml"))), events.append).model == "round-0002"
    assert seen == [("/v1/reload", "Bearer s3cret")]
    assert not [event for event in events if event.kind == "note"]
    assert laud("promote", str(run), "zero-shot") == 0
    assert len(seen) == 2
    assert "s3cret" not in (run / "config.yaml").read_text()
    monkeypatch.delenv("LAUD_TEST_TOKEN")
    assert laud("promote", str(run), "round-0001") == 0
    captured = capsys.readouterr()
    assert captured.out.endswith("zero-shot -> round-0001\n")
    assert re.fullmatch(r"laud: note: .*LAUD_TEST_TOKEN.*is not set; the service polls anyway\n", captured.err)
    assert len(seen) == 2


def test_a_service_that_is_away_stops_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.with_suffix(".yaml")
    path.write_text(path.read_text() + "serving: {url: 'http://127.0.0.1:9'}\n")
    capsys.readouterr()
    assert laud("run", str(path)) == 0
    assert "note: serving.url: http://127.0.0.1:9/v1/reload: not notified: " in capsys.readouterr().err
    assert listed(run, capsys)["round-0002"]["current"]
