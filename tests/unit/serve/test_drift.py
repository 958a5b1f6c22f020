"""The alarm of served traffic: against the corpus of the run, valid at any time, anew after a year."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import serve.service
from laud_ray.stats.betting import Batch, Reference
from laud_ray.store.run import look_at
from laud_ray.store.store import Query
from laud_ray.types import Document, Floats
from serve.drift import BATCH, TESTS, YEAR_S, Drift, reference
from tests.served import eventually, live, serve_run
from tests.tiny import LABELS, products

QUIET = dict.fromkeys(TESTS, False)


def corpus() -> Reference:
    rng = np.random.default_rng(0)
    return Reference.of([Batch(rng.integers(0, 4, 100_000), confidences(rng, 100_000))], 4)


def confidences(rng: np.random.Generator, n: int) -> Floats:
    return rng.beta(5, 1, n)


def traffic(drift: Drift, n: int, *, labels: int = 4, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    drift.add(rng.integers(0, labels, n).tolist(), confidences(rng, n).tolist())


def test_traffic_like_the_corpus_is_quiet_and_other_labels_are_an_alarm() -> None:
    drift = Drift(None, corpus())
    assert drift.alarms() == QUIET
    for seed in range(20):
        traffic(drift, 300, seed=seed)
        assert drift.alarms() == QUIET
    traffic(drift, 2 * BATCH, labels=3)
    assert drift.alarms() == {"confidence": False, "labels": True}
    traffic(drift, 2 * BATCH)
    assert drift.alarms() == {"confidence": False, "labels": True}


def test_few_texts_wait_for_more() -> None:
    drift = Drift(None, corpus())
    traffic(drift, BATCH - 1, labels=1)
    assert drift.alarms() == QUIET
    traffic(drift, 1, labels=1)
    assert drift.alarms() == {"confidence": False, "labels": True}


def test_the_tests_start_anew_after_a_year() -> None:
    now = 0.0
    drift = Drift(None, corpus(), clock=lambda: now)
    traffic(drift, BATCH, labels=1)
    assert drift.alarms() == {"confidence": False, "labels": True}
    now = YEAR_S
    assert drift.alarms() == QUIET


def test_without_a_corpus_there_is_no_alarm_and_nothing_is_kept() -> None:
    drift = Drift(None)
    traffic(drift, 10 * BATCH)
    assert drift.alarms() is None
    assert drift.indices() is None
    assert drift._waiting == []


def with_scores(storage: Path, label: str, ids: list[str]) -> Path:
    run = serve_run(storage)
    with look_at(str(run)) as opened:
        for part in range(2):
            n = len(ids)
            table = pa.table(
                {
                    "id": [f"{part}{one}" if part else one for one in ids],
                    "label": pa.array([label] * (n - 1) + [None], pa.string()),
                    "confidence": pa.array([0.9] * (n - 1) + [None], pa.float32()),
                }
            )
            opened.scores(1).write_table(f"part-0000{part}.parquet", table)
    return run


def test_a_reference_counts_apart_what_the_model_was_trained_on(tmp_path: Path) -> None:
    run = with_scores(tmp_path / "run", LABELS[1], ["e0", "e1", *(f"d{i}" for i in range(40))])
    with look_at(str(run)) as opened:
        opened.store.add_queries("query", 0, [Query(Document("d0", "a name"), "its margin is small")])
        found = reference(opened, "round-0001", LABELS)
        assert found is not None
        # Two documents have no label; those of the evaluation sample, e0 and e1, never train.
        assert (found.counts[1], found.n, found.trained) == (40 + 41, 81, 1)
        assert found.mean == pytest.approx(0.9)
        assert reference(opened, "round-0009", LABELS) is None
        opened.scores(1).write("part-00001.parquet", b"damaged")
        assert reference(opened, "round-0001", LABELS) is None


def test_the_service_raises_the_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve.service, "GAUGES_EVERY_S", 0.02)
    run = with_scores(tmp_path / "run", LABELS[0], [f"d{i}" for i in range(20_000)])
    with live(run=str(run)) as client:
        eventually(lambda: 'laud_drift_alarm{test="labels"} 0.0' in client.get("/metrics").text)
        texts = [example.text for example in products(BATCH, seed=5)]
        for start in range(0, BATCH, 100):
            client.post("/v1/classify", json={"texts": texts[start : start + 100]}).raise_for_status()
        eventually(lambda: 'laud_drift_alarm{test="labels"} 1.0' in client.get("/metrics").text)
