"""Runs on a few kinds of goods whose labels change, for tests: their data, their answers."""

import random
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import yaml

from laud_ray import config, loop
from laud_ray.store.run import look_at
from laud_ray.store.store import Answered


def write_names(place: Path, words: Mapping[str, str]) -> Path:
    """Write names.csv: 60 names of each kind, made of its words."""
    rng = random.Random(0)
    rows = [
        f"{rng.choice(some.split())} {rng.choice(some.split())} {rng.choice('xyz')}{i},{kind}"
        for i in range(60)
        for kind, some in words.items()
    ]
    (place / "names.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    return place


def write_config(
    path: Path, data: Path, storage: Path, task: Mapping[str, object], budget: int, **more: object
) -> Path:
    settings = {
        "task": {"name": "goods", **task},
        "corpus": {"path": str(data / "names.csv"), "text": "text"},
        "learner": {"kind": "linear"},
        "oracle": {"kind": "replay", "label": "label"},
        "init": {"per_class": 2},
        "query": {"batch": 10, "strategy": "margin", "answerable": False},
        "evaluation": {"size": 60, "stop_set": 50},
        "budget": {"annotations": budget},
        "storage": str(storage),
        **more,
    }
    path.write_text(yaml.safe_dump(settings))
    return path


def run_to_its_end(path: Path) -> None:
    """Run until the budget of 30 annotations is spent."""
    outcome = loop.run(config.load(str(path)))
    assert outcome.reason == "budget: 30 of 30 annotations are spent"


def answers(storage: Path) -> dict[str, Answered]:
    with look_at(str(storage)) as folder:
        return {a.query.document.id: a for a in folder.store.queries()}


def stored(storage: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(storage / "laud.db") as database:
        return database.execute("select document_id, label, cost from annotations order by position").fetchall()
