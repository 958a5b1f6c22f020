"""A corpus with several generations is their union, and each can be looked at alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from laud_ray.config import CorpusConfig
from laud_ray.data.corpus import Corpus, Range, open_corpus
from laud_ray.data.generations import manifest
from laud_ray.data.generations.manifest import Generation, number_of
from laud_ray.data.sharding.normalise import normalise
from laud_ray.data.sharding.ordering import RANGE_SCHEMA
from laud_ray.errors import DamageError
from laud_ray.evaluation.probing.draw import _others
from laud_ray.storage.folder import Folder


@pytest.fixture
def first(tmp_path: Path) -> Corpus:
    pq.write_table(pa.table({"text": [f"name {i}" for i in range(300)]}), tmp_path / "a.parquet")
    config = CorpusConfig.model_validate({"path": str(tmp_path / "a.parquet"), "text": "text"})
    return normalise(config, Folder(str(tmp_path / "corpus")))


def add(corpus: Corpus, number: int, texts: list[str]) -> Generation:
    """Commit a generation by hand."""
    none = pa.nulls(len(texts), pa.string())
    table = pa.Table.from_arrays([pa.array([f"i-{t}" for t in texts]), pa.array(texts), none, none], RANGE_SCHEMA.names)
    name = f"{manifest.range_prefix(number)}00000.parquet"
    corpus.folder.write_table(name, table.cast(RANGE_SCHEMA))
    counts = {"documents": len(texts), "unique": len(texts), "duplicates": 0, "errors": 0, "truncated": 0}
    ranges = (Range(name, len(texts)),)
    found = Generation(
        number, "b.csv", "2026-11-30T00:00:00Z", ranges, counts, {"changed": 2}, f"f{number}", ("a note",)
    )
    corpus.folder.write(manifest.manifest_name(number), manifest.dump(found, {}))
    return found


def test_the_union_of_generations(first: Corpus) -> None:
    later = [add(first, 2, ["pear", "plum"]), add(first, 3, ["fig"])]
    corpus = open_corpus(first.folder)
    assert corpus is not None
    assert corpus.generations == (*first.generations, *later)
    assert [one.name for one in corpus.ranges] == [
        *(one.name for one in first.ranges),
        "part-g0002-00000.parquet",
        "part-g0003-00000.parquet",
    ]
    assert (corpus.pool_size, corpus.counts["documents"]) == (303, 303)
    assert corpus.notes == (*first.notes, "a note")
    assert corpus.fingerprint not in {one.fingerprint for one in corpus.generations}


def test_one_generation_is_what_it_was(first: Corpus) -> None:
    assert first == open_corpus(first.folder)
    assert first.fingerprint == first.generations[0].fingerprint == first.identity
    assert first.some_texts(300) == tuple(t for r in first.ranges for t in first.read(r.name)["text"].to_pylist())


def test_a_single_generation_keeps_the_identity_of_all(first: Corpus) -> None:
    add(first, 2, ["pear", "plum"])
    corpus = open_corpus(first.folder)
    assert corpus is not None
    alone = corpus.of_generation(2)
    assert ([one.name for one in alone.ranges], alone.pool_size) == (["part-g0002-00000.parquet"], 2)
    assert alone.identity == corpus.identity == first.identity
    assert corpus.of_generation(1).ranges == first.ranges
    assert [corpus.distinct_beside(one.name) for one in corpus.ranges] == [300] * len(first.ranges) + [2]
    with pytest.raises(ValueError, match="generation 3 is not valid; expected 1 to 2"):
        corpus.of_generation(3)


def test_each_generation_has_its_share_of_a_sample_of_texts(first: Corpus) -> None:
    new = [f"new {i}" for i in range(100)]
    add(first, 2, new)
    corpus = open_corpus(first.folder)
    assert corpus is not None
    every = corpus.some_texts(1_000)
    assert len(set(every)) == len(every) == 400
    for n in (8, 40, 200):
        assert corpus.some_texts(n) == every[:n]
        assert abs(len(set(every[:n]) & set(new)) - n / 4) <= 1


def test_names_tell_the_generation_and_seed_what_they_did() -> None:
    assert [number_of(name) for name in ("part-00007.parquet", "part-g0002-00007.parquet", "a")] == [1, 2, 1]
    assert (manifest.range_prefix(1), manifest.range_prefix(12)) == ("part-", "part-g0012-")
    seeds = [[int(c) for c in name if c.isdigit()] for name in ("part-00007.parquet", "part-g0002-00007.parquet")]
    drawn = [np.random.default_rng([0, 1, *seed]).random() for seed in seeds]
    assert drawn[0] != drawn[1]


def test_a_lost_or_damaged_manifest_is_no_shorter_corpus(first: Corpus) -> None:
    add(first, 2, ["pear"])
    add(first, 3, ["fig"])
    assert first.folder.local is not None
    third = first.folder.local / manifest.manifest_name(3)
    whole = third.read_bytes()
    third.write_bytes(whole.replace(b"b.csv", b"c.csv"))
    with pytest.raises(DamageError, match=r"generation-0003.json: was changed or is damaged"):
        open_corpus(first.folder)
    third.write_bytes(whole)
    first.folder.delete(manifest.manifest_name(2))
    with pytest.raises(DamageError, match=r"generation-0002.json: is missing; expected the file"):
        open_corpus(first.folder)


def test_documents_for_a_probe_are_of_each_generation_as_often_as_its_share(first: Corpus) -> None:
    add(first, 2, [f"new {i}" for i in range(100)])
    corpus = open_corpus(first.folder)
    assert corpus is not None
    rng = np.random.default_rng(0)
    drawn = [one.text for one in _others(corpus, {"i-new 7"}, rng)]
    assert len(set(drawn)) == len(drawn) == 399
    new = [sum(text.startswith("new") for text in drawn[:n]) / n for n in (100, 200)]
    assert all(0.15 < share < 0.35 for share in new)
    alone = [one.text for one in _others(first, set(), np.random.default_rng(0))]
    assert len(alone) == 300
