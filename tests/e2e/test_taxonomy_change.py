"""A run goes on with another version of its taxonomy: it asks about what is new, split or moved, and nothing else."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from laud_ray import config, loop
from laud_ray.errors import RunError
from laud_ray.report.run.json_form import to_json
from laud_ray.report.run.read import read
from laud_ray.store.run import configured, look_at
from laud_ray.store.versions.record import history
from tests.e2e.changes import answers, run_to_its_end, stored, write_config, write_names
from tests.e2e.killing import killed

WORDS = {
    "Green": "green sencha matcha gyokuro",
    "Black": "black assam darjeeling ceylon",
    "Milk": "whole milk skimmed fresh",
    "Curd": "curd quark creamy cottage",
    "Saws": "saw blade hacksaw jigsaw",
    "Files": "file rasp metal needle",
    "Rice": "rice basmati jasmine risotto",
}
OLD = """code,path,also
1,Food,
11,Food > Tea,Green|Black
12,Food > Milk,
13,Food > Curd,
2,Tools,
21,Tools > Saws,
22,Tools > Files,
"""
# Renamed: Saws. Merged: Milk and Curd. Split: Tea. New: Rice, which fitted no label before.
NEW = """code,path,also
1,Food,
11,Food > Tea,
111,Food > Tea > Green,
112,Food > Tea > Black,
12,Food > Dairy,Milk|Curd
14,Food > Rice,
2,Tools,
21,Tools > Hand saws,Saws
22,Tools > Files,
"""
CHANGED = {"Food > Tea > Green", "Food > Tea > Black", "Food > Rice"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data")
    write_names(place, WORDS)
    (place / "old.csv").write_text(OLD)
    (place / "new.csv").write_text(NEW)
    return place


def written(data: Path, storage: Path, labels: str = "old.csv", budget: int = 30, **more: object) -> Path:
    task = {"kind": "taxonomy", "labels": str(data / labels)}
    return write_config(
        storage.with_name(f"{storage.name}-{labels}-{budget}.yaml"), data, storage, task, budget, **more
    )


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


def go_on(data: Path, storage: Path, budget: int) -> tuple[loop.Outcome, list[str]]:
    """Run with the new version; return the outcome and the notes."""
    notes: list[str] = []
    outcome = loop.run(
        config.load(str(written(data, storage, "new.csv", budget))),
        lambda event: notes.append(event.note) if event.note else None,
    )
    return outcome, notes


def test_only_what_changed_is_asked_about(data: Path, storage: Path) -> None:
    before, rows = answers(storage), stored(storage)
    outcome, notes = go_on(data, storage, 60)
    after = answers(storage)
    assert outcome.reason.startswith("taxonomy: its changed leaves have been asked about")
    assert "split: 'Food > Tea' (11) -> 'Green', 'Black'" in notes
    assert "merged: 'Food > Curd' (13) -> 'Food > Dairy' (12)" in notes
    # What was given stays as it was given.
    assert stored(storage)[: len(rows)] == rows
    carried = {"Food > Milk": "Food > Dairy", "Food > Curd": "Food > Dairy", "Tools > Saws": "Tools > Hand saws"}
    for name, one in before.items():
        if one.label in carried or one.label == "Tools > Files":
            assert after[name].label == carried.get(one.label, one.label)
            assert after[name].version == 1
        else:
            assert one.label in ("Food > Tea", None)
    # The evaluation sample is as large as before, and its unclear answers are new.
    again = [one for one in after.values() if one.version == 2 and one.query.document.id in before]
    assert {one.label for one in again} == CHANGED
    evaluation = [one for one in after.values() if one.purpose == "evaluation"]
    assert len(evaluation) == sum(one.purpose == "evaluation" for one in before.values())
    assert all(one.answered and not one.unclear and one.label is not None for one in evaluation)
    # The questions are about the leaves that changed.
    new = [one for name, one in after.items() if name not in before]
    assert new
    assert {one.query.sought for one in new} <= CHANGED
    with look_at(str(storage)) as folder:
        status = to_json(read(folder))
        counts = folder.store.counts()
        spent = counts["seed"] + counts["query"] + counts["renewed"]
        rounds = folder.store.history()
        assert (folder.folder / "models").exists("round-0003/taxonomy.json") or len(rounds) > 2
    assert spent <= 60
    assert rounds[-1].annotations <= 60
    assert status["stop_reason"] == outcome.reason
    assert rounds[-1].figures.accuracy.value > 0.8


def test_the_same_command_asks_nothing_more(data: Path, storage: Path) -> None:
    first, _ = go_on(data, storage, 60)
    rows = answers(storage)
    again, notes = go_on(data, storage, 60)
    assert (again.reason, again.model) == (first.reason, first.model)
    assert answers(storage) == rows
    assert notes == []


def test_with_a_spent_budget_the_model_knows_the_new_tree_and_the_reason_says_what_is_left(
    data: Path, storage: Path
) -> None:
    before = answers(storage)
    outcome, _ = go_on(data, storage, 30)
    assert outcome.reason == (
        "budget: 30 of 30 annotations are spent; 3 changed leaves of the taxonomy are still to be asked about, which a "
        "higher budget.annotations allows"
    )
    after = answers(storage)
    asked = {name for name, one in after.items() if one.version == 2}
    assert asked
    assert all(after[name].purpose == "evaluation" for name in asked)
    assert after.keys() == before.keys()
    more, _ = go_on(data, storage, 45)
    assert {one.query.sought for name, one in answers(storage).items() if name not in before} <= CHANGED
    assert more.state == "finished"


def test_killed_at_every_step_it_ends_as_if_nothing_had_happened(
    ray_session: str, data: Path, storage: Path, tmp_path: Path
) -> None:
    shutil.copytree(storage, tmp_path / "whole")
    reason, _ = go_on(data, tmp_path / "whole", 42)
    path = written(data, storage, "new.csv", 42)
    kills, last = killed(ray_session, "boundaries", tmp_path / "killed.txt", "run", path)
    assert kills >= 5
    assert last == reason.reason
    assert answers(storage) == answers(tmp_path / "whole")


CUT = """
import os, signal, sys
from laud_ray import config
from laud_ray.store.run import claim
from laud_ray.store.versions import acceptance, record
place, path = sys.argv[1:]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if place == "before":
    acceptance.put_in_force = die
