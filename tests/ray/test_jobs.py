"""Ray jobs on a cluster of their own: one submission is one job, what was broken off continues, and all is counted."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
import yaml

from laud_ray.store.run import look_at
from tests.clusters import ROOT, Cluster, head
from tests.served import eventually
from tests.tiny import LABELS, products

DASHBOARD = ROOT / "jobs" / "grafana.json"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with head() as found:
        yield found


@pytest.fixture
def task(tmp_path: Path) -> Path:
    rows = "".join(f'"{one.text}",{one.label}\n' for one in products(600))
    (tmp_path / "food.csv").write_text("text,label\n" + rows)
    settings = {
        "task": {"name": "food", "labels": list(LABELS)},
        "corpus": {"path": str(tmp_path / "food.csv"), "text": "text"},
        "storage": str(tmp_path / "run"),
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label"},
        "evaluation": {"size": 60},
        "init": {"max_queries": 30},
        "query": {"batch": 20},
        "budget": {"annotations": 70},
    }
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path / "task.yaml"


def submitting(cluster: Cluster, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "laud_ray", "submit", "--address", cluster.dashboard, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=cluster.environment, stdout=pipe, stderr=pipe, text=True)


def submit(cluster: Cluster, *arguments: str) -> tuple[int, str, str]:
    process = submitting(cluster, *arguments)
    out, said = process.communicate(timeout=240)
    return process.returncode, out, said


def jobs_of(cluster: Cluster, words: str) -> list[dict[str, Any]]:
    """Submitted jobs that have these words in their command, the oldest first."""
    found = [one for one in cluster.ask("/api/jobs/") if one["submission_id"] and words in one["entrypoint"]]
    return sorted(found, key=lambda one: one["start_time"])


def drivers(task: Path) -> list[psutil.Process]:
    """The processes of the job's script itself, not of the shells and submitters around it."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if str(task) in line and "jobs/active_loop.py" in line and "submit" not in line:
            found.append(process)
    return found


@pytest.mark.timeout(500)
def test_one_submission_is_one_job_that_continues(cluster: Cluster, task: Path) -> None:
    arguments = ("jobs/active_loop.py", "--", str(task))
    both = [submitting(cluster, *arguments) for _ in range(2)]
    eventually(lambda: (task.parent / "run" / "zero_shot" / "part-00000.parquet").exists(), 180)
    assert len(jobs_of(cluster, str(task))) == 1
    (driver,) = drivers(task)
    driver.send_signal(signal.SIGKILL)
    ends = [(*one.communicate(timeout=60), one.returncode) for one in both]
    assert [code for _, _, code in ends] == [137, 137]
    assert all("reading and normalising the corpus" in out for out, _, _ in ends)
    assert sorted(re.findall(r": (submitted|is already running)", ends[0][1] + ends[1][1])) == [
        "is already running",
        "submitted",
    ]
    zero_shot = (task.parent / "run" / "zero_shot" / "part-00000.parquet").stat().st_mtime_ns

    code, out, said = submit(cluster, *arguments)
    assert code == 0, said + out
    first, second = jobs_of(cluster, str(task))
    assert second["submission_id"] == f"{first['submission_id']}-2"
    assert f"submitted; {first['submission_id']} ended with exit code" in said
    assert "finished" in out
    assert (task.parent / "run" / "zero_shot" / "part-00000.parquet").stat().st_mtime_ns == zero_shot

    code, out, said = submit(cluster, *arguments)
    assert (code, out) == (0, "")
    assert f"{second['submission_id']}: has already succeeded" in said
    assert len(jobs_of(cluster, str(task))) == 2
    code, _, said = submit(cluster, "--again", "--no-follow", *arguments)
    assert code == 0
    assert f"{first['submission_id']}-3: submitted; {second['submission_id']} has succeeded" in said
    with look_at(str(task.parent / "run")) as run:
        assert run.store.counts()["query"] + run.store.counts()["seed"] == 70


def interrupt(process: "subprocess.Popen[str]") -> str:
    """Press Ctrl-C, and again where Ray's client swallowed it while it opened the stream of logs; return stderr."""
    while True:
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=15)[1]
        except subprocess.TimeoutExpired:
            continue


