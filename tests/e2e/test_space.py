"""A run whose strategies look at where documents lie: it ends, and killed in its midst it asks the same."""

import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml

from laud_ray import config, loop
from laud_ray.data.corpus import Corpus, Range
from laud_ray.models import kinds
from laud_ray.passes.candidates import survey_scored
from laud_ray.passes.scoring import score_table
from laud_ray.passes.summary import summarise
from laud_ray.storage.folder import Folder
from laud_ray.taxonomy.groups import single
from laud_ray.types import Candidates, Document, SpatialScorer
from tests.e2e.killing import environment

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
    process = subprocess.run(
        command, env=environment(ray_session), capture_output=True, text=True, timeout=120, check=False
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert "progress select 1" in (tmp_path / "boundary.txt").read_text()
    assert not any(row[0] == "query" for row in asked(killed))
    assert loop.run(config.load(str(path))).state == "finished"
    rows = asked(unbroken)
    assert asked(killed) == rows
    assert {row[1] for row in rows if row[0] == "query"} == {1, 2}
    assert len({row[2] for row in rows}) == len(rows) == 16 + 20

    scorer = kinds.load(str(unbroken / "models" / "round-0001"))
    assert isinstance(scorer, SpatialScorer)
    vectors, proba = scorer.examine(["green 7", "pear 1"])
    assert proba == pytest.approx(scorer.score(["green 7", "pear 1"]))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.usefixtures("ray_session")
def test_a_model_without_vectors_is_read_from_its_scores_and_the_bundled_encoder(tmp_path: Path) -> None:
    names, ids = ("Tea", "Coffee", "Juice"), ["a", "b", "c", "d"]
    rounds = [Folder(str(tmp_path / name)) for name in ("one", "two")]
    parts = [np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.full((4, 3), 1 / 3, np.float32)]
    for folder, proba in zip(rounds, parts, strict=True):
        every, none = np.arange(2), pa.nulls(2, pa.string())
        for number, part in enumerate((ids[:2], ids[2:])):
            rows = proba[2 * number : 2 * number + 2]
            table = score_table(part, summarise(rows), every, np.ones(2, bool), none, names, "m")
            folder.write_table(f"part-{number:05d}.parquet", table)
    corpus = Corpus(rounds[0], (Range("part-00000.parquet", 2), Range("part-00001.parquet", 2)), {}, "f")
    pool = Candidates(["d", "b"], ["green tea", "soap bar"], np.zeros((2, 1)))
    asked, labels = [Document("c", "mint tea")], np.asarray([0])
    space = survey_scored(pool, asked, labels, single(names), corpus, rounds[::-1], votes=True)
    assert space.proba == pytest.approx(np.asarray([[1, 0, 0], [0, 1, 0]]), abs=1e-6)
    assert space.known_proba == pytest.approx(np.asarray([[0, 0, 1]]), abs=1e-6)
    assert space.committee is not None
    assert space.committee[0] == pytest.approx(np.full((2, 3), 1 / 3), abs=1e-6)
    near = space.vectors @ space.known_vectors[0]
    assert near[0] > near[1] + 0.2
    assert np.linalg.norm(space.vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)


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
