"""People answer a run in a real Label Studio: push, answers of two users, pull, and the run continues to its end."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from laud_ray import cli
from laud_ray.cli.output import EXIT_WAITING
from laud_ray.people.votes import current, votes
from laud_ray.store.run import look_at
from tests.asking import all_questions, run_with
from tests.label_studio import LEGACY, Studio, label_studio

KINDS = {
    "Tea": "green black oolong mint sencha",
    "Coffee & co": "latte mocha espresso arabica decaf",
    '"Juice" <fresh>': "apple orange pear mango grape",
}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with label_studio(tmp_path_factory.mktemp("label-studio")) as started:
        yield started


def laud(*arguments: str) -> int:
    """Run a command of laud; return its exit code."""
    try:
        cli.main(arguments)
    except SystemExit as left:
        return int(str(left.code or 0))
    return 0


def label_of(text: str) -> str:
    return next(label for label, words in KINDS.items() if text.split()[0] in words.split())


def settings_of(tmp_path: Path) -> dict[str, Any]:
    rng = random.Random(0)
    names = [f"{rng.choice(words.split())} {rng.choice('xyz')}{i}" for i in range(60) for words in KINDS.values()]
    (tmp_path / "names.csv").write_text("text\n" + "\n".join(names) + "\n")
    return {
        "task": {"name": "drinks", "labels": [{"name": name, "description": words} for name, words in KINDS.items()]},
        "corpus": {"path": str(tmp_path / "names.csv"), "text": "text"},
        "storage": str(tmp_path / "run"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "people", "team": 2, "twice": 0.0, "doubt": False, "guideline": "What is in the glass?"},
        "evaluation": {"size": 20, "stop_set": 40},
        "init": {"per_class": 1},
        "query": {"batch": 10},
        "budget": {"annotations": 20},
    }


def test_a_run_is_answered_in_label_studio(
    ray_session: str,
    studio: Studio,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, run = tmp_path / "task.yaml", str(tmp_path / "run")
    path.write_text(yaml.safe_dump(settings_of(tmp_path)))
    project = studio.new_project()
    bob, personal = studio.sign_up("bob@example.com")
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", personal)
    there = ("--label-studio", studio.url, "--project", str(project))
    cycles = 0
    while (code := laud("run", str(path))) == EXIT_WAITING:
        cycles += 1
        assert cycles < 6
        assert laud("questions", "push", run, *there) == 0
        assert laud("questions", "push", run, *there) == 0, "a second time sends nothing"
        for one in studio.tasks(project):
            if not one["annotations"]:
                studio.answer(one["id"], [label_of(one["data"]["text"])], bob if one["id"] % 2 else LEGACY)
        assert laud("questions", "pull", run, *there) == 0
        assert laud("questions", "pull", run, *there) == 0, "a second time changes nothing"
    assert code == 0
    assert personal not in capsys.readouterr().out
    asked = all_questions(run)
    tasks = studio.tasks(project)
    assert [one["data"]["laud_question"] for one in tasks] == [one.id for one in asked], "each was sent once"
    suggested = {one["data"]["laud_question"] for one in tasks if one["predictions"]}
    assert suggested == {one.id for one in asked if one.show and one.candidates} != set()
    assert all(one.label == label_of(one.document.text) and one.state == "used" for one in asked)
    with look_at(run) as folder:
        counting = current(votes(folder.store.engine))
    assert {one.person for one in counting} == {"ann@example.com", "bob@example.com"}
    assert len(counting) == len(asked)
    assert studio.ask("GET", f"/api/projects/{project}/")["expert_instruction"] == "What is in the glass?"


def test_skips_changes_and_wrong_choices(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, project = run_with(tmp_path, [f"text {i}" for i in range(5)]), studio.new_project()
    monkeypatch.setenv("OLD_TOKEN", LEGACY)
    there = ("--label-studio", studio.url, "--project", str(project), "--token-env", "OLD_TOKEN")
    assert laud("questions", "push", run, *there) == 0
    first, second, third, fourth, fifth = (one["id"] for one in studio.tasks(project))
    changed = studio.answer(first, ["tea"])
    studio.answer(second, [], was_cancelled=True)
    studio.answer(third, [])
    studio.answer(fourth, ["tea"])
    studio.answer(fourth, ["=soup"])
    assert laud("questions", "pull", run, *there) == 0
    assert [one.label for one in all_questions(run)] == ["tea", None, None, "=soup", None]
    assert [one.state for one in all_questions(run)] == ["settled"] * 4 + ["open"]
    result = [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["milk"]}}]
    studio.ask("PATCH", f"/api/annotations/{changed}/", {"result": result})
    assert laud("questions", "pull", run, *there) == 0
    assert all_questions(run)[0].label == "milk"
    studio.answer(fifth, ["teas"])  # Label Studio takes any choice
    capsys.readouterr()
    assert laud("questions", "pull", run, *there) == 2
    said = capsys.readouterr().err
    assert "the choice 'teas' is not a label of the task - did you mean 'tea'?" in said
    assert all_questions(run)[4].state == "open"


def test_many_labels_and_refusals(
    studio: Studio, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [{"name": f"Label {i} 'é' & \"x\" <b>", "description": "a\nb & <c>"} for i in range(1500)]
    run, project = run_with(tmp_path, ["one", "two"], labels=labels), studio.new_project()
    there = ("--label-studio", studio.url, "--project")
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", LEGACY)
    assert laud("questions", "push", run, *there, str(project)) == 0
    assert laud("questions", "push", run, *there, str(project)) == 0
    first, second = studio.tasks(project)
    assert (len(first["predictions"]), len(second["predictions"])) == (1, 1)
    chosen = {"from_name": "label", "to_name": "text", "type": "taxonomy", "value": {"taxonomy": [[labels[7]["name"]]]}}
    studio.ask("POST", f"/api/tasks/{first['id']}/annotations/", {"result": [chosen], "lead_time": 2.0})
    assert laud("questions", "pull", run, *there, str(project)) == 0
    assert [one.label for one in all_questions(run)] == [labels[7]["name"], None]
    for number, token, expected in (
        ("999", LEGACY, "404 Not Found: No Project matches the given query"),
        (str(project), "wrong", "401 Unauthorized: Invalid token"),
    ):
        monkeypatch.setenv("LABEL_STUDIO_TOKEN", token)
        capsys.readouterr()
        assert laud("questions", "pull", run, *there, number) == 2
        assert expected in capsys.readouterr().err