@pytest.mark.timeout(500)
def test_the_zero_shot_job_stops_there_and_can_be_stopped(cluster: Cluster, task: Path) -> None:
    # Many rounds: the run must not end before it is stopped.
    settings = {**yaml.safe_load(task.read_text()), "query": {"batch": 2}}
    task.write_text(yaml.safe_dump({**settings, "budget": {"annotations": 400}}))
    code, out, said = submit(cluster, "jobs/zero_shot.py", "--on", "laud.run/test=head", "--", str(task))
    assert code == 0, said + out
    with look_at(str(task.parent / "run")) as run:
        assert run.store.history() == []
    assert (task.parent / "run" / "zero_shot" / "part-00000.parquet").exists()
    # The loop goes on from there, and `ray job stop` ends it so that it can go on again.
    process = submitting(cluster, "jobs/active_loop.py", "--", str(task))
    eventually(lambda: (task.parent / "run" / "rounds").exists(), 120)
    name = jobs_of(cluster, str(task))[-1]["submission_id"]
    # Ctrl-C leaves the job alone; the same command follows it again.
    said = interrupt(process)
    assert process.returncode == 130
    assert f"{name}: the job keeps running" in said
    assert f"Stop it: `ray job stop {name} --address {cluster.dashboard}`" in said
    process = submitting(cluster, "jobs/active_loop.py", "--", str(task))
    assert process.stderr is not None
    assert process.stderr.readline() == f"laud: {name}: is already running\n"
    cluster.ask(f"/api/jobs/{name}/stop", "POST")
    out, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "was stopped" in said
    assert "stopped; run the same command again to resume" in cluster.ask(f"/api/jobs/{name}/logs")["logs"]
    with look_at(str(task.parent / "run")) as run:
        spent = run.store.spent()
    # A round or two more show that it continues; the last queries may be without an answer.
    task.write_text(yaml.safe_dump({**settings, "budget": {"annotations": spent + 4}}))
    code, out, said = submit(cluster, "jobs/active_loop.py", "--", str(task))
    assert code == 0, said + out


@pytest.mark.timeout(120)
def test_the_exit_code_is_that_of_the_command(cluster: Cluster, task: Path) -> None:
    task.write_text(task.read_text().replace(str(task.parent / "run"), "runs/food"))
    code, out, said = submit(cluster, "jobs/active_loop.py", "--", str(task))
    assert code == 2
    assert "storage: 'runs/food' is not valid in a Ray job" in out
    assert "ended with exit code 2" in said


COUNT = """
import ray, sys, time
from laud_ray.cluster.metrics import JobMetrics
ray.init(address=sys.argv[1])
metrics = JobMetrics("relabel", "s3://bucket/runs/food")
metrics.begin("score")
metrics.progress(0, 500)
metrics.progress(500, 500)
metrics.errors(3)
metrics.tokens(900)
metrics.spend(1.25)
metrics.round(3, "round-0003")
metrics.update(appended=True, wealth={"novelty": 2.0}, alarms=(), accuracy=0.8, verdict="keep")
sys.stdin.read()
"""


@pytest.mark.timeout(120)
def test_every_series_of_the_dashboard_is_in_the_export(cluster: Cluster) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    shown = {name for panel in panels for one in panel["targets"] for name in re.findall(r"\bray_\w+", one["expr"])}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", COUNT, cluster.address]
    with subprocess.Popen(command, env=cluster.environment, stdin=pipe, cwd=ROOT) as process:
        try:

            def missing() -> set[str]:
                try:
                    with urlopen(cluster.metrics, timeout=10) as reply:
                        page = reply.read().decode()
                except OSError:  # the node's agent, which exports them, starts last
                    return shown
                return shown - set(re.findall(r"^(\w+)\{", page, re.M))

            eventually(lambda: not missing() or process.poll() is not None, 60)
            assert missing() == set()
            with urlopen(cluster.metrics, timeout=10) as reply:
                lines = [line for line in reply.read().decode().splitlines() if "laud_job_" in line]
            (documents,) = [line for line in lines if "documents_total{" in line and 'kind="relabel"' in line]
            assert 'step="score"' in documents
            assert 'run="s3://bucket/runs/food"' in documents
            assert float(documents.rpartition(" ")[2]) == 500
        finally:
            process.communicate()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", ["absent", "token"])
def test_a_cluster_that_cannot_be_used_is_one_line(cluster: Cluster, fault: str) -> None:
    where = "http://127.0.0.1:9" if fault == "absent" else cluster.dashboard
    process = subprocess.run(
        [sys.executable, "-m", "laud_ray", "submit", "--address", where, "jobs/relabel.py", "--", "a", "b"],
        cwd=ROOT,
        env=cluster.environment | ({} if fault == "absent" else {"RAY_AUTH_TOKEN": "0" * 64}),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    if fault == "absent":
        assert line.startswith(f"laud: no Ray cluster was reached at {where}")
        assert "ray start --head" in line
    else:
        assert line.startswith(f"laud: the Ray cluster at {where} refuses the token")
        assert "RAY_AUTH_TOKEN" in line
