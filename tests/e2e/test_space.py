"""A run whose strategies look at where documents lie: it ends, and killed in its midst it asks the same."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from laud_ray import config, loop

SCRIPT = Path(__file__).parent / "interrupted.py"
KINDS = {
    "Tea": "green black oolong mint sencha",
    "Coffee": "latte mocha espresso arabica decaf",
    "Juice": "apple orange pear mango grape",
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    place, rng = tmp_path_factory.mktemp("data"), random.Random(0)
    rows = [f"{rng.choice(words.split())} {i},{kind}" for i in range(100) for kind, words in KINDS.items()]
    (place / "names.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    return {
        "task": {"name": "drinks", "labels": list(KINDS)},
        "corpus": {"path": str(place / "names.csv"), "text": "text"},
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label", "abstain": 0.2},
        "evaluation": {"size": 20, "stop_set": 20},
    }


def write(settings: dict[str, object], storage: Path, **more: object) -> Path:
    path = storage.with_suffix(".yaml")
    path.write_text(yaml.safe_dump({**settings, **more, "storage": str(storage)}))
    return path


def asked(storage: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(storage / "laud.db") as database:
        return database.execute("select purpose, round, document_id, reason from queries order by position").fetchall()


def test_killed_between_looking_and_asking_a_run_asks_the_same(
    ray_session: str, settings: dict[str, object], tmp_path: Path
) -> None:
    mixed = {
        "query": {
            "strategy": "mix",
            "mix": {"badge": 0.4, "margin": 0.3, "disagreement": 0.3},
            "diversity": "kmeans",
            "batch": 6,
        },
        "budget": {"annotations": 16},
    }
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    assert loop.run(config.load(str(write(settings, unbroken, **mixed)))).state == "finished"
    path = write(settings, killed, **mixed)
    command = [sys.executable, str(SCRIPT), str(path), str(tmp_path / "boundary.txt"), "select"]
    environment = {**os.environ, "RAY_ADDRESS": ray_session, "OMP_NUM_THREADS": "1"}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert "progress select 1" in (tmp_path / "boundary.txt").read_text()
    assert not any(row[0] == "query" for row in asked(killed))
    assert loop.run(config.load(str(path))).state == "finished"
    rows = asked(unbroken)
    assert asked(killed) == rows
    assert {row[1] for row in rows if row[0] == "query"} == {1, 2}
    assert len({row[2] for row in rows}) == len(rows) == 16 + 20


@pytest.mark.usefixtures("ray_session")
def test_badge_finishes_with_its_budget(settings: dict[str, object], tmp_path: Path) -> None:
    more = {"query": {"strategy": "badge", "batch": 5, "answerable": False}, "budget": {"annotations": 8}}
    storage = tmp_path / "badge"
    outcome = loop.run(config.load(str(write(settings, storage, **more))))
    assert (outcome.state, outcome.reason) == ("finished", "budget: 8 of 8 annotations are spent")
    rows = asked(storage)
    assert all(str(row[3]).startswith("badge: ") for row in rows if row[0] == "query")
    evaluation = {row[2] for row in rows if row[0] == "evaluation"}
    assert not evaluation & {row[2] for row in rows if row[0] != "evaluation"}
