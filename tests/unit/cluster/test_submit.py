"""What a submission consists of, and which files are uploaded with it."""

from pathlib import Path

import pytest

from laud_ray.cli.paths import IN_A_JOB, check_lasting
from laud_ray.cluster.submission import Needs, submission
from laud_ray.cluster.upload import left_behind
from laud_ray.errors import ConfigError, UserError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of a user's: a script, a task with its labels, ignored data."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "jobs/active_loop.py").write_text("print()\n")
    (tmp_path / "task.yaml").write_text("task: {name: food, labels: labels.csv}\ncorpus: {path: s3://bucket/names}\n")
    (tmp_path / "labels.csv").write_text("name\nFruit\nBread\n")
    (tmp_path / "data/names.csv").write_text("text\napple\n")
    (tmp_path / "README.md").write_text("Read me.\n")
    (tmp_path / ".gitignore").write_text("/data/\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def named(*arguments: str, script: str = "jobs/active_loop.py") -> str:
    return submission(script, arguments, ".").id


def test_the_same_submission_has_the_same_id(folder: Path) -> None:
    first = submission("jobs/active_loop.py", ["task.yaml"], ".")
    assert first == submission(str(folder / "jobs/active_loop.py"), ["task.yaml"], str(folder))
    assert first.id.startswith("laud-active-loop-")
    assert first.entrypoint == "python jobs/active_loop.py task.yaml"
    assert [first.attempt(n) for n in (1, 2, 3)] == [first.id, f"{first.id}-2", f"{first.id}-3"]


@pytest.mark.parametrize("file", ["task.yaml", "labels.csv", "jobs/active_loop.py"])
def test_what_decides_the_results_decides_the_id(folder: Path, file: str) -> None:
    before = named("task.yaml")
    (folder / file).write_text((folder / file).read_text() + "\n")
    assert named("task.yaml") != before


def test_what_does_not_decide_them_does_not(folder: Path) -> None:
    before = named("task.yaml")
    (folder / "README.md").write_text("Other words.\n")
    assert named("task.yaml") == before
    needs = Needs.of(2, 1, ["laud.run/pool=gpu"])
    assert needs == Needs(2, 1, {"laud.run/pool": "gpu"})
    assert submission("jobs/active_loop.py", ["task.yaml"], ".", needs).id == before


def test_arguments_are_told_apart(folder: Path) -> None:
    ids = {named("a", "b"), named("ab"), named("b", "a"), named("a", "b", "--out", "c"), named("a", "b", "--out=c")}
    assert len(ids) == 5


def test_a_config_elsewhere_counts_too(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("shared") / "task.yaml"
    other.write_text("seed: 0\n")
    before = named(str(other))
    other.write_text("seed: 1\n")
    assert named(str(other)) != before


def test_words_of_an_argument_stay_one_word(folder: Path) -> None:
    made = submission("jobs/active_loop.py", ["s3://a b/c", "$HOME"], ".")
    assert made.entrypoint == "python jobs/active_loop.py 's3://a b/c' '$HOME'"


@pytest.mark.parametrize(
    ("arguments", "script", "said"),
    [
        (
            ["task.yaml"],
            "jobs/other.py",
            r"jobs/other.py: no such file in .*; expected a script in the working directory",
        ),
        (["data/names.csv"], "jobs/active_loop.py", "data/names.csv: is not uploaded, because of .gitignore"),
        (["--labels=data/names.csv"], "jobs/active_loop.py", "data/names.csv: is not uploaded, because of .gitignore"),
    ],
)
def test_what_would_not_arrive_is_refused(folder: Path, arguments: list[str], script: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        submission(script, arguments, ".")


def test_data_that_a_config_names_and_nobody_sends_is_refused(folder: Path) -> None:
    (folder / "task.yaml").write_text("corpus: {path: data/names.csv}\n")
    with pytest.raises(UserError, match="data/names.csv: is not uploaded, because of .gitignore"):
        named("task.yaml")
    (folder / ".gitignore").write_text("")
    (folder / "data/.rayignore").write_text("*.csv\n")
    with pytest.raises(UserError, match="data/names.csv: is not uploaded, because of data/.rayignore"):
        named("task.yaml")
    (folder / "data/.rayignore").unlink()
    assert named("task.yaml")


def test_a_script_outside_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("elsewhere") / "job.py"
    outside.write_text("")
    with pytest.raises(UserError, match="expected a script in the working directory"):
        named(script=str(outside))
    with pytest.raises(UserError, match="--working-dir: 'absent' is not a folder"):
        submission("jobs/active_loop.py", [], "absent")


@pytest.mark.parametrize("label", ["gpu", "=gpu", "pool="])
def test_a_label_has_a_name_and_a_value(label: str) -> None:
    with pytest.raises(UserError, match="expected LABEL=VALUE"):
        Needs.of(0, 0, [label])


@pytest.mark.parametrize(("path", "lasts"), [("runs/food", False), ("/shared/food", True), ("s3://bucket/food", True)])
def test_only_in_a_job_a_relative_path_does_not_last(path: str, lasts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(IN_A_JOB, raising=False)
    check_lasting(path, "storage")
    monkeypatch.setenv(IN_A_JOB, "{}")
    if lasts:
        check_lasting(path, "storage")
    else:
        with pytest.raises(ConfigError, match=f"storage: '{path}' is not valid in a Ray job"):
            check_lasting(path, "storage")


def test_of_this_repository_only_what_jobs_need_is_sent() -> None:
    root = Path(__file__).parents[3]
    sent = ["laud_ray/cli/commands/jobs.py", "jobs/relabel.py", "serve/app.py", "examples/demo/demo.yaml"]
    kept = [".venv/bin/python", ".git/HEAD", "runs/demo/laud.db", "data/demo.parquet", "tests/tiny.py", "docs/LOG.md"]
    found = dict(left_behind(root, {name: root / name for name in (*sent, *kept)}))
    assert sorted(found) == sorted(kept)
    assert found["data/demo.parquet"] == ".gitignore"
    assert found["docs/LOG.md"] == ".rayignore"
