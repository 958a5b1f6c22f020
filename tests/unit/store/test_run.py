"""One run's place: who may work on it, with which configuration, and what is said when a part of it is lost."""

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from laud_ray import config
from laud_ray.config import RunConfig
from laud_ray.errors import RunError, StoreError
from laud_ray.store.run import claim, configured, is_held, look_at
from laud_ray.store.store import Query
from laud_ray.types import Annotation, Document

TEXT = """
task: {{name: drinks, labels: [Tea, Coffee]}}
corpus: {{path: drinks.csv, text: text}}
storage: {storage}
oracle: {{kind: replay, label: label}}
budget: {{annotations: {budget}}}
stop: [{{kind: {stop}}}]
seed: {seed}
"""


def settings(storage: Path | str, *, budget: int = 3, stop: str = "budget", seed: int = 0) -> RunConfig:
    return config.parse(TEXT.format(storage=storage, budget=budget, stop=stop, seed=seed))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with three queries and a model."""
    with claim(settings(tmp_path / "run")) as folder:
        folder.store.add_queries("seed", 1, [Query(Document(key, key), "why") for key in "abc"])
    (tmp_path / "run" / "models" / "zero-shot").mkdir(parents=True)
    return tmp_path / "run"


def test_budget_and_stop_rules_may_change(run: Path) -> None:
    with claim(settings(run, budget=9, stop="kappa")):
        pass
    assert config.load(f"{run}/config.yaml").budget.annotations == 9
    with claim(settings(run, budget=3)):
        pass


def test_a_budget_below_what_is_spent_is_refused(run: Path) -> None:
    with pytest.raises(RunError, match="budget.annotations: 2, but 3 annotations are spent.*at least as many"):
        claim(settings(run, budget=2)).__enter__()
    assert config.load(f"{run}/config.yaml").budget.annotations == 3


def test_another_difference_is_refused_with_all_of_them(run: Path) -> None:
    with pytest.raises(RunError, match=r"\(seed: 0 -> 4; budget.annotations: 3 -> 9\)"):
        claim(settings(run, budget=9, seed=4)).__enter__()


def asking(storage: Path, **more: object) -> RunConfig:
    llm = {"kind": "llm", "engine": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1", **more}
    text = TEXT.format(storage=storage, budget=3, stop="budget", seed=0)
    return config.parse(text.replace("{kind: replay, label: label}", json.dumps(llm)))


def test_how_a_model_is_asked_may_change_until_it_answered(tmp_path: Path) -> None:
    with claim(asking(tmp_path / "run")) as folder:
        folder.store.add_queries("evaluation", 0, [Query(Document(key, key), "why") for key in "ab"])
        (tmp_path / "run" / "corpus").mkdir()
        (tmp_path / "run" / "corpus" / "file").touch()
    for more in ({"guideline": "one letter"}, {"rationale": True}, {"threshold": 0.5}, {"model": "other"}):
        with claim(asking(tmp_path / "run", **more)) as folder:
            assert (tmp_path / "run" / "corpus" / "file").exists()
    with pytest.raises(RunError, match=r"oracle\.kind"):
        claim(settings(tmp_path / "run")).__enter__()
    with claim(asking(tmp_path / "run")) as folder:
        folder.store.add_annotations([Annotation("a", None, "llm:m")])
    with pytest.raises(RunError, match=r"another configuration \(oracle\.guideline"):
        claim(asking(tmp_path / "run", guideline="one letter")).__enter__()
    with claim(asking(tmp_path / "run", max_answer_tokens=400, max_text_chars=99)) as folder:
        assert folder.config.oracle.max_answer_tokens == 400


@pytest.mark.parametrize("lost", ["missing", "empty"])
def test_a_lost_database_is_never_replaced_by_a_new_one(run: Path, lost: str) -> None:
    for path in run.glob("laud.db*"):
        path.unlink()
    if lost == "empty":
        (run / "laud.db").touch()
    message = f"has models, but laud.db, which held the run's annotations, is {lost}; expected the file: restore it"
    with pytest.raises(RunError, match=message):
        claim(settings(run)).__enter__()
    with pytest.raises(RunError, match=message):
        look_at(str(run)).__enter__()


def test_a_lost_configuration_is_restored_by_running_again(run: Path) -> None:
    (run / "config.yaml").unlink()
    with pytest.raises(RunError, match="config.yaml is missing; `laud run` with the run's original YAML restores it"):
        look_at(str(run)).__enter__()
    with claim(settings(run)):
        pass
    with look_at(str(run)) as folder:
        assert len(folder.store.queries()) == 3


def test_what_is_wrong_with_the_database_is_one_line(run: Path) -> None:
    for path in run.glob("laud.db-*"):
        path.unlink()
    (run / "laud.db").write_bytes(b"not a database" * 100)
    for opened in (look_at(str(run)), claim(settings(run))):
        with pytest.raises(StoreError, match=f"^{run} database: file is not a database$"):
            opened.__enter__()


def test_errors_while_the_run_is_open_name_it_too(run: Path) -> None:
    with pytest.raises(StoreError, match=f"^{run} database: disk I/O error$"), look_at(str(run)):
        raise sqlite3.OperationalError("disk I/O error")


def test_a_run_is_held_while_it_is_claimed(run: Path) -> None:
    def held() -> bool:
        with look_at(str(run)) as folder:
            return is_held(folder)

    assert not held()
    with claim(settings(run)):
        assert held()
    assert not held()


def test_the_configuration_within_a_run_means_that_run(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / "config.yaml").write_text(settings("runs/drinks").dump())
    assert configured(f"{run}/config.yaml").storage == str(run)
    monkeypatch.chdir(run)
    assert configured("config.yaml").storage == str(run)
    monkeypatch.chdir(tmp_path)
    (run / "config.yaml").write_text(settings("run").dump())
    assert configured(os.path.join("run", "config.yaml")).storage == "run"
    (tmp_path / "config.yaml").write_text(settings("runs/drinks").dump())
    assert configured("config.yaml").storage == "runs/drinks"


def test_a_configuration_that_is_edited_in_the_run_is_refused_like_any_other(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("- Tea\n", "- Chai\n"))
    said = "task.labels: 'Chai' is new; 'Tea' is missing; expected the labels of the run, which `laud labels"
    with pytest.raises(RunError, match=said) as refused:
        claim(configured(f"{run}/config.yaml")).__enter__()
    assert "\n" not in str(refused.value)
    # Whoever only looks reads the run as it was made, and is told.
    with look_at(str(run)) as folder:
        assert folder.config.task.to_task().names == ("Tea", "Coffee")
    assert "was changed since the last `laud run` (task.labels[0].name: Tea -> Chai)" in caplog.text
    caplog.clear()
    # The place of the run is that where it is, but the file is not what was written.
    (run / "config.yaml").write_text(text.replace(f"storage: {run}", "storage: elsewhere"))
    with look_at(str(run)) as folder:
        assert folder.folder.uri == str(run)
    assert f"(storage: {run} -> elsewhere)" in caplog.text
    (run / "config.yaml").write_text(text)
    caplog.clear()
    with look_at(str(run)) as folder:
        assert folder.config.task.to_task().names == ("Tea", "Coffee")
    assert caplog.text == ""


def test_a_budget_may_be_raised_in_the_run_itself(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("annotations: 3", "annotations: 7"))
    with look_at(str(run)) as folder:
        assert folder.config.budget.annotations == 7
    assert "(budget.annotations: 3 -> 7); the changes take effect" in caplog.text
    with claim(configured(f"{run}/config.yaml")) as folder:
        assert folder.config.budget.annotations == 7
        assert len(folder.store.queries()) == 3


def test_a_run_from_before_the_database_held_its_configuration_still_opens(run: Path) -> None:
    with sqlite3.connect(run / "laud.db") as connection:
        connection.execute("DELETE FROM settings WHERE key = 'configuration'")
    with look_at(str(run)) as folder:
        assert folder.config.seed == 0
    with pytest.raises(RunError, match="seed: 0 -> 4"):
        claim(settings(run, seed=4)).__enter__()
    with claim(settings(run)) as folder:
        assert folder.store.setting("configuration") == (run / "config.yaml").read_text()


def test_a_deleted_lock_file_lets_nobody_in(run: Path) -> None:
    with claim(settings(run)) as folder:
        (run / ".lock").unlink()
        with pytest.raises(RunError, match="another process is working on this run; expected one at a time"):
            claim(settings(run)).__enter__()
        assert is_held(folder)
        (run / ".lock").unlink()  # which the second one made
        assert is_held(folder)
    assert not is_held(folder)
    with claim(settings(run)):
        pass


@pytest.mark.parametrize("opened", ["claim", "look_at"])
def test_a_run_that_is_replaced_by_its_backup_takes_nothing_more(run: Path, tmp_path: Path, opened: str) -> None:
    shutil.copytree(run, tmp_path / "backup")
    with claim(settings(run)) if opened == "claim" else look_at(str(run)) as folder:
        folder.store.add_feedback("before", "Tea", "ann")
        run.rename(tmp_path / "away")
        with pytest.raises(RunError, match=f"^{run}: the run was deleted or moved$"):
            folder.store.add_feedback("gone", "Tea", "ann")
        shutil.copytree(tmp_path / "backup", run)
        for use in (folder.require, lambda: folder.store.add_feedback("lost", "Tea", "ann"), folder.store.queries):
            with pytest.raises(
                RunError, match=f"^{run}: the run was replaced while it was open, for example by a backup"
            ):
                use()
        # Moved back, it goes on.
        shutil.rmtree(run)
        (tmp_path / "away").rename(run)
        folder.store.add_feedback("after", "Tea", "ann")
        assert [entry.text for entry in folder.store.feedback()] == ["before", "after"]
