"""A run goes on with other labels: it asks about what is new or split, and keeps all other answers."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from laud_ray import config, loop
from laud_ray.errors import RunError
from laud_ray.store.run import claim, configured, look_at
from laud_ray.store.updates import proposals
from laud_ray.store.updates.proposals import Cluster
from laud_ray.store.versions.record import history
from serve.registry import open_registry
from tests.commands import laud
from tests.e2e.changes import answers, run_to_its_end, stored, write_config, write_names
from tests.e2e.killing import killed

WORDS = {
    "Milk": "whole milk skimmed fresh",
    "Curd": "curd quark creamy cottage",
    "Saws": "saw blade hacksaw jigsaw",
    "Files": "file rasp metal needle",
    "Rice": "rice basmati jasmine risotto",
}
KNOWN = ["Milk", "Curd", "Saws", "Files"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_names(tmp_path_factory.mktemp("data"), WORDS)


def written(data: Path, storage: Path, budget: int = 30, labels: list[str] = KNOWN, **more: object) -> Path:
    path = storage.with_name(f"{storage.name}-{budget}.yaml")
    return write_config(path, data, storage, {"labels": labels}, budget, **more)


@pytest.fixture(scope="module")
def ended(ray_session: str, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has spent its budget."""
    storage = tmp_path_factory.mktemp("runs") / "ended"
    run_to_its_end(written(data, storage))
    return storage


