"""A corpus that grows: appended over the cluster as in one process, and scored where it is new."""

from __future__ import annotations  # a class that is sent to workers must not need this module's names

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.config import CorpusConfig
from laud_ray.data.corpus import Corpus, open_corpus
from laud_ray.data.generations import index
from laud_ray.data.generations.append import Appended, append
from laud_ray.data.sharding import normalise as normalising
from laud_ray.data.sharding import ordering
from laud_ray.passes.incomplete import drop_incomplete
from laud_ray.passes.run import run_pass
from laud_ray.passes.shortlists import Shortlist, read_shortlist
from laud_ray.query import build
from laud_ray.storage.folder import Folder
from laud_ray.types import Floats, Scorer

pytestmark = pytest.mark.usefixtures("ray_session")


def write(path: Path, start: int, end: int, kind: str) -> CorpusConfig:
    ids, texts = [f"d{i}" for i in range(start, end)], [f"{kind} {i}" for i in range(start, end)]
    pq.write_table(pa.table({"id": ids, "text": texts}), path)
    return CorpusConfig(path=str(path), text="text", id="id")


def grown(place: Path) -> tuple[Corpus, Appended]:
    """3,000 documents, and 500 new ones among 800 rows."""
    place.mkdir()
    folder = Folder(str(place / "corpus"))
    first = normalising.normalise(write(place / "a.parquet", 0, 3_000, "sure"), folder)
    # The first 300 have known ids, and other texts.
    return first, append(write(place / "b.parquet", 2_700, 3_500, "doubt"), folder, first)


def load() -> Callable[[str], Scorer]:
    def loaded(_: str) -> Scorer:
        class ByWord:
            labels = ("Tea", "Juice")

            def score(self, texts: Sequence[str]) -> Floats:
                """New documents are all doubtful, the old ones are not."""
                numbers = np.asarray([int(text.split()[1]) / 10_000 for text in texts])
                sure = np.asarray([text.startswith("sure") for text in texts])
                best = np.where(sure, 0.6, 0.5) + numbers * 0.1
                return np.stack([best, 1 - best], axis=1).astype(np.float32)

        return ByWord()

    return loaded


def test_the_cluster_appends_what_one_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, here = grown(tmp_path / "here")
    assert (here.number, here.new, here.changed) == (2, 500, 300)
    monkeypatch.setattr(normalising, "LARGE", 0)
    monkeypatch.setattr(index, "LARGE", 0)
    monkeypatch.setattr(ordering, "GROUP_ROWS", 100)
    _, there = grown(tmp_path / "there")
    assert (there.number, there.new, there.changed) == (2, 500, 300)
    (a, b) = (one.corpus.of_generation(2) for one in (here, there))
    assert a.fingerprint == b.fingerprint
    assert len(a.ranges) < len(b.ranges)
    assert sum(one.rows for one in b.ranges) == 500


def test_a_pass_goes_on_with_the_new_ranges_and_its_shortlist_has_their_best(tmp_path: Path) -> None:
    first, added = grown(tmp_path / "run")
    out, corpus = Folder(str(tmp_path / "scores")), added.corpus

    def scored(corpus: Corpus) -> int:
        wanted = Shortlist(build("margin", counts=[5, 5]), 100, frozenset(), (0, 1))
        return run_pass(corpus, Folder("m"), out, name="m", shortlist=wanted, load=load()).rows

    assert scored(first) == 3_000
    before = {one.name: (out / "shortlist").read(one.name) for one in first.ranges}
    assert drop_incomplete(corpus, out) == [one.name for one in corpus.of_generation(2).ranges]
    assert scored(corpus) == 500
    assert {name: (out / "shortlist").read(name) for name in before} == before
    assert drop_incomplete(corpus, out) == []
    # All 100 of the most doubtful documents are new, though these are a seventh of the corpus.
    found = read_shortlist(corpus, out, 100).column("text").to_pylist()
    assert sorted(found) == [f"doubt {i}" for i in range(3_000, 3_100)]
    # A narrowed corpus is the same corpus, and so is one that was opened again.
    assert scored(corpus.of_generation(2)) == 0
    again = open_corpus(corpus.folder)
    assert again is not None
    assert scored(again) == 0
