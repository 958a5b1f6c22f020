"""A pass over real Ray scores every document once, whatever happens on the way."""

from __future__ import annotations  # a class that is sent to workers must not need this module's names

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.cluster.workers import Workers
from laud_ray.config import CorpusConfig
from laud_ray.data.corpus import Corpus
from laud_ray.data.sharding.normalise import normalise
from laud_ray.errors import PassError, RunError
from laud_ray.passes.run import run_pass
from laud_ray.passes.shortlists import Shortlist, read_shortlist
from laud_ray.query import build
from laud_ray.storage.folder import Folder
from laud_ray.types import Floats, Scorer

pytestmark = pytest.mark.usefixtures("ray_session")
LABELS = ("Tea", "Coffee", "Juice")
DOCUMENTS = 1300


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """1300 documents in two ranges: every 13th an error, every 5th a duplicate."""
    place = tmp_path_factory.mktemp("corpus")
    texts = [None if i % 13 == 0 else f"name {i - i % 5 if i % 10 == 1 else i}" for i in range(DOCUMENTS)]
    pq.write_table(pa.table({"id": [f"d{i}" for i in range(DOCUMENTS)], "text": texts}), place / "in.parquet")
    config = CorpusConfig(path=str(place / "in.parquet"), text="text", id="id")
    return normalise(config, Folder(str(place / "out")))


def cheap(
    crash: str | None = None, poison: str | None = None, cuda: str | None = None, broken: bool = False
) -> Callable[[str], Scorer]:
    """A loader of a scorer that hashes.

    Args:
        crash: a file, without which it makes it and kills its process.
        poison: texts with this in them it cannot score.
        cuda: a folder, where it leaves its process's number; the first process scores nothing after its first call.
        broken: it scores nothing.
    """

    def load(_: str) -> Scorer:
        class Hashing:
            labels = ("Tea", "Coffee", "Juice")

            def score(self, texts: Sequence[str]) -> Floats:
                if crash is not None and not os.path.exists(crash):
                    open(crash, "w").close()
                    os.kill(os.getpid(), signal.SIGKILL)
                if broken:
                    raise RuntimeError("wrong weights")
                if cuda is not None:
                    os.makedirs(cuda, exist_ok=True)
                    first = os.listdir(cuda) in ([], [str(os.getpid())])
                    again = os.path.exists(f"{cuda}/{os.getpid()}")
                    open(f"{cuda}/{os.getpid()}", "w").close()
                    if first and again:
                        raise RuntimeError("CUDA error: an illegal memory access was encountered")
                if poison is not None and any(poison in text for text in texts):
                    raise ValueError("cannot read this")
                numbers = np.asarray([[sum(map(ord, t)) * p % 97 + 1 for p in (3, 7, 31)] for t in texts], np.float32)
                proba: Floats = numbers / numbers.sum(1, keepdims=True)
                return proba

        return Hashing()

    return load


def scores(corpus: Corpus, out: Folder) -> list[dict[str, object]]:
    return [row for part in corpus.ranges for row in out.read_table(part.name).to_pylist()]


def test_every_document_gets_one_row_and_duplicates_the_same(corpus: Corpus, tmp_path: Path) -> None:
    out, seen = Folder(str(tmp_path / "out")), []
    result = run_pass(corpus, Folder("m"), out, name="m", load=cheap(), progress=lambda d, t: seen.append((d, t)))
    rows = {row["id"]: row for row in scores(corpus, out)}
    assert len(rows) == DOCUMENTS == result.rows
    assert result.errors == 100 == sum(row["error"] is not None for row in rows.values())
    assert seen[0] == (0, DOCUMENTS)
    assert seen[-1] == (DOCUMENTS, DOCUMENTS)
    documents = [row for part in corpus.ranges for row in corpus.read(part.name).to_pylist()]
    again = [d for d in documents if d["duplicate_of"]]
    assert len(again) > 100
    for document in again:
        one, other = rows[document["id"]], rows[document["duplicate_of"]]
        assert one["top_probabilities"] == other["top_probabilities"]
    assert {row["model"] for row in rows.values()} == {"m"}


def test_resume_scores_only_what_is_missing(corpus: Corpus, tmp_path: Path) -> None:
    out = Folder(str(tmp_path / "out"))
    run_pass(corpus, Folder("m"), out, name="m", load=cheap())
    before = scores(corpus, out)
    done = run_pass(corpus, Folder("m"), out, name="m", load=cheap())
    assert (done.rows, done.resumed) == (0, len(corpus.ranges))
    lost = corpus.ranges[1]
    (tmp_path / "out" / lost.name).unlink()
    (tmp_path / "out" / f".{corpus.ranges[0].name}-half-written").write_bytes(b"PAR1")
    again = run_pass(corpus, Folder("m"), out, name="m", load=cheap())
    assert again.rows == lost.rows
    assert scores(corpus, out) == before
    with pytest.raises(RunError, match="holds a pass of model 'm'; expected model 'other'"):
        run_pass(corpus, Folder("m"), out, name="other", load=cheap())