@pytest.fixture
def storage(ended: Path, tmp_path: Path) -> Path:
    shutil.copytree(ended, tmp_path / "run")
    return tmp_path / "run"


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run a command; return what it printed."""
    capsys.readouterr()
    assert laud(*arguments) == code
    out, err = capsys.readouterr()
    return err if code else out


def go_on(data: Path, storage: Path, budget: int) -> loop.Outcome:
    """Run the file that the run was started from, with the labels of the start."""
    return loop.run(config.load(str(written(data, storage, budget))))


def test_an_added_label_is_learned_and_all_answers_are_kept(
    data: Path, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, rows = answers(storage), stored(storage)
    none = {name: one for name, one in before.items() if one.label is None}
    sampled = sum(one.purpose == "evaluation" for one in none.values())
    assert sampled
    served = open_registry(str(storage))
    told(capsys, "labels", str(storage), "add", "Rice", "--description", "rice of all kinds")
    added = answers(storage)
    assert stored(storage) == rows
    assert {name: one.label for name, one in added.items()} == {name: one.label for name, one in before.items()}
    assert sum(not one.answered for one in added.values()) == sampled
    assert json.loads(told(capsys, "status", str(storage), "--json"))["not_found"] == [], "it was not sought yet"
    # Until a model with the new labels is current, the service has the earlier one with its own.
    assert served.entry(str(served.current())).names == tuple(KNOWN)
    outcome = go_on(data, storage, 60)
    assert outcome.reason.startswith("labels: the changed ones have been asked about")
    after = answers(storage)
    assert stored(storage)[: len(rows)] == rows
    assert all(after[name].label == one.label for name, one in before.items() if one.label is not None)
    # What no label fitted is asked about again: the evaluation sample beside the budget.
    assert {after[name].label for name in none} == {"Rice"}
    assert {one.query.sought for name, one in after.items() if name not in before} <= {"Rice"}
    with look_at(str(storage)) as folder:
        rounds, counts = folder.store.history(), folder.store.counts()
    rice = next(row for row in rounds[-1].figures.per_class if row.label == "Rice")
    assert rice.f1 > 0.8
    assert rounds[-1].figures.n == 60
    assert counts["seed"] + counts["query"] + counts.get("renewed", 0) <= 60
    # Earlier rounds and models stay readable, in their own labels.
    status = json.loads(told(capsys, "status", str(storage), "--json"))
    assert status["stop_reason"] == outcome.reason
    assert {row.label for row in rounds[1].figures.per_class} == set(KNOWN)
    file = str(data / "names.csv")
    for model, classes in (("round-0001", 4), (outcome.model, 5)):
        found = json.loads(
            told(capsys, "evaluate", str(storage), file, "--label", "label", "--model", str(model), "--json")
        )
        assert len(found["per_class"]) == classes
        assert found["accuracy"] > (0.5 if classes == 4 else 0.85)
    told(capsys, "report", str(storage))
    assert served.current() == outcome.model
    assert served.entry(str(outcome.model)).names == (*KNOWN, "Rice")
    served.close()


def test_a_renamed_label_keeps_its_answers_and_its_old_name_in_data(
    data: Path, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = answers(storage)
    out = told(capsys, "labels", str(storage), "rename", "curd", "Fresh cheese")
    kept = sum(one.label == "Curd" for one in before.values())
    assert f"{len(before)} of {len(before)} answers are kept, {kept} of them under another name" in out
    outcome = go_on(data, storage, 40)
    after = answers(storage)
    named = {"Curd": "Fresh cheese"}
    assert all(after[name].label == named.get(str(one.label), one.label) for name, one in before.items())
    with look_at(str(storage)) as folder:
        assert folder.store.history()[-1].figures.accuracy.value > 0.8
        model = folder.folder / "models"
        assert b"Fresh cheese" in model.read(f"{outcome.model}/model.json")
    file = str(data / "names.csv")
    for name in ("round-0001", str(outcome.model)):
        found = json.loads(told(capsys, "evaluate", str(storage), file, "--label", "label", "--model", name, "--json"))
        assert found["unknown_labels"] == 60, "only Rice is no label"


def test_what_was_joined_can_be_split_again(data: Path, storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = answers(storage)
    told(capsys, "labels", str(storage), "join", "Curd", "Milk")
    assert {one.label for one in answers(storage).values()} == {"Milk", "Saws", "Files", None}
    assert go_on(data, storage, 40).state == "finished"
    more = {name: one for name, one in answers(storage).items() if name not in before}
    told(capsys, "labels", str(storage), "split", "Milk", "Milk", "Curd")
    found = answers(storage)
    assert all(found[name].label == one.label and not found[name].unclear for name, one in before.items())
    assert {name for name, one in found.items() if one.unclear} == {n for n, one in more.items() if one.label == "Milk"}
    go_on(data, storage, 80)
    assert not any(one.unclear for one in answers(storage).values())
    with look_at(str(storage)) as folder:
        assert folder.store.history()[-1].figures.accuracy.value > 0.8


def test_mistakes_are_one_line_and_change_nothing(
    data: Path, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, rows = str(storage), answers(storage)
    assert "did you mean 'Milk'?" in told(capsys, "labels", run, "rename", "Mlik", "Dairy", code=2)
    assert "there is 'Milk' already" in told(capsys, "labels", run, "add", "milk", code=2)
    assert "expected at least two names" in told(capsys, "labels", run, "split", "Milk", "Cream", code=2)
    assert "none: nothing was proposed yet" in told(capsys, "labels", run, "accept", "1", code=2)
    with claim(configured(f"{run}/config.yaml")):
        assert "another process" in told(capsys, "labels", run, "add", "Rice", code=2)
    assert answers(storage) == rows
    with pytest.raises(RunError, match=r"task.labels: 'Rice' is new; expected the labels of the run, which `laud la"):
        loop.run(config.load(str(written(data, storage, 60, [*KNOWN, "Rice"]))))
    told(capsys, "labels", run, "add", "Rice")
    assert json.loads(told(capsys, "labels", run, "--json"))["version"] == 2


def test_killed_at_every_step_it_ends_as_if_nothing_had_happened(
    ray_session: str, data: Path, storage: Path, tmp_path: Path
) -> None:
    assert laud("labels", str(storage), "add", "Rice") == 0
    shutil.copytree(storage, tmp_path / "whole")
    reason = go_on(data, tmp_path / "whole", 60).reason
    path = written(data, storage, 60)
    kills, last = killed(ray_session, "boundaries", tmp_path / "killed.txt", "run", path)
    assert kills >= 5
    assert last == reason
    assert answers(storage) == answers(tmp_path / "whole")


CUT = """
import os, signal, sys
from laud_ray.cli import main
from laud_ray.store.versions import flat, labels, record
place, run = sys.argv[1:]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if place == "before":
    flat.put_in_force = die
