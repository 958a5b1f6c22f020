"""`laud oracle RUN --probe N`: priced, confirmed, bought once, resumed after a kill, and shown."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from laud_ray.cli.output import EXIT_WAITING
from laud_ray.store.run import claim, configured
from tests.commands import laud
from tests.endpoint import Reply, endpoint
from tests.probed import LABELS, is_reversed, make_run, number, saying

# Of the calls for the third prompt, so that as many are in flight as may be.
ANSWERED, IN_FLIGHT = 33, 4


def by_position(prompt: str, before: int) -> str:
    """Right, but for every third document, where the first label of the list is as good as any."""
    i = number(prompt)
    return ("Juice" if is_reversed(prompt) else "Tea") if i % 3 == 1 else LABELS[i % 3]


def test_a_probe_is_priced_confirmed_bought_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with endpoint(saying(by_position)) as server:
        run = str(make_run(tmp_path, server.url))
        assert laud("oracle", run, "--probe", "12") == 2
        said = capsys.readouterr().err
        assert "llm:m (oracle): 84 calls about 12 documents, about " in said
        assert "expected --yes" in said
        assert not server.seen
        assert laud("oracle", run, "--probe", "12", "--yes", "--json") == 0
        found = json.loads(capsys.readouterr().out)["probe"]["llm:m"]
        assert len(server.seen) == 84
        texts = {number(one) for one in server.prompts}
        wrong = sum(i % 3 == 1 for i in texts)
        assert (found["n"], found["answers"], found["unread"], found["same_prompt"]["value"]) == (12, 84, 0, 0)
        assert found["order"]["value"] == pytest.approx(wrong / 12)
        assert found["errors"] == {"unstable": {"n": wrong, "wrong": wrong}, "stable": {"n": 12 - wrong, "wrong": 0}}
        assert laud("oracle", run, "--probe", "12", "--yes") == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert len(server.seen) == 168
    assert "Answers by wording and order" in shown
    assert "no sign that it has changed since its first probe, of " in shown
    assert "Whether the answers change with the wording" not in shown
    assert laud("oracle", run) == 0
    assert "probe 2, of " in " ".join(capsys.readouterr().out.split())


def test_a_cap_in_the_middle_leaves_with_75(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with endpoint(saying(by_position)) as server:
        run = make_run(tmp_path, server.url, max_calls=30)
        assert laud("oracle", str(run), "--probe", "10", "--yes") == EXIT_WAITING
        said = capsys.readouterr()
        assert "40 answers are pending: oracle.max_calls: 30 of 30 calls of m are used" in said.out + said.err
        assert "llm:m: probe 1 lacks 40 of 70 answers; --probe 10 resumes it." in " ".join(said.out.split())
        assert laud("oracle", str(run), "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["probe"], found["probe_unfinished"]["llm:m"]["missing"]) == ({}, 40)
        path = run / "config.yaml"
        path.write_text(path.read_text().replace("max_calls: 30", "max_calls: 70"))
        assert laud("oracle", str(run), "--probe", "10", "--yes", "--json") == 0
        assert len(server.seen) == 70
        assert json.loads(capsys.readouterr().out)["probe_unfinished"] == {}


def test_after_a_kill_only_what_was_in_flight_is_asked_again(tmp_path: Path) -> None:
    stuck, killed = threading.Event(), threading.Event()

    def script(body: dict, before: int) -> Reply | None:
        if killed.is_set():
            return saying(by_position)(body, before)
        with server.lock:
            place = len(server.seen)
        if place <= ANSWERED:
            return saying(by_position)(body, before)
        if place == ANSWERED + IN_FLIGHT:
            stuck.set()
        return None

    with endpoint(script) as server:
        run = str(make_run(tmp_path, server.url))
        command = [sys.executable, "-m", "laud_ray", "oracle", run, "--probe", "10", "--yes", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ))
        assert stuck.wait(120)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed.set()
        done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), timeout=120)
        assert done.returncode == 0, done.stderr
        assert f"{70 - ANSWERED} calls about 10 documents (resumes probe 1" in done.stderr
        assert json.loads(done.stdout)["probe"]["llm:m"]["answers"] == 70
        assert len(server.seen) == 70 + IN_FLIGHT


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(make_run(tmp_path, "http://127.0.0.1:9"))
    assert laud("oracle", run, "--probe", "61", "--yes") == 2
    assert "--probe: 61 is not valid; expected at most 60" in capsys.readouterr().err
    assert laud("oracle", run, "--yes") == 2
    assert laud("oracle", str(tmp_path / "nothing"), "--probe", "5", "--yes") == 2
    capsys.readouterr()
    with claim(configured(f"{run}/config.yaml")):
        assert laud("oracle", run, "--probe", "5", "--yes") == 2
    assert "another process" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    other = make_run(tmp_path / "other", "http://127.0.0.1:9", other={"kind": "replay", "label": "label"})
    assert laud("oracle", str(other), "--probe", "5", "--yes") == 2
    assert "none of its oracles is a language model" in capsys.readouterr().err