def test_poison_is_one_error_row(corpus: Corpus, tmp_path: Path) -> None:
    out = Folder(str(tmp_path))
    result = run_pass(corpus, Folder("m"), out, name="m", load=cheap(poison="name 777"))
    bad = [row for row in scores(corpus, out) if row["error"] and "cannot read" in str(row["error"])]
    assert [row["id"] for row in bad] == ["d777"]
    assert result.errors == 101
    assert bad[0]["error"] == "ValueError: cannot read this"


KINDS = pytest.mark.parametrize("workers", [Workers(), Workers(engines=1)], ids=["tasks", "engines"])


@KINDS
def test_a_scorer_that_fails_on_everything_ends_the_pass(corpus: Corpus, workers: Workers, tmp_path: Path) -> None:
    with pytest.raises(PassError) as stopped:
        run_pass(corpus, Folder("m"), Folder(str(tmp_path)), name="m", workers=workers, load=cheap(broken=True))
    names = ", ".join(part.name for part in corpus.ranges)
    assert str(stopped.value).startswith(
        f"2 of 2 ranges were set aside: {names} (its engine ended: RuntimeError: wrong weights, 3 times)"
    )
    assert not list(tmp_path.glob("part*"))


@KINDS
def test_an_engine_that_dies_ends_its_process_and_costs_nothing(
    corpus: Corpus, workers: Workers, tmp_path: Path
) -> None:
    whole, broken, seen = Folder(str(tmp_path / "whole")), Folder(str(tmp_path / "broken")), tmp_path / "seen"
    run_pass(corpus, Folder("m"), whole, name="m", load=cheap(poison="name 777"))
    load = cheap(poison="name 777", cuda=str(seen))
    result = run_pass(corpus, Folder("m"), broken, name="m", workers=workers, load=load)
    assert scores(corpus, broken) == scores(corpus, whole)
    assert result.errors == 101
    assert len(list(seen.iterdir())) > 1


def test_a_relative_folder_is_that_of_the_command(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers have a working directory of their own."""
    monkeypatch.chdir(tmp_path)
    run_pass(corpus, Folder("m"), Folder("runs/x"), name="m", load=cheap())
    assert {path.name for path in (tmp_path / "runs/x").glob("part*")} == {part.name for part in corpus.ranges}


def test_a_killed_worker_costs_nothing(corpus: Corpus, tmp_path: Path) -> None:
    crash = tmp_path / "crashed"
    whole, broken = Folder(str(tmp_path / "whole")), Folder(str(tmp_path / "broken"))
    run_pass(corpus, Folder("m"), whole, name="m", load=cheap())
    run_pass(corpus, Folder("m"), broken, name="m", load=cheap(crash=str(crash)))
    assert crash.exists()
    assert scores(corpus, broken) == scores(corpus, whole)


def test_shortlists_hold_the_best_of_the_corpus(corpus: Corpus, tmp_path: Path) -> None:
    strategy = build("mix", counts=[5, 0, 0], mix={"margin": 0.5, "rare_class": 0.5})
    exclude = frozenset(f"d{i}" for i in range(0, DOCUMENTS, 3))
    wanted = Shortlist(strategy, 40, exclude, (0, 1))
    out = Folder(str(tmp_path))
    run_pass(corpus, Folder("m"), out, name="m", shortlist=wanted, load=cheap())
    listed = read_shortlist(corpus, out, 40)
    scorer = cheap()("m")
    documents = [row for part in corpus.ranges for row in corpus.read(part.name).to_pylist()]
    pool = [d for d in documents if not d["error"] and not d["duplicate_of"] and d["id"] not in exclude]
    utility = strategy.utility(scorer.score([d["text"] for d in pool]))
    for criterion in (0, 1):
        rows = listed.filter(pa.compute.equal(listed.column("criterion"), criterion)).to_pylist()
        assert len(rows) == 40
        best = np.sort(utility[:, criterion])[::-1][:40]
        assert [row["utility"] for row in rows] == pytest.approx(best.tolist(), abs=1e-6)
        assert not {row["id"] for row in rows} & exclude
    (tmp_path / corpus.ranges[0].name).unlink()
    run_pass(corpus, Folder("m"), out, name="m", shortlist=wanted, load=cheap())
    assert read_shortlist(corpus, out, 40).equals(listed)


def test_random_shortlists_are_no_matter_of_place(corpus: Corpus, tmp_path: Path) -> None:
    """Random utilities are all equal, so the shortlist's ties must be broken by chance, not by row."""
    wanted = Shortlist(build("random", counts=[0, 0, 0]), 100, frozenset(), (3, 1))
    out = Folder(str(tmp_path))
    run_pass(corpus, Folder("m"), out, name="m", shortlist=wanted, load=cheap())
    ids = set(read_shortlist(corpus, out, 100).column("id").to_pylist())
    for part in corpus.ranges:
        pool = [row["id"] for row in corpus.read(part.name).to_pylist() if row["text"] and not row["duplicate_of"]]
        within = [i for i, key in enumerate(pool) if key in ids]
        assert len(within) > 15
        assert np.mean(within) / len(pool) == pytest.approx(0.5, abs=0.15)
