"""The command line as a person uses it, and what it says to mistakes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from laud_ray import config, loop
from laud_ray.store.run import claim, look_at
from tests.commands import laud

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("catalog")
    command = [sys.executable, str(ROOT / "examples/demo/catalog.py"), str(place / "names.parquet")]
    subprocess.run([*command, "--test", str(place / "test.parquet"), "--documents", "700"], check=True)
    return place


@pytest.fixture(scope="module")
def run(ray_session: str, catalog: Path) -> Path:
    """A small run of the demo's catalog, by the command line from `init` on."""
    written = subprocess.run(
        [
            sys.executable,
            "-m",
            "laud_ray",
            "init",
            str(catalog / "names.parquet"),
            "--text",
            "text",
            "--id",
            "id",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    settings = yaml.safe_load(written)
    settings["storage"] = str(catalog / "run")
    settings["learner"] = {"kind": "linear"}
    settings["evaluation"] = {"size": 80}
    settings["budget"] = {"annotations": 80}
    (catalog / "task.yaml").write_text(yaml.safe_dump(settings))
    assert laud("run", str(catalog / "task.yaml")) == 0
    return catalog / "run"


def test_status(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert laud("status", str(run), "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["state"], status["stop_reason"]) == ("finished", "budget: 80 of 80 annotations are spent")
    assert status["current_model"] in [r["model"] for r in status["rounds"]]
    for one in status["rounds"]:
        figure = one["accuracy"]
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert figure["n"] == 80
    counts = status["annotations"]
    assert (counts["seed"] + counts["query"], counts["evaluation"], counts["abstained"]) == (80, 80, 0)
    assert laud("status", str(run)) == 0
    assert "accuracy" in capsys.readouterr().out


def test_evaluate_agrees_with_the_scores_of_the_run(
    run: Path, catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert laud("evaluate", str(run), str(catalog / "names.parquet"), "--label", "label", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["skipped"], found["unknown_labels"]) == (700, 0, 0)
    low, high = found["accuracy_interval"]
    assert low <= found["accuracy"] <= high
    gold = {row["id"]: row["label"] for row in pq.read_table(catalog / "names.parquet").to_pylist()}
    name = found["model"]
    folder = run / "rounds" / name.removeprefix("round-") / "scores" if name != "zero-shot" else run / "zero_shot"
    rows = [row for part in sorted(folder.glob("part-*")) for row in pq.read_table(part).to_pylist()]
    right = sum(row["label"] == gold[row["id"]] for row in rows)
    assert right / 700 == pytest.approx(found["accuracy"])


def test_report_is_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert laud("report", str(run)) == 0
    page = (run / "report.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert str(run) in capsys.readouterr().out


def test_running_again_changes_nothing_and_another_seed_is_refused(
    run: Path, catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert laud("run", str(catalog / "task.yaml")) == 0
    settings = yaml.safe_load((catalog / "task.yaml").read_text())
    (catalog / "other.yaml").write_text(yaml.safe_dump({**settings, "seed": 9}))
    capsys.readouterr()
    assert laud("run", str(catalog / "other.yaml")) == 2
    assert "seed: 0 -> 9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["init", "nowhere.csv", "--text", "text"], "nowhere.csv: does not exist"),
        (["init", "{data}", "--text", "txt"], "no column 'txt'.*did you mean 'text'"),
        (["init", "{data}"], "Missing option '--text'"),
        (["run", "nowhere.yaml"], "nowhere.yaml: no such file; expected a YAML file"),
        (["status", "nowhere"], "nowhere: is not a run"),
        (["evaluate", "{run}", "{data}", "--label", "id"], "the column 'id' holds .*expected the labels of the task"),
        (["evaluate", "{run}", "{data}", "--label", "lable"], "no column 'lable'.*did you mean 'label'"),
        (
            ["evaluate", "{run}", "{data}", "--label", "label", "--model", "x"],
            "no model 'x'; expected one of zero-shot",
        ),
        (["stats", "x"], "No such command 'stats'"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(
    run: Path, catalog: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [a.format(run=run, data=catalog / "names.parquet") for a in arguments]
    assert laud(*filled) == 2
    captured = capsys.readouterr()
    assert re.search(message, captured.err), captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_labels_that_the_column_does_not_hold(
    catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"""
task: {{name: x, labels: [North, South]}}
corpus: {{path: "{catalog / "names.parquet"}", text: text}}
storage: "{tmp_path / "run"}"
oracle: {{kind: replay, label: label}}
"""
    (tmp_path / "x.yaml").write_text(text)
    assert laud("run", str(tmp_path / "x.yaml")) == 2
    assert "oracle.label: the column 'label' holds" in capsys.readouterr().err
    # Nothing was decided yet, so the mended configuration is accepted in the same storage.
    (tmp_path / "x.yaml").write_text(
        text.replace("oracle:", "evaluation: {size: 600}\noracle:").replace("North, South", "Cheese, Fruit")
    )
    assert laud("run", str(tmp_path / "x.yaml")) == 2
    assert "evaluation.size: 600 is not valid for" in capsys.readouterr().err


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert laud() == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("Usage: ")
    assert "Turn a pile of unlabeled text into a calibrated classifier." in captured.err
    assert "laud:" not in captured.err


def test_init_says_what_is_to_fill_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("text\n" + "".join(f"milk {i}\n" for i in range(50)))
    assert laud("init", str(tmp_path / "a.csv"), "--text", "text") == 0
    captured = capsys.readouterr()
    assert config.parse(captured.out).oracle.kind == "llm"
    assert captured.err.startswith("laud: fill in task.labels and oracle")
    assert captured.err.count("\n") == 1


@pytest.fixture(scope="module")
def spent(ray_session: str, catalog: Path) -> Path:
    """A finished run of 20 annotations; its configuration lies beside it as spent.yaml."""
    labels = pq.read_table(catalog / "names.parquet", columns=["label"]).column("label").unique().to_pylist()
    settings = {
        "task": {"name": "spent", "labels": sorted(labels)},
        "corpus": {"path": str(catalog / "names.parquet"), "text": "text", "id": "id"},
        "storage": str(catalog / "spent"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label"},
        "query": {"batch": 10},
        "evaluation": {"size": 300},
        "budget": {"annotations": 20},
    }
    (catalog / "spent.yaml").write_text(yaml.safe_dump(settings))
    assert laud("run", str(catalog / "spent.yaml")) == 0
    return catalog / "spent"


def copied(run: Path, place: Path, budget: int) -> str:
    """Copy a run; return the path of its configuration with another budget."""
    shutil.copytree(run, place / "run")
    shutil.copy(run.with_suffix(".yaml"), place / "raised.yaml")
    with_settings(place / "raised.yaml", storage=str(place / "run"), budget={"annotations": budget})
    return str(place / "raised.yaml")


def with_settings(path: Path, **changes: object) -> None:
    """Change settings in a configuration file."""
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def asked(run: Path) -> list[tuple[str, str | None]]:
    with look_at(str(run)) as folder:
        queries = [*folder.store.queries("seed"), *folder.store.queries("query")]
        return [(a.query.document.id, a.label) for a in queries]


def test_a_raised_budget_reopens_a_finished_run(
    spent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raised = copied(spent, tmp_path, 40)
    capsys.readouterr()
    assert laud("run", raised) == 0
    captured = capsys.readouterr()
    assert re.match(r"Resuming \S*run: 1 round is closed\.\n", captured.err), captured.err
    assert "ray" not in captured.err.lower()
    assert "40 of 40: 20 seed, 20 query" in captured.out
    assert asked(tmp_path / "run")[:20] == asked(spent)
    assert len(asked(tmp_path / "run")) == 40
    with_settings(Path(raised), budget={"annotations": 30})
    assert laud("run", raised) == 2
    message = r"budget.annotations: 30, but 40 annotations are spent or asked for; expected at least as many"
    captured = capsys.readouterr()
    assert re.search(message, captured.err)
    assert "Resuming" not in captured.err


def test_a_run_goes_on_without_what_was_bought_to_evaluate(
    spent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raised = copied(spent, tmp_path, 40)
    capsys.readouterr()
    # More than half of the pool, and so of the candidates that the last round has already shortlisted.
    assert laud("evaluate", str(tmp_path / "run"), "--budget", "250", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 550
    assert laud("run", raised) == 0
    with look_at(str(tmp_path / "run")) as folder:
        evaluated = {a.query.document.id for a in folder.store.queries("evaluation")}
        assert folder.store.history()[-1].figures.n == 550
    assert len(asked(tmp_path / "run")) == 40
    assert not evaluated & {key for key, _ in asked(tmp_path / "run")}


@pytest.mark.parametrize("folder", ["rounds/0001/scores", "rounds/0001/scores/shortlist"])
def test_deleted_scores_are_made_again(spent: Path, tmp_path: Path, folder: str) -> None:
    raised = copied(spent, tmp_path, 21)
    lost = next((tmp_path / "run" / folder).glob("part-*"))
    before = lost.read_bytes()
    lost.unlink()
    assert laud("run", raised) == 0
    assert lost.read_bytes() == before
    assert len(asked(tmp_path / "run")) == 21


def test_zero_shot_is_made_again_with_its_model(spent: Path, tmp_path: Path) -> None:
    again = yaml.safe_load(spent.with_suffix(".yaml").read_text()) | {"storage": str(tmp_path / "run")}
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(again))

    def interrupt(event: loop.Event) -> None:
        if (event.kind, event.step, event.round) == ("begin", "annotate", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.run(config.load(str(tmp_path / "again.yaml")), interrupt)
    shutil.rmtree(tmp_path / "run" / "zero_shot")
    shutil.rmtree(tmp_path / "run" / "models" / "zero-shot")
    assert laud("run", str(tmp_path / "again.yaml")) == 0
    assert asked(tmp_path / "run") == asked(spent)


def test_scores_without_the_model_that_made_them_are_named(
    spent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raised = copied(spent, tmp_path, 21)
    shutil.rmtree(tmp_path / "run" / "rounds" / "0001")
    shutil.rmtree(tmp_path / "run" / "models" / "round-0001")
    capsys.readouterr()
    assert laud("run", raised) == 2
    assert "scores are missing, and so is the model round-0001 that made them" in capsys.readouterr().err


def test_a_broken_corpus_is_one_line(spent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raised = copied(spent, tmp_path, 21)
    for part in (tmp_path / "run" / "corpus").glob("part-*"):
        part.write_bytes(b"not Parquet")
    capsys.readouterr()
    assert laud("run", raised) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"laud: .*corpus/part-00000.parquet: cannot be read: .*Parquet", last), last


def test_status_tells_a_run_at_work_from_one_that_stopped(
    spent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raised = copied(spent, tmp_path, 40)
    with claim(config.load(raised)) as folder:
        folder.store.set_stop_reason(None)
        assert laud("status", str(tmp_path / "run"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "running"
    assert laud("status", str(tmp_path / "run"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "stopped"
    assert laud("status", str(tmp_path / "run")) == 0
    assert "Resume it" in capsys.readouterr().out


def test_the_configuration_within_a_run_means_it_from_any_folder(
    spent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copied(spent, tmp_path, 20)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    written = (tmp_path / "run" / "config.yaml").read_text()
    (tmp_path / "run" / "config.yaml").write_text(written.replace(f"storage: {spent}", "storage: runs/spent"))
    monkeypatch.chdir(elsewhere)
    assert laud("run", "../run/config.yaml") == 0
    assert "20 of 20" in capsys.readouterr().out
    assert not list(elsewhere.iterdir())


def test_importing_and_help_are_light() -> None:
    named = "{'ray', 'torch', 'pydantic', 'pyarrow', 'numpy', 'scipy', 'sklearn'}"
    heavy = f"import sys, laud_ray, laud_ray.cli; print({named} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


def test_public_names_are_sorted_and_there() -> None:
    import laud_ray

    assert laud_ray.__all__ == sorted(laud_ray.__all__, key=str)
    assert all(getattr(laud_ray, name) is not None for name in laud_ray.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = laud_ray.nothing