elif place == "within":
    record.put_setting = die
else:
    done = flat.put_labels_in_force
    labels.flat.put_labels_in_force = lambda *given: (done(*given), die())
main(["labels", run, "add", "Rice"])
"""


@pytest.mark.parametrize("place", ["before", "within", "after"])
def test_killed_at_the_change_one_version_is_in_force(data: Path, storage: Path, place: str) -> None:
    before = answers(storage)
    process = subprocess.run(
        [sys.executable, "-c", CUT, place, str(storage)], check=False, capture_output=True, text=True
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    with look_at(str(storage)) as folder:
        names, versions = folder.config.task.to_task().names, history(folder.store.engine)
    if place == "after":
        assert versions is not None
        assert "Rice" in names
        # The file in the run's folder was not rewritten; it is read as one with the labels of the start.
        outcome = loop.run(configured(f"{storage}/config.yaml"))
        assert outcome.reason.startswith("budget: 30 of 30 annotations are spent; 1 changed label is still to be asked")
        assert "Rice" in (storage / "config.yaml").read_text()
    else:
        assert versions is None
        assert answers(storage) == before
        assert laud("labels", str(storage), "add", "Rice") == 0
        assert "Rice" in configured(f"{storage}/config.yaml").task.to_task().names


def test_proposals_are_listed_and_decided_about_by_number(storage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(storage)
    with look_at(run) as folder:
        rice = Cluster("rice", None, ("basmati x1", "risotto x2"), 120, 100, 140)
        proposals.add(folder.store.engine, 2, [rice, Cluster("milk", "Milk", ("fresh",), 9, 9, 9), rice, rice])
    shown = told(capsys, "labels", run)
    assert "proposal 1: 'rice', about 120 documents [100, 140] of generation 2" in shown
    assert "proposal 2: 'milk', 9 documents of generation 2; the label 'Milk' may fit" in shown
    assert "  basmati x1\n  risotto x2\n" in shown
    assert "there is 'Milk' already; expected another name, by --name, or `merge 2 LABEL`" in told(
        capsys, "labels", run, "accept", "2", code=2
    )
    told(capsys, "labels", run, "merge", "2", "milk")
    told(capsys, "labels", run, "refuse", "3")
    changed = json.loads(told(capsys, "labels", run, "accept", "1", "--name", "Rice", "--json"))
    assert (changed["change"], changed["version"], changed["asked_about"]) == ("accepted", 2, ["Rice"])
    assert "was accepted as 'Rice' already" in told(capsys, "labels", run, "refuse", "1", code=2)
    found = json.loads(told(capsys, "labels", run, "--json"))
    assert [(one["number"], one["state"], one["label"]) for one in found["proposals"]] == [
        (1, "accepted", "Rice"),
        (2, "merged", "Milk"),
        (3, "refused", None),
        (4, "open", None),
    ]
    assert [one["name"] for one in found["labels"]] == [*KNOWN, "Rice"]
    assert sum(one["annotations"] + one["evaluation"] for one in found["labels"]) + found["without_label"] <= 90


def test_a_binary_task_and_a_taxonomy_are_refused_in_one_line(
    storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = storage / "config.yaml"
    place.write_text(place.read_text().replace("kind: multiclass", "kind: binary"))
    with sqlite3.connect(storage / "laud.db") as database:
        database.execute("delete from settings where key = 'configuration'")
    for command in ((), ("add", "Rice")):
        said = told(capsys, "labels", str(storage), *command, code=2)
        assert "task.kind: binary is not valid; expected multiclass: another positive label is another task" in said
