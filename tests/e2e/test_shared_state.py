"""A run in an object store with its annotations in PostgreSQL: killed and continued, it ends as a local one does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from sqlalchemy import text

from laud_ray import config, loop
from laud_ray.cli import main
from laud_ray.storage.folder import Folder
from laud_ray.store.database.connection import read
from laud_ray.store.run import look_at
from laud_ray.types import RoundResult
from laud_ray.update.outcome import to_json
from laud_ray.update.update import update
from tests.e2e.killing import environment, killed
from tests.e2e.test_crash import KINDS, settings  # noqa: F401 - settings is a fixture
from tests.e2e.test_update import names, write
from tests.postgres import Server
from tests.s3 import s3_server

BUCKET = "laud-tests"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server(BUCKET) as url:
        yield url


CLUSTER = """
import sys, ray
context = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
print(context.address_info["address"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def ray_beside(endpoint: str) -> Iterator[str]:
    """A Ray of its own, whose workers know the store: they have the environment of whoever started it."""
    command = [sys.executable, "-c", CLUSTER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        process.wait(timeout=60)


def answers(storage: str) -> list[tuple[object, ...]]:
    asked = (
        "select q.document_id, q.purpose, q.round, q.text, q.reason, a.label from queries q "
        "left join annotations a on a.document_id = q.document_id order by q.position"
    )
    with look_at(storage) as folder:
        return [tuple(row) for row in read(folder.store.engine, lambda c: c.execute(text(asked)).all())]


def history(storage: str) -> list[RoundResult]:
    with look_at(storage) as folder:
        return [replace(result, seconds={}) for result in folder.store.history()]


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(arguments)
    return capsys.readouterr().out


def test_killed_and_continued_it_is_the_same_as_a_local_run(
    ray_session: str,
    ray_beside: str,
    endpoint: str,
    postgres: Server,
    settings: dict[str, object],  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    local, shared = str(tmp_path / "local"), f"s3://{BUCKET}/runs/drinks"
    (tmp_path / "local.yaml").write_text(yaml.safe_dump({**settings, "storage": local}))
    seen: list[str] = []

    def note(event: loop.Event) -> None:
        if event.kind in ("progress", "end"):
            seen.append(f"{event.kind} {event.step} {event.round} {event.done} of {event.total}")

    loop.run(config.load(str(tmp_path / "local.yaml")), note)
    # The process dies at what is not in this file: some places from the beginning to the end.
    boundaries = list(dict.fromkeys(seen))
    deadly = set(boundaries[2 :: len(boundaries) // 3])
    (tmp_path / "killed.txt").write_text("".join(f"{one}\n" for one in boundaries if one not in deadly))

    path = tmp_path / "shared.yaml"
    path.write_text(yaml.safe_dump({**settings, "storage": shared, "store": postgres.url}))
    kills, last = killed(ray_beside, "boundaries", tmp_path / "killed.txt", "run", path)
    assert kills >= 3, "the run was killed too seldom for a test"
    assert last == "budget: 16 of 16 annotations are spent"
    assert answers(shared) == answers(local)
    assert history(shared) == history(local)
    for name in sorted(Folder(f"{local}/rounds/0002/scores").names()):
        assert Folder(f"{shared}/rounds/0002/scores").read(name) == Folder(f"{local}/rounds/0002/scores").read(name)
    head = "models/round-0002/head.safetensors"
    assert Folder(shared).read(head) == Folder(local).read(head)

    _update(shared, local, ray_beside, tmp_path)
    _commands(shared, local, settings, capsys)


def _update(shared: str, local: str, ray_beside: str, place: Path) -> None:
    """New data of another kind, which are asked about and learned, in the object store as in a local run."""
    source = write(place / "novel.csv", names(240, 2, 6000, novel=0.4))
    command = [sys.executable, "-m", "laud_ray", "update", shared, str(source), "--json"]
    done = subprocess.run(
        command, env=environment(ray_beside), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 3, done.stderr  # the new model is kept back, which is for a person to settle
    found, here = json.loads(done.stdout), to_json(update(local, str(source)))
    assert found["state"] == here["state"] != "quiet"
    assert (found["evidence"], found["decision"]) == (here["evidence"], here["decision"])
    assert answers(shared) == answers(local)
    assert history(shared) == history(local)
    with look_at(shared) as there, look_at(local) as beside:
        assert there.store.sample("evaluation") == beside.store.sample("evaluation")
    head = f"models/{found['decision']['model']}/head.safetensors"
    assert Folder(shared).read(head) == Folder(local).read(head)


def _commands(shared: str, local: str, settings: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """What people type, of a run in the object store as of a local one."""
    status = json.loads(call(capsys, "status", shared, "--json"))
    assert (status["state"], status["storage"]) == ("finished", shared)
    there, here = (json.loads(call(capsys, "models", run, "--json"))["models"] for run in (shared, local))
    assert [m["name"] for m in there] == [m["name"] for m in here]
    data = str(settings["corpus"]["path"])  # type: ignore[index]
    there, here = (
        json.loads(call(capsys, "evaluate", run, data, "--label", "label", "--json")) for run in (shared, local)
    )
    assert there == here
    assert call(capsys, "report", shared).strip() == f"{shared}/report.html"
    assert Folder(shared).read("report.html").startswith(b"<!")
    assert f"{status['current_model']} -> zero-shot" in call(capsys, "promote", shared, "zero-shot")
    assert json.loads(call(capsys, "status", f"{shared}/", "--json"))["current_model"] == "zero-shot"
    assert loop.run(config.load(f"{shared}/config.yaml")).state == "finished"

    from serve.registry import open_registry

    served = open_registry(shared)
    try:
        assert served.current() == "zero-shot"
        assert Path(served.entry("zero-shot").folder, "model.json").is_file()
    finally:
        served.close()
    alone = open_registry(f"{shared}/models/round-0001")
    assert alone.current() == "round-0001"
    assert os.environ["PGPASSWORD"] not in Folder(shared).read("config.yaml").decode()
