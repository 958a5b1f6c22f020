"""`laud questions export` and `import` say how many there were, and which command comes next."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from laud_ray.cli import main
from tests.asking import run_with


def test_a_file_goes_round(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, path = run_with(tmp_path, ["gala apples", "brie"]), tmp_path / "my questions.csv"
    main(["questions", "export", run, "--out", str(path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: 2 questions, 2 of them with candidates"
    assert lines[1] == 'Fill in the column "label" with a label, "unsure" or "none fits"; then'
    assert lines[2] == f"  laud questions import {run} '{path}' --who NAME"
    path.write_text("question,label\nq-000001,tea\nq-000002,\n")
    main(["questions", "import", run, str(path), "--who", "ann"])
    said = capsys.readouterr().out
    assert said == f"{path}: 1 counted, 1 without an answer\n1 question has no answer yet\n"
    path.write_text("question,label\nq-000001,milk\nq-000002,teas\n")
    with pytest.raises(SystemExit) as left:
        main(["questions", "import", run, str(path), "--who", "ann"])
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        f"laud: {path} row 2 (q-000002): label: 'teas' is not a label of the task - did you mean 'tea'?; "
        "nothing was recorded\n"
    )
    path.write_text("question,label\nq-000001,milk\nq-000002,tea\n")
    main(["questions", "import", run, str(path), "--who", "ann"])
    said = capsys.readouterr().out
    assert said == (
        f"{path}: 2 counted (1 in place of an earlier answer)\nThe run continues with\n  laud run {run}/config.yaml\n"
    )
    main(["questions", "export", run, "--out", str(path)])
    assert capsys.readouterr().out == f"{path}: no questions are open; `laud run` continues the run\n"


@pytest.mark.parametrize("part", ["0/3", "4/3", "2", "a/b", "1/0", "-1/2"])
def test_a_part_is_one_of_several(tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str) -> None:
    with pytest.raises(SystemExit):
        main(["questions", "export", str(tmp_path), "--out", "q.csv", "--part", part])
    assert "is not valid; expected a part such as 2/3" in capsys.readouterr().err


def test_counts_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, path = run_with(tmp_path, ["gala apples", "brie"]), tmp_path / "a.csv"
    path.write_text("question,label\nq-000001,tea\n")
    main(["questions", "import", run, str(path), "--who", "ann", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["counted"], found["left"]) == (
        1,
        {"open": 1, "disputed": 0, "ready": False, "updating": False},
    )


def test_the_modules_load_no_ray() -> None:
    modules = "laud_ray.people.exchange.files, laud_ray.people.label_studio.sync, laud_ray.cli.commands.questions"
    check = f"import {modules}, sys; print([one for one in ('ray', 'torch', 'transformers') if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