elif place == "within":
    record.put_setting = die
else:
    from laud_ray.store import run
    run.trees.keep = die
# A run begins with it; without the rest of the loop it is imported in a moment.
with claim(config.load(path), lambda lines: None):
    pass
"""


@pytest.mark.parametrize("place", ["before", "within", "after"])
def test_killed_at_the_change_one_version_is_in_force(data: Path, storage: Path, place: str, tmp_path: Path) -> None:
    before = answers(storage)
    path = written(data, storage, "new.csv", 60)
    process = subprocess.run([sys.executable, "-c", CUT, place, str(path)], check=False, capture_output=True, text=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    with look_at(str(storage)) as folder:
        names = folder.config.task.to_task().names
        versions = history(folder.store.engine)
    if place == "after":
        assert versions is not None
        assert "Food > Dairy" in names
        with pytest.raises(RunError, match="its files are complete only now; run the same command again"):
            loop.run(configured(f"{storage}/config.yaml"))
        assert "Food > Dairy" in configured(f"{storage}/config.yaml").task.to_task().names
    else:
        assert versions is None
        assert "Food > Milk" in names
        assert answers(storage) == before
    outcome, _ = go_on(data, storage, 60)
    assert outcome.reason.startswith("taxonomy: ")


def refused(data: Path, storage: Path, **more: object) -> str:
    with pytest.raises(RunError) as found:
        loop.run(config.load(str(written(data, storage, "new.csv", 60, **more))))
    return str(found.value)


def test_other_changes_are_refused_as_before(data: Path, storage: Path) -> None:
    rows = answers(storage)
    assert "seed: 0 -> 1: this changes beside the taxonomy" in refused(data, storage, seed=1)
    assert answers(storage) == rows


def test_who_declines_has_changed_nothing(data: Path, storage: Path) -> None:
    def decline(lines: Sequence[str]) -> None:
        raise RunError(lines[0])

    rows = answers(storage)
    with pytest.raises(RunError, match="nodes are unchanged; 2 renamed, 1 split, 1 merged, 3 new"):
        loop.run(config.load(str(written(data, storage, "new.csv", 60))), accept=decline)
    assert answers(storage) == rows
    assert loop.run(config.load(str(written(data, storage)))).reason == "budget: 30 of 30 annotations are spent"
